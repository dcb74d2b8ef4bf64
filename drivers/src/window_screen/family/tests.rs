use proptest::prelude::*;

use super::*;
use crate::gbk;
use crate::link::framer::Framer;
use crate::link::replay::{self, Trace};

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener<F: Family>() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut framer = Framer::<F>::default();
    move |bytes| framer.feed(bytes).iter().map(ToString::to_string).collect()
}

/// The traces whose names begin with that of the family.
fn traces<F: Family>() -> Vec<(String, Trace)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/window_screen/traces");
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.split('_').next() == Some(F::NAME) {
            let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            traces.push((name, trace));
        }
    }
    assert!(traces.len() >= 2, "{}", F::NAME);
    traces
}

fn replays<F: Family>() {
    for (name, trace) in traces::<F>() {
        for said in replay::replay(&trace, listener::<F>) {
            assert_eq!(said, trace.events, "{name}");
        }
        fuzz(&trace.bytes);
        // The monitor is not told the family. Colours and noise apart it finds it.
        let explained = explain(&trace.bytes).into_iter().filter(|piece| piece.good);
        let texts: Vec<String> = explained.map(|piece| piece.text).collect();
        assert_eq!(texts, trace.events, "{name}");
        if !name.ends_with("noise") {
            let frames = Framer::<F>::default().feed(&trace.bytes);
            let written: Vec<u8> = frames.iter().flat_map(F::encode).collect();
            assert_eq!(written, trace.bytes, "{name} is not what we send");
        }
    }
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte_and_is_what_we_send() {
    replays::<Zhongyi>();
    replays::<Ruize>();
    replays::<Yinda>();
    replays::<Yongtai>();
    replays::<Kuiwen>();
    replays::<Tally>();
}

fn content(text: &str) -> Content {
    Content {
        gbk: gbk::encode(text, TEXT_BYTES_MAX),
        number: Some(999),
        colour: None,
    }
}

fn frames_of<F: Family>(address: u32, sequence: u8, content: &Content) -> Vec<Frame> {
    let bodies = F::show(content).unwrap().into_iter();
    let frame = |body| Frame {
        address: Some(address),
        sequence,
        body,
    };
    bodies.map(frame).collect()
}

fn survives<F: Family>(address: u32, sequence: u8, content: &Content) {
    let (start, end) = F::ADDRESSES.into_inner();
    let sequence = if F::NAME == "yinda" { sequence } else { 0 };
    let frames = frames_of::<F>(start + address % (end - start + 1), sequence, content);
    let bytes: Vec<u8> = frames.iter().flat_map(F::encode).collect();
    assert_eq!(Framer::<F>::default().feed(&bytes), frames, "{bytes:02x?}");
    let mut framer = Framer::<F>::default();
    let single: Vec<Frame> = bytes.chunks(1).flat_map(|byte| framer.feed(byte)).collect();
    assert_eq!(single, frames);
    assert_eq!(framer.take_bad(), 0);
    fuzz_one::<F>(&bytes);
}

/// Noise may look like the beginning of a frame; sent again, the frame ends the doubt.
fn recovers<F: Family>(noise: &[u8]) {
    let wanted = frames_of::<F>(7, 0, &content("请A1到3号窗口")).pop().unwrap();
    let mut framer = Framer::<F>::default();
    let mut said = framer.feed(noise);
    let bytes = F::encode(&wanted);
    // A frame that the noise announced may be as long as frames get.
    for _ in 0..=F::LENGTH_MAX / bytes.len() + 1 {
        said.extend(framer.feed(&bytes));
    }
    assert!(said.contains(&wanted), "{}: {noise:02x?}", F::NAME);
}

proptest! {
    #[test]
    fn frames_survive_the_wire_whole_and_byte_by_byte(
        text in "\\PC{0,60}", address in any::<u32>(), sequence in any::<u8>(),
        number in 0..=9999_u16,
        colour in proptest::option::of(proptest::sample::select(&Colour::ALL[..])),
    ) {
        let gbk = gbk::encode(&text, TEXT_BYTES_MAX);
        let content = Content { gbk, number: Some(number), colour };
        survives::<Zhongyi>(address, sequence, &content);
        survives::<Ruize>(address, sequence, &content);
        survives::<Yinda>(address, sequence, &content);
        survives::<Yongtai>(address, sequence, &content);
        survives::<Kuiwen>(address, sequence, &content);
        survives::<Tally>(address, sequence, &content);
    }

    #[test]
    fn random_bytes_never_panic_and_never_pile_up(
        bytes in proptest::collection::vec(
            prop_oneof![
                any::<u8>(), 0..16_u8, Just(0xA0), Just(0x90), Just(0xA5), Just(0xAA), Just(0x55),
                Just(0xFE), Just(0xF8), Just(0x1A), Just(0xC0), Just(0x44), Just(b';'),
            ],
            0..400,
        ),
    ) {
        fuzz(&bytes);
        let mut framer = Framer::<Ruize>::default();
        for chunk in bytes.chunks(7) {
            framer.feed(chunk);
            prop_assert!(framer.pending() < Ruize::LENGTH_MAX);
        }
        let good = explain(&bytes).into_iter().filter(|piece| piece.good);
        prop_assert!(good.count() <= bytes.len());
    }

    #[test]
    fn a_frame_is_found_after_noise(noise in proptest::collection::vec(any::<u8>(), 0..40)) {
        recovers::<Zhongyi>(&noise);
        recovers::<Ruize>(&noise);
        recovers::<Yinda>(&noise);
        recovers::<Yongtai>(&noise);
        recovers::<Kuiwen>(&noise);
    }
}

/// Every value of every byte, one at a time; gives what then is read differently.
fn misread<F: Family>(trusted: &[usize]) -> Vec<Vec<u8>> {
    let wanted = frames_of::<F>(7, 3, &content("请A1到3号窗口")).pop().unwrap();
    let good = F::encode(&wanted);
    let mut misread = Vec::new();
    for at in (0..good.len()).filter(|at| !trusted.contains(at)) {
        for value in (0..=u8::MAX).filter(|value| *value != good[at]) {
            let mut broken = good.clone();
            broken[at] = value;
            if !Framer::<F>::default().feed(&broken).is_empty() {
                misread.push(broken);
            }
        }
    }
    misread
}

#[test]
fn one_wrong_byte_is_seen_where_a_family_has_a_sum() {
    let none: Vec<Vec<u8>> = Vec::new();
    assert_eq!(misread::<Zhongyi>(&[4]), none);
    assert_eq!(misread::<Yinda>(&[]), none);
    assert_eq!(misread::<Tally>(&[]), none);
    // The six digits of the address are outside the sum.
    assert_eq!(misread::<Kuiwen>(&[6, 7, 8, 9, 10, 11]), none);
    // AA and 55 there make an answer of what was a command. No screen sends commands.
    let answers = misread::<Zhongyi>(&[]);
    assert!(answers.iter().all(|broken| [0xAA, 0x55].contains(&broken[4])));
    assert_eq!(answers.len(), 2);
}

#[test]
fn a_text_is_cut_at_a_whole_character() {
    let long = content(&"号".repeat(80));
    assert_eq!(long.gbk.len(), TEXT_BYTES_MAX);
    survives::<Zhongyi>(1, 1, &long);
    survives::<Kuiwen>(1, 1, &long);
    // 東 is 96 7C: its second byte is ASCII, and the bar.
    survives::<Ruize>(1, 1, &content("東1東"));
}

#[test]
fn a_board_of_digits_shows_no_text() {
    let text = Content {
        number: None,
        ..content("暂停服务")
    };
    assert_eq!(Tally::show(&text), None);
    let large = Content {
        number: Some(10_000),
        ..text
    };
    assert_eq!(Tally::show(&large), None);
}
