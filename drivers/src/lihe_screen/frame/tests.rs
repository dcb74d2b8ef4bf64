use proptest::prelude::*;

use super::*;
use crate::gbk::to_gbk;
use crate::link::replay;

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut parser = Parser::default();
    move |bytes| {
        let frames = parser.feed(bytes);
        let name = |frame: &Frame| format!("{}: {}", frame.address, frame.body);
        frames.iter().map(name).collect()
    }
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lihe_screen/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        traces += 1;
    }
    assert!(traces >= 5, "only {traces} traces");
}

fn check(body: Body, expected: &str) {
    let frame = Frame { address: 3, body };
    assert_eq!(frame.encode(), replay::hex(expected).unwrap(), "{frame:?}");
}

#[test]
fn the_published_vectors_are_what_we_send() {
    let call = |prefix| {
        Body::Call(Call {
            prefix,
            number: 1234,
            window: 3,
        })
    };
    check(call(None), "A0 06 28 03 01 0C 22 03 63 FF");
    check(call(Some(b'B')), "A0 07 28 03 01 0C 22 03 42 42 FF");
    let text = to_gbk("请A001到3号窗口", TEXT_BYTES_MAX);
    check(
        Body::Text(text),
        "aa03bb5154a10100990063c7eb41303031b5bd33bac5b4b0bfdaff",
    );
    check(Body::VersionQuery, "A0 03 98 03 50 26 FF");
    check(Body::Ack, "A0 03 14 03 50 06 FF");
}

/// Every value of every byte, one at a time.
fn corruptions(frame: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..frame.len()).flat_map(move |at| {
        (0..=u8::MAX)
            .filter(move |value| *value != frame[at])
            .map(move |value| {
                let mut broken = frame.to_vec();
                broken[at] = value;
                broken
            })
    })
}

fn any_call() -> impl Strategy<Value = Body> {
    let prefix = proptest::option::of(b'A'..=b'Z');
    (prefix, 0..=NUMBER_MAX, WINDOWS).prop_map(|(prefix, number, window)| {
        Body::Call(Call {
            prefix,
            number,
            window,
        })
    })
}

fn any_standard() -> impl Strategy<Value = Frame> {
    let body = prop_oneof![
        any_call(),
        Just(Body::Welcome),
        Just(Body::Serving),
        Just(Body::Pause),
        Just(Body::VersionQuery),
        Just(Body::Ack),
        (CARDS, 0..=99_u8).prop_map(|(card, version)| Body::Version { card, version }),
    ];
    (ADDRESSES, body).prop_map(|(address, body)| Frame { address, body })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let text = "\\PC{0,40}".prop_map(|text| Body::Text(to_gbk(&text, TEXT_BYTES_MAX)));
    let text = (ADDRESSES, text).prop_map(|(address, body)| Frame { address, body });
    prop_oneof![4 => any_standard(), 1 => text]
}

proptest! {
    #[test]
    fn frames_survive_the_wire_whole_and_byte_by_byte(
        frames in proptest::collection::vec(any_frame(), 0..6),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        prop_assert_eq!(&Parser::default().feed(&bytes), &frames);
        let mut parser = Parser::default();
        let single: Vec<Frame> = bytes.chunks(1).flat_map(|byte| parser.feed(byte)).collect();
        prop_assert_eq!(&single, &frames);
        prop_assert_eq!(parser.take_bad(), 0);
    }

    #[test]
    fn random_bytes_never_panic_and_never_pile_up(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(STANDARD), Just(INSTANT), Just(END), 0..8_u8], 0..600),
    ) {
        let mut parser = Parser::default();
        for chunk in bytes.chunks(7) {
            parser.feed(chunk);
            prop_assert!(parser.pending() <= INSTANT_HEAD + TEXT_BYTES_MAX + 1);
        }
    }

    #[test]
    fn one_wrong_byte_never_makes_another_frame(frame in any_standard()) {
        let good = frame.encode();
        for broken in corruptions(&good) {
            // What follows on the wire must not complete it either.
            for tail in [&[][..], &[END], &[0, END], &good] {
                let stream = [&broken[..], tail].concat();
                let said = Parser::default().feed(&stream);
                // A version is information, shown nowhere but in a log.
                let harmless = |said: &Frame| matches!(said.body, Body::Version { .. });
                let other = said.iter().find(|said| **said != frame && !harmless(said));
                prop_assert_eq!(other, None, "{:02x?}", stream);
            }
        }
    }

    #[test]
    fn one_wrong_byte_of_a_text_is_seen_unless_it_is_the_address_or_an_early_end(text in "[A-Z0-9请到号窗口]{1,12}") {
        let frame = Frame { address: 7, body: Body::Text(to_gbk(&text, TEXT_BYTES_MAX)) };
        let ends = |bytes: &[u8]| bytes[INSTANT_HEAD..].iter().filter(|byte| **byte == END).count();
        for broken in corruptions(&frame.encode()).filter(|broken| ends(broken) == 1) {
            for said in Parser::default().feed(&broken) {
                prop_assert_eq!(said.body, frame.body.clone(), "{:02x?}", &broken);
            }
        }
    }

    #[test]
    fn a_frame_is_found_after_noise(
        noise in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(STANDARD), Just(INSTANT), 3..8_u8], 0..40),
        frame in any_standard(),
    ) {
        // Noise may look like the beginning of a frame; sent again, the frame ends the doubt.
        let mut parser = Parser::default();
        parser.feed(&noise);
        let mut said = parser.feed(&frame.encode());
        said.extend(parser.feed(&frame.encode()));
        prop_assert!(said.contains(&frame), "{:02x?}", noise);
    }
}

#[test]
fn a_frame_behind_a_broken_one_is_not_lost() {
    let good = Frame {
        address: 3,
        body: Body::Ack,
    };
    let mut bytes = good.encode();
    bytes[5] ^= 1;
    bytes.extend(good.encode());
    let mut parser = Parser::default();
    assert_eq!(parser.feed(&bytes), [good]);
    assert!(parser.take_bad() > 0);
}
