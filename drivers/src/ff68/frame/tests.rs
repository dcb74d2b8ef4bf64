use proptest::prelude::*;

use super::*;
use crate::link::replay;

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut framer = Framer::<Ff68>::default();
    move |bytes| framer.feed(bytes).iter().map(ToString::to_string).collect()
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ff68/traces");
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
    assert!(traces >= 3, "only {traces} traces");
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let data = proptest::collection::vec(any::<u8>(), 0..=DATA_BYTES_MAX);
    let fields = (any::<u8>(), any::<u8>(), data);
    fields.prop_map(|(address, cmd, data)| Frame { address, cmd, data })
}

fn short_frame() -> impl Strategy<Value = Frame> {
    any_frame().prop_map(|mut frame| {
        frame.data.truncate(12);
        frame
    })
}

proptest! {
    #[test]
    fn frames_survive_the_wire_whole_and_byte_by_byte(
        frames in proptest::collection::vec(any_frame(), 0..4),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        prop_assert_eq!(&Framer::<Ff68>::default().feed(&bytes), &frames);
        let mut framer = Framer::<Ff68>::default();
        let single: Vec<Frame> = bytes.chunks(1).flat_map(|byte| framer.feed(byte)).collect();
        prop_assert_eq!(&single, &frames);
        prop_assert_eq!(framer.take_bad(), 0);
    }

    #[test]
    fn random_bytes_never_panic_and_never_pile_up(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(LEAD), Just(START), Just(END), 1..4_u8], 0..600),
    ) {
        fuzz(&bytes);
        let mut framer = Framer::<Ff68>::default();
        for chunk in bytes.chunks(7) {
            framer.feed(chunk);
            prop_assert!(framer.pending() < Ff68::LENGTH_MAX);
        }
    }

    #[test]
    fn one_wrong_byte_is_always_seen(frame in short_frame()) {
        let good = frame.encode();
        for at in 0..good.len() {
            for value in (0..=u8::MAX).filter(|value| *value != good[at]) {
                let mut broken = good.clone();
                broken[at] = value;
                let said = Framer::<Ff68>::default().feed(&broken);
                // Data may hold a whole frame by chance; the broken one is not taken.
                prop_assert!(said.iter().all(|said| said.encode().len() < good.len()));
                prop_assert!(!said.contains(&frame), "{:02x?}", broken);
            }
        }
    }

    #[test]
    fn a_frame_is_found_after_noise(
        noise in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(LEAD), Just(START), 2..8_u8], 0..40),
        frame in short_frame(),
    ) {
        let mut framer = Framer::<Ff68>::default();
        framer.feed(&noise);
        // The session forgets what began and does not go on.
        framer.forget();
        let said = framer.feed(&frame.encode());
        prop_assert_eq!(said.last(), Some(&frame));
    }
}
