use proptest::prelude::*;

use super::*;
use crate::link::{framer, replay};
use crate::testing::Peer;

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut parser = Parser::default();
    move |bytes| parser.feed(bytes).iter().map(Frame::to_string).collect()
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/alpha/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        traces += 1;
    }
    assert!(traces >= 2, "only {traces} traces");
}

#[test]
fn the_published_vector_is_what_we_send() {
    let frame = Frame {
        kind: b'Z',
        address: *b"00",
        file: b'A',
        position: Position::Bottom,
        mode: Mode::Rotate,
        text: to_ascii("A001 -> 3"),
    };
    let trace = replay::parse(include_str!("../traces/rotate.txt")).unwrap();
    assert_eq!(frame.encode(), trace.bytes);
}

#[test]
fn what_a_sign_cannot_show_becomes_a_question_mark() {
    assert_eq!(to_ascii("请A1\n~é\u{7F}"), b"?A1?~??");
    assert_eq!(to_ascii(&"x".repeat(200)).len(), TEXT_BYTES_MAX);
}

/// The other encoder has no name for the top line.
fn any_frame() -> impl Strategy<Value = Frame> {
    let kind = proptest::sample::select(&b"Z!#ef1"[..]);
    let position = proptest::sample::select(vec![Position::Middle, Position::Bottom, Position::Fill]);
    let mode = proptest::sample::select(&Mode::ALL[..]);
    let file = prop_oneof![Just(b'0'), b'A'..=b'Z'];
    let text = proptest::collection::vec(0x20..0x7F_u8, 0..=TEXT_BYTES_MAX);
    (kind, "[0-9A-F]{2}", file, position, mode, text).prop_map(
        |(kind, address, file, position, mode, text)| Frame {
            kind,
            address: [address.as_bytes()[0], address.as_bytes()[1]],
            file,
            position,
            mode,
            text,
        },
    )
}

/// Frames of random texts, byte by byte those of alphasignpy.
#[tokio::test]
async fn another_encoder_makes_the_same_bytes() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut peer = Peer::python("alpha/peers/alpha_encoder.py", &[]).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..500 {
        let frame = any_frame().new_tree(&mut runner).unwrap().current();
        let [high, low] = frame.address.map(char::from);
        let (kind, file) = (char::from(frame.kind), char::from(frame.file));
        let (position, mode) = (frame.position as u8, char::from(frame.mode as u8));
        let text: String = frame.text.iter().map(|byte| format!("{byte:02x}")).collect();
        let order = format!("{kind} {high}{low} {file} {position:02x} {mode} -{text}");
        peer.tell(&order).await;
        let theirs = replay::hex(&peer.line().await).unwrap();
        assert_eq!(frame.encode(), theirs, "{order}");
        assert_eq!(Parser::default().feed(&theirs), [frame]);
    }
}

proptest! {
    #[test]
    fn frames_survive_the_wire_whole_and_byte_by_byte(
        frames in proptest::collection::vec(any_frame(), 0..5),
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
            prop_oneof![any::<u8>(), 0..5_u8, Just(b'A'), Just(ESC)], 0..400),
    ) {
        framer::fuzz::<MProtocol>(&bytes);
    }

    /// Type and address are outside the sum; everything else is seen.
    #[test]
    fn one_wrong_byte_never_makes_another_text(frame in any_frame(), value in any::<u8>()) {
        let good = frame.encode();
        for at in 0..good.len() {
            for value in [value, 0, SOH, STX, ETX, EOT, b'0', good[at] ^ 1] {
                let mut broken = good.clone();
                broken[at] = value;
                broken.extend(&good);
                for said in Parser::default().feed(&broken) {
                    let same = (said.file, said.position, said.mode, &said.text);
                    let expected = (frame.file, frame.position, frame.mode, &frame.text);
                    prop_assert_eq!(same, expected, "{:02x?}", &broken);
                }
            }
        }
    }

    #[test]
    fn a_frame_is_found_after_noise(
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), 0..5_u8], 0..60),
        frame in any_frame(),
    ) {
        let mut parser = Parser::default();
        parser.feed(&noise);
        prop_assert!(parser.feed(&frame.encode()).contains(&frame), "{:02x?}", noise);
    }
}
