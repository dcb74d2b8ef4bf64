//! 永泰新欣: AA 55 LEN ADDR F8 CMD …, LEN = bytes from ADDR to the end; usually at 38400 baud.
//!
//! ```text
//! length   AA 55 04 ADDR F8 51 N             N = bytes of the text that follows
//! text     AA 55 LEN ADDR F8 21 00 GBK… 00
//! ```
//!
//! There is no sum and nothing is known to be answered. The integrator's driver sends the length
//! first and fills it up to 29 bytes with zeros, so this does, too.

use std::ops::RangeInclusive;

use super::{Body, Content, Family, Frame, Reply, TEXT_BYTES_MAX, characters, short};
use crate::link::framer::{Codec, Front};

const HEAD: [u8; 2] = [0xAA, 0x55];
const MARK: u8 = 0xF8;
const CMD_LENGTH: u8 = 0x51;
const CMD_TEXT: u8 = 0x21;
const LENGTH_FRAME: usize = 7;
/// What the integrator's driver sends of a length frame; zeros begin no frame.
const LENGTH_FILLED: usize = 29;
const TEXT: usize = 7;

#[derive(Debug)]
pub struct Yongtai;

impl Family for Yongtai {
    const NAME: &'static str = "yongtai";
    const ADDRESSES: RangeInclusive<u32> = 1..=255;
    const REPLY: Reply = Reply::None;

    fn show(content: &Content) -> Option<Vec<Body>> {
        let length = Body::Length(short(content.gbk.len()));
        Some(vec![length, Body::text(&content.gbk)])
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        let Some(address) = frame.byte() else {
            return Vec::new();
        };
        let mut bytes = HEAD.to_vec();
        match &frame.body {
            Body::Length(length) => {
                bytes.extend([4, address, MARK, CMD_LENGTH, *length]);
                bytes.resize(LENGTH_FILLED, 0);
            }
            Body::Text { gbk, .. } => {
                bytes.extend([short(gbk.len() + 5), address, MARK, CMD_TEXT, 0]);
                bytes.extend(gbk);
                bytes.push(0);
            }
            _ => return Vec::new(),
        }
        bytes
    }
}

impl Codec for Yongtai {
    type Frame = Frame;
    const LENGTH_MAX: usize = TEXT + TEXT_BYTES_MAX + 1;

    fn begins(byte: u8) -> bool {
        byte == HEAD[0]
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let expected = [Some(HEAD[0]), Some(HEAD[1]), None, None, Some(MARK)];
        if !super::agrees(bytes, &expected) || bytes.get(3) == Some(&0) {
            return Front::Broken;
        }
        match *bytes {
            [_, _, 4, address, _, CMD_LENGTH, length, ..] => {
                Front::Frame(Body::Length(length).at(address), LENGTH_FRAME)
            }
            [_, _, 4, _, _, CMD_LENGTH] | [_, _, 4] | [_, _, 4, _] | [_, _, 4, _, _] => {
                Front::Incomplete
            }
            [_, _, length, ..] => text(bytes, usize::from(length) + 3),
            _ => Front::Incomplete,
        }
    }
}

fn text(bytes: &[u8], whole: usize) -> Front<Frame> {
    let expected = [None, None, None, None, None, Some(CMD_TEXT), Some(0)];
    let lengths = TEXT + 1..=Yongtai::LENGTH_MAX;
    if !lengths.contains(&whole) || !super::agrees(bytes, &expected) {
        return Front::Broken;
    }
    let Some(frame) = bytes.get(..whole) else {
        return Front::Incomplete;
    };
    let (gbk, end) = frame[TEXT..].split_at(whole - TEXT - 1);
    if end != [0] || characters(gbk).is_none() {
        return Front::Broken;
    }
    Front::Frame(Body::text(gbk).at(frame[3]), whole)
}
