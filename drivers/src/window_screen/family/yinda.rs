//! 银达汇智: ADDR FE LEN SEQ 86 3C 00 05 00 GBK… 00 CRCH CRCL, usually at 57600 baud.
//!
//! LEN is that of the whole frame; the CRC-16 (polynomial 1021, from 0, nothing reflected) is over
//! all before it. Nothing is known to be answered.

use std::ops::RangeInclusive;

use super::{Body, Content, Family, Frame, Reply, TEXT_BYTES_MAX, characters, short};
use crate::link::framer::{Codec, Front};

const MARK: u8 = 0xFE;
const SHOW: [u8; 5] = [0x86, 0x3C, 0x00, 0x05, 0x00];
const TEXT: usize = 9;
const TAIL: usize = 3;

#[derive(Debug)]
pub struct Yinda;

impl Family for Yinda {
    const NAME: &'static str = "yinda";
    const ADDRESSES: RangeInclusive<u32> = 1..=253;
    const REPLY: Reply = Reply::None;

    fn show(content: &Content) -> Option<Vec<Body>> {
        Some(vec![Body::text(&content.gbk)])
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        let (Some(address), Body::Text { gbk, .. }) = (frame.byte(), &frame.body) else {
            return Vec::new();
        };
        let mut bytes = vec![address, MARK, short(TEXT + gbk.len() + TAIL), frame.sequence];
        bytes.extend(SHOW);
        bytes.extend(gbk);
        bytes.push(0);
        bytes.extend(crc(&bytes).to_be_bytes());
        bytes
    }
}

fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let mixed = crc ^ (u16::from(*byte) << 8);
        (0..8).fold(mixed, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}

impl Codec for Yinda {
    type Frame = Frame;
    const LENGTH_MAX: usize = TEXT + TEXT_BYTES_MAX + TAIL;

    fn begins(byte: u8) -> bool {
        Self::ADDRESSES.contains(&byte.into())
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let mut expected = [None; TEXT];
        expected[1] = Some(MARK);
        for (place, byte) in expected[4..].iter_mut().zip(SHOW) {
            *place = Some(byte);
        }
        if !super::agrees(bytes, &expected) {
            return Front::Broken;
        }
        let Some(&length) = bytes.get(2) else {
            return Front::Incomplete;
        };
        let length = usize::from(length);
        if !(TEXT + TAIL..=Self::LENGTH_MAX).contains(&length) {
            return Front::Broken;
        }
        let Some(whole) = bytes.get(..length) else {
            return Front::Incomplete;
        };
        let (content, sum) = whole.split_at(length - 2);
        let (text, end) = content[TEXT..].split_at(length - TEXT - TAIL);
        if crc(content).to_be_bytes() != sum || end != [0] || characters(text).is_none() {
            return Front::Broken;
        }
        let mut frame = Body::text(text).at(bytes[0]);
        frame.sequence = bytes[3];
        Front::Frame(frame, length)
    }
}

#[cfg(test)]
#[test]
fn the_sum_is_the_one_of_the_catalogue() {
    // CRC-16/XMODEM, as in Python's binascii.crc_hqx.
    assert_eq!(crc(b"123456789"), 0x31C3);
}
