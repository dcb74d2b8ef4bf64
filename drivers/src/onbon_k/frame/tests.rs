use proptest::prelude::*;

use super::*;
use crate::gbk;
use crate::link::{framer, replay};

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut parser = Parser::default();
    move |bytes| parser.feed(bytes).iter().map(Frame::to_string).collect()
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/onbon_k/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        traces += 1;
    }
    assert!(traces >= 6, "only {traces} traces");
}

fn call(width: u16) -> Area {
    Area {
        id: 0,
        x: 0,
        y: 0,
        width,
        height: 16,
        sound: None,
        wrap: false,
        effect: Effect::AtOnce,
        speed: 0,
        hold: 8,
        text: gbk::encode("请A001到3号窗口", 99),
    }
}

fn show(area: Area) -> Body {
    let (remove, areas) = (Vec::new(), vec![area]);
    Body::Show { remove, areas }
}

/// The frames of a trace, one after the other.
fn vectors(text: &str) -> Vec<u8> {
    replay::parse(text).unwrap().bytes
}

#[test]
fn the_vendors_vectors_are_what_we_send() {
    let (to, from) = (ANY_CARD, HOST);
    let encode = |body| Frame { to, from, body }.encode();
    let power = [encode(Body::Power(true)), encode(Body::Power(false))].concat();
    assert_eq!(power, vectors(include_str!("../traces/power.txt")));
    let sound = Sound {
        voice: 0,
        repeat: 0,
        volume: 5,
        speed: 5,
        instead: None,
    };
    let spoken = Area {
        sound: Some(sound),
        ..call(8)
    };
    let shown = [encode(show(call(8))), encode(show(spoken))].concat();
    assert_eq!(shown, vectors(include_str!("../traces/show_5k.txt")));
    let shown = encode(show(call(64)));
    assert_eq!(shown, vectors(include_str!("../traces/show_6k.txt")));
    let ack = Frame {
        to: HOST,
        from: ANY_CARD,
        body: Body::Ack,
    };
    assert_eq!(ack.encode(), vectors(include_str!("../traces/ack.txt")));
}

/// `Z`, `[` and these characters are the marks and escapes of the outer layer.
#[test]
fn a_text_of_marks_and_escapes_is_escaped() {
    let marks = gbk::encode("Z[ロウセナ", 99);
    assert_eq!(marks, [0x5A, 0x5B, 0xA5, 0xED, 0xA5, 0xA6, 0xA5, 0xBB, 0xA5, 0xCA]);
    let frame = Frame {
        to: 0xA55A,
        from: HOST,
        body: show(Area {
            text: marks,
            ..call(8)
        }),
    };
    let bytes = frame.encode();
    let inside = &bytes[8..bytes.len() - 1];
    assert!(!inside.contains(&0xA5) && !inside.contains(&0x5A));
    assert_eq!(Parser::default().feed(&bytes), [frame]);
}

fn any_sound() -> impl Strategy<Value = Sound> {
    let instead = proptest::option::of(any_text());
    (0..=5_u8, 0..16_u8, 0..=10_u8, 1..=10_u8, instead).prop_map(
        |(voice, repeat, volume, speed, instead)| Sound {
            voice,
            repeat,
            volume,
            speed,
            instead,
        },
    )
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), 0xA5..=0xA6_u8, 0x5A..=0x5B_u8];
    proptest::collection::vec(byte, 0..40)
}

fn any_area() -> impl Strategy<Value = Area> {
    let effect = proptest::sample::select(&Effect::ALL[..]);
    let place = (any::<u8>(), any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>());
    let manner = (proptest::option::of(any_sound()), any::<bool>(), effect, any::<u8>(), any::<u8>());
    (place, manner, any_text()).prop_map(|((id, x, y, width, height), manner, text)| {
        let (sound, wrap, effect, speed, hold) = manner;
        Area {
            id,
            x,
            y,
            width,
            height,
            sound,
            wrap,
            effect,
            speed,
            hold,
            text,
        }
    })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let show = (
        proptest::collection::vec(any::<u8>(), 0..4),
        proptest::collection::vec(any_area(), 0..4),
    );
    let body = prop_oneof![
        Just(Body::Ping),
        any::<bool>().prop_map(Body::Power),
        Just(Body::Clear),
        Just(Body::Ack),
        any::<u8>().prop_map(|code| Body::Nack(Nack(code))),
        show.prop_map(|(remove, areas)| Body::Show { remove, areas }),
    ];
    (any::<u16>(), any::<u16>(), body).prop_map(|(to, from, body)| Frame { to, from, body })
}

proptest! {
    // Every byte of every frame: fewer frames.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn one_wrong_byte_never_makes_another_frame(frame in any_frame(), value in any::<u8>()) {
        let good = frame.encode();
        for at in 0..good.len() {
            for value in [value, 0x00, 0x01, 0x02, 0x5A, 0x5B, 0xA5, 0xA6, good[at] ^ 1] {
                let mut broken = good.clone();
                broken[at] = value;
                // What follows on the wire must not complete it either.
                broken.extend(&good);
                let said = Parser::default().feed(&broken);
                prop_assert!(said.iter().all(|said| *said == frame), "{:02x?}", broken);
            }
        }
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
            prop_oneof![any::<u8>(), Just(0xA5), Just(0x5A), 0..3_u8], 0..600),
    ) {
        framer::fuzz::<FontCard>(&bytes);
    }

    /// Content with a right sum, whatever is in it.
    #[test]
    fn random_content_never_panics(
        data in proptest::collection::vec(prop_oneof![any::<u8>(), 0..3_u8], 0..80),
        group in 0xA0..0xA4_u8,
        command in 0..17_u8,
    ) {
        let mut content = vec![0xFE, 0xFF, 0, 0x80, 0, 0, 0, 0, 0, 0, ANY_TYPE, VERSION];
        let data = [&[group, command, ANSWER, 0, 0][..], &data].concat();
        content.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        content.extend(data);
        onbon::seal(&mut content);
        framer::fuzz::<FontCard>(&onbon::wrap(&content, 1));
    }

    #[test]
    fn a_frame_is_found_after_noise(
        noise in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0xA5), Just(0x5A), Just(0xA6), Just(0x5B)], 0..60),
        frame in any_frame(),
    ) {
        let mut parser = Parser::default();
        parser.feed(&noise);
        prop_assert!(parser.feed(&frame.encode()).contains(&frame), "{:02x?}", noise);
    }
}

#[test]
fn a_header_may_carry_a_barcode() {
    let mut content = vec![0x00, 0x80, 0xFE, 0xFF, 0, 0, 0, 1];
    content.extend(b"BX5K123456789012");
    content.extend([0, 0, 0x51, VERSION, 5, 0, 0xA0, 0, 0, 0, 0]);
    onbon::seal(&mut content);
    let said = Parser::default().feed(&onbon::wrap(&content, 2));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].body, Body::Ack);
}
