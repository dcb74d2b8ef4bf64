//! 瑞泽: a bus of screens and other devices. Only address bytes have the highest bit.
//!
//! ```text
//! to a screen   DL DH CD parameter… 1A     DL = 80 + low six bits of the address
//!                                          DH = C0 + the others
//!   CD = H      poll, without parameters and end; the one thing that is answered: 3B
//!   CD = C      colours: two bytes 01 red, 02 green or 03 yellow per byte of the text
//!   CD = D      show at once: ASCII as it is, other bytes as two: C7 goes as 0C 07
//! ```
//!
//! There is no sum. Wrong bytes are seen only where they are no parameter at all.

use std::ops::RangeInclusive;

use super::{Body, Colour, Content, Family, Frame, Reply, TEXT_BYTES_MAX, characters};
use crate::link::framer::{Codec, Front};

const LOW: u8 = 0x80;
const HIGH: u8 = 0xC0;
const POLL: u8 = b'H';
const COLOURS: u8 = b'C';
const SHOW: u8 = b'D';
const HERE: u8 = b';';
const END: u8 = 0x1A;
const PARAMETERS: usize = 3;
const PARAMETERS_MAX: usize = 2 * TEXT_BYTES_MAX;

#[derive(Debug)]
pub struct Ruize;

impl Family for Ruize {
    const NAME: &'static str = "ruize";
    const ADDRESSES: RangeInclusive<u32> = 0..=255;
    const REPLY: Reply = Reply::Poll;
    const HAS_COLOURS: bool = true;

    /// Without a colour none is sent, as the integrator's driver does.
    fn show(content: &Content) -> Option<Vec<Body>> {
        let colours = content.colour.map(|colour| Body::Colours(vec![colour; content.gbk.len()]));
        Some(colours.into_iter().chain([Body::text(&content.gbk)]).collect())
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        let (command, parameters) = match &frame.body {
            Body::Here => return vec![HERE],
            Body::Poll => (POLL, None),
            Body::Text { gbk, .. } => (SHOW, Some(nibbles(gbk))),
            Body::Colours(colours) => {
                let codes = colours.iter().flat_map(|colour| [code(*colour); 2]);
                (COLOURS, Some(codes.collect()))
            }
            _ => return Vec::new(),
        };
        let Some(address) = frame.byte() else {
            return Vec::new();
        };
        let mut bytes = vec![LOW | (address & 63), HIGH | (address >> 6), command];
        if let Some(parameters) = parameters {
            bytes.extend(parameters);
            bytes.push(END);
        }
        bytes
    }
}

fn nibbles(gbk: &[u8]) -> Vec<u8> {
    let halves = |byte: &u8| match *byte {
        byte if byte < LOW => vec![byte],
        byte => vec![byte >> 4, byte & 15],
    };
    gbk.iter().flat_map(halves).collect()
}

fn code(colour: Colour) -> u8 {
    match colour {
        Colour::Red => 1,
        Colour::Green => 2,
        Colour::Yellow => 3,
    }
}

impl Codec for Ruize {
    type Frame = Frame;
    const LENGTH_MAX: usize = PARAMETERS + PARAMETERS_MAX + 1;

    fn begins(byte: u8) -> bool {
        matches!(byte, LOW..HIGH | HERE)
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let (low, high, command) = match *bytes {
            [HERE, ..] => {
                let body = Body::Here;
                let (address, sequence) = (None, 0);
                let frame = Frame { address, sequence, body };
                return Front::Frame(frame, 1);
            }
            [low, high @ HIGH..=0xC3, command, ..] => (low, high, command),
            [_] | [_, HIGH..=0xC3] => return Front::Incomplete,
            _ => return Front::Broken,
        };
        let address = (low & 63) | ((high & 3) << 6);
        let parameters = &bytes[PARAMETERS..];
        let read: fn(&[u8]) -> Option<Body> = match command {
            POLL => return Front::Frame(Body::Poll.at(address), PARAMETERS),
            COLOURS => read_colours,
            SHOW => read_text,
            _ => return Front::Broken,
        };
        let Some(end) = parameters.iter().position(|byte| *byte == END) else {
            // Known early: the next command begins with an address.
            let is_strange = parameters.iter().any(|byte| *byte >= LOW);
            return if is_strange || parameters.len() > PARAMETERS_MAX {
                Front::Broken
            } else {
                Front::Incomplete
            };
        };
        match read(&parameters[..end]) {
            Some(body) => Front::Frame(body.at(address), PARAMETERS + end + 1),
            None => Front::Broken,
        }
    }
}

fn read_colours(parameters: &[u8]) -> Option<Body> {
    let pairs = parameters.chunks(2).map(|pair| match *pair {
        [one, other] if one == other => Colour::ALL.into_iter().find(|colour| code(*colour) == one),
        _ => None,
    });
    let colours: Vec<Colour> = pairs.collect::<Option<_>>()?;
    (colours.len() <= TEXT_BYTES_MAX).then_some(Body::Colours(colours))
}

fn read_text(parameters: &[u8]) -> Option<Body> {
    let mut gbk = Vec::new();
    let mut rest = parameters;
    while let [first, more @ ..] = rest {
        rest = more;
        match (*first, more) {
            // ASCII, or the second half of a character where that is below 80.
            (0x20..=0x7E, _) => gbk.push(*first),
            (high @ 8..=15, [low @ 0..=15, more @ ..]) => {
                gbk.push(high << 4 | low);
                rest = more;
            }
            _ => return None,
        }
    }
    characters(&gbk)?;
    Some(Body::text(&gbk))
}
