use proptest::prelude::*;

use super::*;
use crate::link::replay;

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut parser = Parser::default();
    move |bytes| parser.feed(bytes).iter().map(Frame::to_string).collect()
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/escpos/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        framer::fuzz::<EscPos>(&trace.bytes);
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        traces += 1;
    }
    assert!(traces >= 5, "only {traces} traces");
}

/// The published table, written out: what each byte means as an answer to each question.
#[test]
fn every_published_byte_means_what_it_should() {
    let ready = [0x12; 4];
    let check = |at: usize, byte: u8, expected: &str| {
        let mut answers = ready;
        answers[at] = byte;
        let condition = Condition::from_answers(answers);
        assert_eq!(condition.to_string(), expected, "n={} {byte:02X}", at + 1);
    };
    check(0, 0x12, "ready");
    check(0, 0x16, "ready"); // cash drawer
    check(0, 0x1A, "offline");
    check(1, 0x16, "cover-open");
    check(1, 0x1A, "ready"); // feed button
    check(1, 0x32, "paper-out");
    check(1, 0x52, "error");
    check(2, 0x1A, "cutter");
    check(2, 0x32, "unrecoverable-error");
    check(2, 0x52, "recoverable-error");
    check(3, 0x1E, "paper low");
    check(3, 0x7E, "paper-out");
}

#[test]
fn a_byte_is_a_status_exactly_when_its_fixed_bits_say_so() {
    for byte in 0..=u8::MAX {
        let fixed = byte >> 7 == 0 && byte >> 4 & 1 == 1 && byte >> 1 & 1 == 1 && byte & 1 == 0;
        assert_eq!(is_status(byte), fixed, "{byte:02X}");
        assert_eq!(Question::Printer.takes(byte), fixed);
        // Of the paper bits one alone is documented nowhere.
        let paper = [0x12, 0x1E, 0x72, 0x7E].contains(&byte);
        assert_eq!(Question::Paper.takes(byte), paper, "{byte:02X}");
    }
}

#[test]
fn health_says_what_the_condition_is() {
    let condition = Condition {
        offline: true,
        cover_open: true,
        near_end: true,
        cutter: true,
        recoverable: true,
        ..Condition::default()
    };
    let health = condition.health();
    assert!(!health.online);
    assert_eq!(health.paper, Some(Paper::Low));
    assert_eq!(health.cover_open, Some(true));
    assert_eq!(health.cutter_fault, Some(true));
    assert_eq!(health.faults, ["recoverable-error"]);
    let ready = Condition::default().health();
    assert!(ready.online && ready.faults.is_empty());
    assert_eq!(ready.paper, Some(Paper::Ok));
}

#[test]
fn what_is_asked_is_explained_and_not_taken_for_an_answer() {
    let explained = |bytes: &[u8]| -> Vec<String> {
        explain(bytes).into_iter().map(|piece| piece.text).collect()
    };
    let asked = [0x10, 4, 1, 0x10, 4, 4, 0x1D, b'I', 67, 0x1D, b'a', 0x0E];
    let expected = ["printer?", "paper?", "model?", "tell changes 0E"];
    assert_eq!(explained(&asked), expected);
    assert_eq!(explained(&[0x14, 0, 3, 0]), ["changed: paper low"]);
    assert_eq!(explained(&[0x12, 0xFF]), ["status 12", "?"]);
    assert!(explained(&[]).is_empty());
}

fn any_condition() -> impl Strategy<Value = Condition> {
    proptest::array::uniform9(any::<bool>()).prop_map(|is| Condition {
        offline: is[0],
        cover_open: is[1],
        // A sensor at the end of the roll sees the near end, too.
        near_end: is[2] || is[3],
        paper_end: is[3],
        cutter: is[4],
        unrecoverable: is[5],
        recoverable: is[6],
        error: is[4] || is[5] || is[6] || is[7],
        feeding: is[8],
    })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        any::<u8>().prop_map(|bits| Frame::Status(bits & !FIXED | FIXED_STATUS)),
        any::<[u8; 4]>().prop_map(|[first, a, b, c]| {
            let first = first & !FIXED | FIXED_ASB;
            Frame::Asb([first, a & !ASB_ZERO, b & !ASB_ZERO, c & !ASB_ZERO])
        }),
        "[ -~]{0,80}".prop_map(Frame::Text),
    ]
}

fn any_noise(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), Just(TEXT), Just(FIXED_ASB), Just(0)];
    proptest::collection::vec(byte, 0..max)
}

proptest! {
    #[test]
    fn a_condition_is_read_back_from_its_answers_and_from_asb(condition in any_condition()) {
        let answers = Question::ALL.map(|question| condition.answer(question));
        for (question, answer) in Question::ALL.into_iter().zip(answers) {
            prop_assert!(question.takes(answer));
        }
        prop_assert_eq!(Condition::from_answers(answers), condition);
        prop_assert_eq!(Condition::from_asb(condition.to_asb()), condition);
    }

    #[test]
    fn frames_survive_the_wire_whole_and_byte_by_byte(
        frames in proptest::collection::vec(any_frame(), 0..6),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        prop_assert_eq!(&Parser::default().feed(&bytes), &frames);
        framer::fuzz::<EscPos>(&bytes);
        let mut parser = Parser::default();
        let single: Vec<Frame> = bytes.chunks(1).flat_map(|byte| parser.feed(byte)).collect();
        prop_assert_eq!(&single, &frames);
        prop_assert_eq!(parser.take_bad(), 0);
    }

    #[test]
    fn random_bytes_never_panic_and_never_pile_up(bytes in any_noise(600)) {
        framer::fuzz::<EscPos>(&bytes);
        prop_assert!(explain(&bytes).len() <= bytes.len());
        let mut parser = Parser::default();
        for chunk in bytes.chunks(7) {
            parser.feed(chunk);
            prop_assert!(parser.pending() < EscPos::LENGTH_MAX);
        }
    }

    /// What stands unfinished before an answer swallows it only while it could still be a text.
    #[test]
    fn a_status_byte_behind_noise_is_found(noise in any_noise(40), bits in any::<u8>()) {
        let status = bits & !FIXED | FIXED_STATUS;
        let in_text = noise.iter().rev().take_while(|byte| (0x20..0x7F).contains(*byte));
        prop_assume!(!in_text.into_iter().any(|byte| *byte == TEXT));
        let mut parser = Parser::default();
        parser.feed(&noise);
        let said = parser.feed(&[status]);
        prop_assert_eq!(said.last(), Some(&Frame::Status(status)), "{:02x?}", noise);
    }

    #[test]
    fn commands_are_read_back(at in 0..9_usize) {
        let questions = Question::ALL.map(Command::Status).into_iter();
        let about = About::ALL.map(Command::About);
        let all: Vec<Command> = questions.chain(about).chain([Command::TELL_CHANGES]).collect();
        prop_assert_eq!(Command::decode(all[at].encode()), Some(all[at]));
    }
}
