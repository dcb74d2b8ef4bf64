use proptest::prelude::*;

use super::lamps::{Colour, Lamps};
use super::*;
use crate::link::{framer, replay};
use crate::picture::Bitmap;

/// A codec for [`replay::replay`]: bytes in, readable frames out.
fn listener() -> impl FnMut(&[u8]) -> Vec<String> {
    let mut parser = Parser::default();
    move |bytes| parser.feed(bytes).iter().map(Frame::to_string).collect()
}

#[test]
fn every_trace_gives_its_events_whole_and_byte_by_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/onbon_bx6/traces");
    let mut traces = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace = replay::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for said in replay::replay(&trace, listener) {
            assert_eq!(said, trace.events, "{}", path.display());
        }
        traces += 1;
    }
    assert!(traces >= 4, "only {traces} traces");
}

fn check(frame: &Frame, expected: &str) {
    assert_eq!(frame.encode(), replay::hex(expected).unwrap(), "{frame}");
}

#[test]
fn the_vendors_vectors_are_what_we_send() {
    let common = Head::Common { sequence: 0x6DD0 };
    let frame = |to, device, head, body| Frame {
        to,
        from: HOST,
        device,
        head,
        body,
    };
    check(
        &frame(ANY_CARD, ANY_TYPE, common, Body::Ping),
        "a5a5a5a5a5a5a5a5feff00800700feff0000d06d9001965d00000000000005001e78000301a20000005a5a",
    );
    let remove = |areas: &[u8]| frame(0xFFFF, 0x0266, Head::Dynamic, Body::Remove(areas.into()));
    check(
        &remove(&[]),
        "a5a5a5a5a5a5a5a5ffff0080f0006602000000000600000001a7010000fffdc65a",
    );
    check(
        &remove(&[0, 0x5A]),
        "a5a5a5a5a5a5a5a5ffff0080f0006602000000000800000001a701000002005b0238de5a",
    );
}

/// The client's number for its random byte differs from frame to frame; all else is the same.
#[test]
fn commands_are_those_of_the_vendors_client_but_for_its_random_byte() {
    let trace = replay::parse(include_str!("../traces/vendor_client.txt")).unwrap();
    let frames = Parser::default().feed(&trace.bytes);
    let mut rest = &trace.bytes[..];
    let mut compared = 0;
    for frame in &frames {
        let Front::Frame(theirs, length) = onbon::unwrap(rest, CONTENT_MAX) else {
            panic!("not a frame")
        };
        rest = &rest[length..];
        let Front::Frame(ours, _) = onbon::unwrap(&frame.encode(), CONTENT_MAX) else {
            panic!("not a frame")
        };
        if matches!(frame.head, Head::Common { .. }) {
            let except = |bytes: &[u8]| [&bytes[..15], &bytes[16..27], &bytes[28..]].concat();
            assert_eq!(except(&ours), except(&theirs), "{frame}");
            assert_eq!(ours[15] ^ ours[27], theirs[15] ^ theirs[27], "{frame}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

/// What the client sends for the same picture, byte for byte.
#[test]
fn areas_are_those_of_the_vendors_client() {
    let trace = replay::parse(include_str!("../traces/areas.txt")).unwrap();
    let screens = [
        (Lamps::OneColour, Colour::Red, true),
        (Lamps::TwoColours, Colour::Yellow, false),
        (Lamps::ThreeColours, Colour::Green, true),
        (Lamps::AllColours, Colour::White, true),
    ];
    let picture = Bitmap::of(11, 3, |x, y| x == 0 || (x + 2 * y).is_multiple_of(5));
    let frames = Parser::default().feed(&trace.bytes);
    let mut rest = &trace.bytes[..];
    for (theirs, (lamps, colour, alone)) in frames.iter().zip(screens) {
        let area = Area {
            id: 0,
            alone,
            x: 29,
            y: 2,
            width: 11,
            height: 3,
            pictures: vec![lamps.write(&picture, colour, 29)],
        };
        let ours = Frame {
            body: Body::Show(area),
            ..theirs.clone()
        };
        let bytes = ours.encode();
        assert_eq!(bytes, rest[..bytes.len()], "{lamps:?}");
        rest = &rest[bytes.len()..];
    }
    let Body::Show(area) = &frames[4].body else {
        panic!("{}", frames[4])
    };
    let seen = Lamps::AllColours.read(&area.pictures[0], 29, 11, 3);
    assert_eq!(seen, Some(picture));
}

#[test]
fn a_picture_of_another_size_is_none() {
    let bytes = Lamps::TwoColours.write(&Bitmap::dark(40, 4), Colour::Red, 0);
    assert_eq!(bytes.len(), 2 * 2 * 4 * 4);
    assert!(Lamps::TwoColours.read(&bytes, 0, 40, 4).is_some());
    assert!(Lamps::TwoColours.read(&bytes[1..], 0, 40, 4).is_none());
    assert!(Lamps::OneColour.read(&bytes, 0, 40, 4).is_none());
    assert!(Lamps::OneColour.read(&[], 0, 0, 4).is_some());
}

fn any_area() -> impl Strategy<Value = Area> {
    let numbers = (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>());
    let picture = proptest::collection::vec(any::<u8>(), 0..20);
    let pictures = proptest::collection::vec(picture, 0..4);
    (any::<u8>(), any::<bool>(), numbers, pictures).prop_map(|(id, alone, numbers, pictures)| {
        let (x, y, width, height) = numbers;
        Area {
            id,
            alone,
            x,
            y,
            width,
            height,
            pictures,
        }
    })
}

fn any_identity() -> impl Strategy<Value = Identity> {
    let numbers = (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>());
    let bytes = (any::<u8>(), any::<u8>(), any::<bool>(), any::<bool>());
    let barcode = proptest::option::of("[0-9A-Z]{1,16}");
    (numbers, bytes, "[0-9A-Z.]{0,8}", barcode).prop_map(|(numbers, bytes, firmware, barcode)| {
        let (device, address, width, height) = numbers;
        let (colours, brightness, is_set_up, is_on) = bytes;
        Identity {
            device,
            firmware,
            is_set_up,
            address,
            width,
            height,
            colours,
            brightness,
            is_on,
            barcode,
        }
    })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let status = (any::<bool>(), any::<u8>(), any::<bool>()).prop_map(|(is_on, brightness, is_locked)| {
        Body::Status(Status {
            is_on,
            brightness,
            is_locked,
        })
    });
    let body = prop_oneof![
        Just(Body::Ping),
        Just(Body::AskStatus),
        any::<bool>().prop_map(Body::Power),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(Body::Remove),
        any_area().prop_map(Body::Show),
        Just(Body::Ack),
        any::<u8>().prop_map(|code| Body::Nack(Nack(code))),
        any_identity().prop_map(|identity| Body::Identity(Box::new(identity))),
        status,
    ];
    let head = prop_oneof![
        Just(Head::Dynamic),
        any::<u16>().prop_map(|sequence| Head::Common { sequence }),
    ];
    let numbers = (any::<u16>(), any::<u16>(), any::<u16>());
    (numbers, head, body).prop_map(|((to, from, device), head, body)| Frame {
        to,
        from,
        device,
        head,
        body,
    })
}

proptest! {
    // Every byte of every frame: fewer frames.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn one_wrong_byte_never_makes_another_frame(frame in any_frame(), value in any::<u8>()) {
        let good = frame.encode();
        for at in 0..good.len() {
            for value in [value, 0x01, 0x5A, 0x5B, 0xA5, 0xA6, good[at] ^ 1] {
                let mut broken = good.clone();
                broken[at] = value;
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
        framer::fuzz::<GraphicCard>(&bytes);
    }

    /// Bodies behind right sums, whatever is in them.
    #[test]
    fn random_bodies_never_panic(
        body in proptest::collection::vec(prop_oneof![any::<u8>(), 0..3_u8, 0xA0..0xA8_u8], 0..80),
    ) {
        // Once as it is, once as an area.
        for front in [&[][..], &[1, 0xA7, 0, 0, 0, 1, 0, 40, 0, 0, 0][..]] {
            let body = [front, &body].concat();
            let mut content = vec![0, 0x80, 0xFE, 0xFF, DYNAMIC, 0, 0x74, 1, 0, 0, 0, 0];
            content.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
            content.extend(body);
            onbon::seal(&mut content);
            framer::fuzz::<GraphicCard>(&onbon::wrap(&content, 1));
        }
    }

    /// Whatever the screen and wherever the area on it, what is seen is what was drawn.
    #[test]
    fn pictures_survive_every_form(
        width in 1..80_u16, height in 1..20_u16, x in 0..100_u16, salt in any::<u64>(),
    ) {
        let random = |x: u16, y: u16| (u64::from(x * 31 + y * 17) ^ salt).count_ones() % 2 == 0;
        let picture = Bitmap::of(width, height, random);
        for lamps in Lamps::ALL {
            for colour in [Colour::Red, Colour::Green, Colour::Yellow, Colour::White] {
                let bytes = lamps.write(&picture, colour, x);
                let seen = lamps.read(&bytes, x, width, height);
                prop_assert_eq!(seen.as_ref(), Some(&picture));
            }
        }
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
