use proptest::prelude::*;

use super::*;
use crate::link::replay;

/// Bytes in, readable replies out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut lines = Lines::default();
    move |bytes| {
        let replies = lines.feed(bytes).into_iter();
        let replies = replies.filter_map(|line| Reply::read(&line));
        replies.map(|reply| reply.to_string()).collect()
    }
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/nut/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        fuzz(&trace.bytes);
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        traces += 1;
    }
    assert!(traces >= 2, "only {traces} traces");
}

#[test]
fn what_is_no_reply_is_none() {
    let none: [&[u8]; 9] = [
        b"",
        b"HELLO",
        b"ERR",
        b"BEGIN",
        b"BEGIN VAR ups",
        b"VAR u n \"open",
        b"VAR u n \"\xFF\"",
        b"OK \\",
        // Found by the fuzzer: a row of nothing.
        b"UPS",
    ];
    for line in none {
        assert_eq!(Reply::read(line), None, "{}", line.escape_ascii());
    }
    assert_eq!(Reply::read(b"OK Goodbye"), Some(Reply::Ok));
}

#[test]
fn lines_are_explained_in_both_directions() {
    let bytes = b"LIST VAR hall\nPASSWORD ***\nERR DATA-STALE\nnonsense\nVAR hall";
    let said: Vec<(String, bool)> = explain(bytes)
        .into_iter()
        .map(|piece| (piece.text, piece.good))
        .collect();
    let expected = [
        ("list var hall", true),
        ("password ***", true),
        ("error DATA-STALE", true),
        ("?", false),
        ("…", false),
    ];
    let expected = expected.map(|(text, good)| (text.to_owned(), good));
    assert_eq!(said, expected);
}

proptest! {
    #[test]
    fn words_are_read_back_as_written(
        words in proptest::collection::vec("[a-z .\"\\\\请-]{0,12}", 1..6),
    ) {
        let written = line(&words.iter().map(String::as_str).collect::<Vec<_>>());
        fuzz(&written);
        prop_assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert_eq!(self::words(&written[..written.len() - 1]), Some(words));
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"'), Just(b'\\'), Just(b' '), 32..127_u8], 0..200),
    ) {
        fuzz(&bytes);
    }

    #[test]
    fn a_line_behind_noise_is_read(noise in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut lines = Lines::default();
        lines.feed(&noise);
        lines.feed(b"\n");
        let said = lines.feed(b"ERR DATA-STALE\n");
        prop_assert_eq!(Reply::read(&said[0]), Some(Reply::Err("DATA-STALE".into())));
    }
}
