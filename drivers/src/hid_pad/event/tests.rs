use proptest::prelude::*;

use super::*;
use crate::link::replay;

/// A codec for [`replay::replay`]: bytes in, readable events out, what says nothing to a pad left out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut framer = Framer::<Events>::default();
    move |bytes| {
        let events = framer.feed(bytes).into_iter();
        let of_keys = events.filter(|event| event.said() != Said::Other);
        of_keys.map(|event| event.to_string()).collect()
    }
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hid_pad/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        fuzz(&trace.bytes);
        traces += 1;
    }
    assert!(traces >= 2, "only {traces} traces");
}

fn any_event() -> impl Strategy<Value = Event> {
    let time = (any::<u64>(), any::<u64>());
    let fields = (time, any::<u16>(), any::<u16>(), any::<i32>());
    fields.prop_map(|((seconds, micros), kind, code, value)| Event {
        seconds,
        micros,
        kind,
        code,
        value,
    })
}

proptest! {
    #[test]
    fn events_survive_whole_and_byte_by_byte(
        events in proptest::collection::vec(any_event(), 0..6),
    ) {
        let bytes: Vec<u8> = events.iter().flat_map(Event::encode).collect();
        prop_assert_eq!(&Framer::<Events>::default().feed(&bytes), &events);
        fuzz(&bytes);
    }

    #[test]
    fn random_bytes_never_panic_and_never_pile_up(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0)], 0..300),
    ) {
        fuzz(&bytes);
        let mut framer = Framer::<Events>::default();
        framer.feed(&bytes);
        prop_assert!(framer.pending() < LENGTH);
    }
}
