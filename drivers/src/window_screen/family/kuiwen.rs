//! 奎文 LcLedComm: 23 14 24 15 13 18, six digits of address, 44 MODE SPEED WAIT TIMES N GBK…,
//! 07 38 0D 0C 03 02 0D, SUM.
//!
//! N counts characters; SUM is that of all bytes from 44 on, modulo 256. The address is outside it.
//! Nothing is answered: the vendor's own library sends everything three times.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Body, Content, Family, Frame, Reply, TEXT_BYTES_MAX, character, characters, short, sum_256};
use crate::link::framer::{Codec, Front};

const HEAD: [u8; 6] = [0x23, 0x14, 0x24, 0x15, 0x13, 0x18];
const SHOW: u8 = b'D';
/// MODE SPEED WAIT TIMES as the integrator sends them: standing, once.
const STYLE: [u8; 4] = [0, 1, 1, 1];
const TAIL: [u8; 7] = [0x07, 0x38, 0x0D, 0x0C, 0x03, 0x02, 0x0D];
/// Where the sum begins.
const SUMMED: usize = 12;
const COUNT: usize = 17;
const TEXT: usize = 18;

#[derive(Debug)]
pub struct Kuiwen;

impl Family for Kuiwen {
    const NAME: &'static str = "kuiwen";
    const ADDRESSES: RangeInclusive<u32> = 0..=999_999;
    const REPLY: Reply = Reply::None;
    /// The library pauses 40 ms behind each frame, and the longest takes 130 ms at 9600 baud.
    const TIMES: (u32, Duration) = (3, Duration::from_millis(170));

    fn show(content: &Content) -> Option<Vec<Body>> {
        Some(vec![Body::text(&content.gbk)])
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        let (Some(address), Body::Text { gbk, .. }) = (frame.address, &frame.body) else {
            return Vec::new();
        };
        let count = characters(gbk).map_or(0, |characters| characters.len());
        let mut bytes = HEAD.to_vec();
        bytes.extend(format!("{address:06}").bytes());
        bytes.push(SHOW);
        bytes.extend(STYLE);
        bytes.push(short(count));
        bytes.extend(gbk);
        bytes.extend(TAIL);
        bytes.push(sum_256(&bytes[SUMMED..]));
        bytes
    }
}

impl Codec for Kuiwen {
    type Frame = Frame;
    const LENGTH_MAX: usize = TEXT + TEXT_BYTES_MAX + TAIL.len() + 1;

    fn begins(byte: u8) -> bool {
        byte == HEAD[0]
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let mut expected = [None; COUNT];
        let known = HEAD.iter().zip(&mut expected);
        known.for_each(|(byte, place)| *place = Some(*byte));
        let style = [SHOW].into_iter().chain(STYLE).zip(&mut expected[SUMMED..]);
        style.for_each(|(byte, place)| *place = Some(byte));
        let digits = bytes.iter().take(SUMMED).skip(HEAD.len());
        let address = digits.clone().all(u8::is_ascii_digit);
        if !super::agrees(bytes, &expected) || !address {
            return Front::Broken;
        }
        let address = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        let Some(&count) = bytes.get(COUNT) else {
            return Front::Incomplete;
        };
        if usize::from(count) > TEXT_BYTES_MAX {
            return Front::Broken;
        }
        match length_of(&bytes[TEXT..], count) {
            Length::Of(text) => whole(bytes, address, TEXT + text),
            Length::Unknown => Front::Incomplete,
            Length::None => Front::Broken,
        }
    }
}

enum Length {
    Of(usize),
    Unknown,
    None,
}

/// How long a text of so many characters is.
fn length_of(bytes: &[u8], count: u8) -> Length {
    let mut length = 0;
    for _ in 0..count {
        let rest = &bytes[length.min(bytes.len())..];
        match (character(rest), rest) {
            (Some(bytes), _) => length += bytes,
            (None, [] | [0x81..=0xFE]) => return Length::Unknown,
            (None, _) => return Length::None,
        }
    }
    if length > TEXT_BYTES_MAX {
        return Length::None;
    }
    Length::Of(length)
}

fn whole(bytes: &[u8], address: u32, end: usize) -> Front<Frame> {
    let tail = &bytes[end.min(bytes.len())..];
    if !super::agrees(tail, &TAIL.map(Some)) {
        return Front::Broken;
    }
    let Some(sum) = tail.get(TAIL.len()) else {
        return Front::Incomplete;
    };
    if sum_256(&bytes[SUMMED..end + TAIL.len()]) != *sum {
        return Front::Broken;
    }
    let frame = Frame {
        address: Some(address),
        sequence: 0,
        body: Body::text(&bytes[TEXT..end]),
    };
    Front::Frame(frame, end + TAIL.len() + 1)
}
