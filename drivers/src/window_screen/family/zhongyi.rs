//! 重庆中意, two colours.
//!
//! ```text
//! show     A0 90 ADDR A5 LENH LENL (character colour)… XOR     XOR over ADDR…colour
//!          LEN counts characters and colours; colour 0 red, 1 green, 2 yellow
//! answer   A0 90 ADDR A5 AA   shown
//!          A0 90 ADDR A5 55   not shown; without any sum
//! ```

use std::ops::RangeInclusive;

use super::{Body, Colour, Content, Family, Frame, Reply, TEXT_BYTES_MAX, character, characters};
use crate::link::framer::{Codec, Front};

const HEAD: [u8; 2] = [0xA0, 0x90];
const SHOW: u8 = 0xA5;
const DONE: u8 = 0xAA;
const REFUSED: u8 = 0x55;
const DATA: usize = 6;
/// ASCII takes two bytes per character.
const DATA_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

#[derive(Debug)]
pub struct Zhongyi;

impl Family for Zhongyi {
    const NAME: &'static str = "zhongyi";
    const ADDRESSES: RangeInclusive<u32> = 1..=255;
    const REPLY: Reply = Reply::Answer;
    const HAS_COLOURS: bool = true;

    fn show(content: &Content) -> Option<Vec<Body>> {
        let colour = content.colour.unwrap_or(Colour::Red);
        let colours = vec![colour; characters(&content.gbk)?.len()];
        let gbk = content.gbk.clone();
        Some(vec![Body::Text { gbk, colours }])
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        let Some(address) = frame.byte() else {
            return Vec::new();
        };
        match &frame.body {
            Body::Text { gbk, colours } => text(address, gbk, colours),
            Body::Done => [&HEAD[..], &[address, SHOW, DONE]].concat(),
            Body::Refused => [&HEAD[..], &[address, SHOW, REFUSED]].concat(),
            _ => Vec::new(),
        }
    }
}

fn text(address: u8, gbk: &[u8], colours: &[Colour]) -> Vec<u8> {
    let characters = characters(gbk).unwrap_or_default();
    let mut data = Vec::new();
    for (character, colour) in characters.iter().zip(colours) {
        data.extend(*character);
        data.push(code(*colour));
    }
    let [.., high, low] = data.len().to_be_bytes();
    let mut frame = HEAD.to_vec();
    frame.extend([address, SHOW, high, low]);
    frame.extend(data);
    frame.push(xor(&frame[2..]));
    frame
}

fn code(colour: Colour) -> u8 {
    match colour {
        Colour::Red => 0,
        Colour::Green => 1,
        Colour::Yellow => 2,
    }
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

impl Codec for Zhongyi {
    type Frame = Frame;
    const LENGTH_MAX: usize = DATA + DATA_BYTES_MAX + 1;

    fn begins(byte: u8) -> bool {
        byte == HEAD[0]
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let expected = [Some(HEAD[0]), Some(HEAD[1]), None, Some(SHOW)];
        if !super::agrees(bytes, &expected) || bytes.get(2) == Some(&0) {
            return Front::Broken;
        }
        let (address, high) = match *bytes {
            [_, _, address, _, DONE, ..] => return Front::Frame(Body::Done.at(address), 5),
            [_, _, address, _, REFUSED, ..] => return Front::Frame(Body::Refused.at(address), 5),
            [_, _, address, _, high, ..] => (address, high),
            _ => return Front::Incomplete,
        };
        if high != 0 {
            return Front::Broken;
        }
        let Some(&low) = bytes.get(5) else {
            return Front::Incomplete;
        };
        let end = DATA + usize::from(low);
        if usize::from(low) > DATA_BYTES_MAX {
            return Front::Broken;
        }
        let Some(sum) = bytes.get(end) else {
            return Front::Incomplete;
        };
        match read(&bytes[DATA..end]) {
            Some(body) if xor(&bytes[2..end]) == *sum => Front::Frame(body.at(address), end + 1),
            _ => Front::Broken,
        }
    }
}

/// Characters, each with its colour behind it.
fn read(data: &[u8]) -> Option<Body> {
    let mut rest = data;
    let (mut gbk, mut colours) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (one, behind) = rest.split_at(character(rest)?);
        let (colour, more) = behind.split_first()?;
        gbk.extend(one);
        colours.push(*Colour::ALL.get(usize::from(*colour))?);
        rest = more;
    }
    (gbk.len() <= TEXT_BYTES_MAX).then_some(Body::Text { gbk, colours })
}
