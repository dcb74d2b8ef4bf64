use proptest::prelude::*;

use super::*;
use crate::link::replay;

/// What the driver makes of bytes that come in pieces, and of the silence behind them.
fn said(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut lines = Lines::default();
    let mut ended: Vec<Ended> = bytes.chunks(piece).flat_map(|p| lines.feed(p)).collect();
    ended.extend(lines.end());
    let read = |line: Ended| Request::parse(&line?, Encoding::Gbk);
    let texts = ended.into_iter().map(|line| match read(line) {
        Ok(request) => request.to_string(),
        Err(bad) => bad.to_string(),
    });
    texts.collect()
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/legacy_text/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for piece in [trace.bytes.len(), 1] {
            assert_eq!(said(&trace.bytes, piece), trace.events, "{}", path.display());
        }
        fuzz(&trace.bytes);
        traces += 1;
    }
    assert!(traces >= 7, "only {traces} traces");
}

fn check(line: &str, expected: &str) {
    let (line, _, _) = GBK.encode(line);
    assert_eq!(said(&line, 7), [expected], "{line:?}");
}

#[test]
fn a_line_is_taken_as_it_stands_or_refused() {
    check("1|1|请A1|00|", "screen 1: 请A1");
    check("1|1|请A1|00|,", "screen 1: 请A1");
    check("1| 1 |请A1| |A1 , 01", "screen 1: 请A1 (A1 at 01)");
    check("1|1||00|A1,01", "screen 1:  (A1 at 01)");
    check("1|1||00|", "text: empty");
    check("1||请A1|00|", "address: empty");
    check("1|1|请A1|00|A1,", "window: empty");
    check("1|1|请A1|00|,1", "ticket: empty");
    check("2|1|A1||", "window: empty");
    check("2|粤|A1|3|", "voice: A1 at 3");
    check("||||", "first field: expected 1 or 2");
    check("WATCH_MANAGE", "watch");
    check("WATCH", "1 fields, expected 5");
    check("1|1|请\u{7}|00|", "a control character");
}

#[test]
fn a_line_may_be_so_long_and_no_longer() {
    let longest = format!("1|1|{}|00|", "A".repeat(LINE_BYTES_MAX - 8));
    assert_eq!(longest.len(), LINE_BYTES_MAX);
    check(&longest, &format!("screen 1: {}", "A".repeat(LINE_BYTES_MAX - 8)));
    let bytes = format!("{longest}X\n2|1|A1|3|\n");
    assert_eq!(said(bytes.as_bytes(), 100), ["longer than 512 bytes", "voice: A1 at 3"]);
    let mut lines = Lines::default();
    lines.feed(&vec![b'x'; 100_000]);
    assert_eq!(lines.end(), Some(Err(BadLine::TooLong)));
    assert_eq!(lines.end(), None);
}

#[test]
fn the_encoding_is_that_of_the_settings() {
    let line = "1|1|请A1|00|A1,1";
    let parsed = Request::parse(line.as_bytes(), Encoding::Utf8).unwrap();
    assert_eq!(parsed.to_string(), "screen 1: 请A1 (A1 at 1)");
    let (gbk, _, _) = GBK.encode(line);
    assert_eq!(Request::parse(&gbk, Encoding::Utf8), Err(BadLine::NotText));
}

#[test]
fn the_monitor_says_what_went_either_way() {
    let texts = |bytes: &[u8]| -> Vec<String> {
        let shown = |piece: Explained| format!("{:?} {} {}", piece.range, piece.text, piece.good);
        explain(bytes).into_iter().map(shown).collect()
    };
    assert_eq!(texts(b"0"), ["0..1 answer 0 true"]);
    assert_eq!(texts(b"-1"), ["0..2 answer -1 true"]);
    assert_eq!(
        texts(b"2|1|A1|3|\r\n1|2\n"),
        ["0..10 voice: A1 at 3 true", "11..15 2 fields, expected 5 false"]
    );
}

fn any_field() -> impl Strategy<Value = String> {
    "[A-Z0-9请到号窗口東]{1,8}"
}

proptest! {
    #[test]
    fn what_a_host_writes_is_what_is_read(
        address in any_field(), text in any_field(), ticket in any_field(), window in any_field(),
    ) {
        let line = format!("1|{address}|{text}|00|{ticket},{window}");
        let call = Some(Call { ticket, window });
        let request = Request::Screen { address, text, call };
        let (gbk, _, _) = GBK.encode(&line);
        prop_assert_eq!(Request::parse(&gbk, Encoding::Gbk), Ok(request.clone()));
        prop_assert_eq!(Request::parse(line.as_bytes(), Encoding::Utf8), Ok(request));
    }

    #[test]
    fn random_bytes_never_panic_and_never_pile_up(
        bytes in proptest::collection::vec(
            prop_oneof![
                any::<u8>(), Just(b'|'), Just(b'1'), Just(b'2'), Just(b','), Just(b'\n'), Just(0),
            ],
            0..1500,
        ),
    ) {
        fuzz(&bytes);
        let mut lines = Lines::default();
        for piece in bytes.chunks(7) {
            lines.feed(piece);
            prop_assert!(lines.pending.len() <= LINE_BYTES_MAX);
        }
    }

    #[test]
    fn a_line_is_found_after_noise(noise in proptest::collection::vec(any::<u8>(), 0..700)) {
        // Noise spoils at most the line it runs into.
        let bytes = [&noise[..], b"\n2|1|A1|3|\n"].concat();
        prop_assert_eq!(said(&bytes, 64).pop().unwrap(), "voice: A1 at 3");
    }
}
