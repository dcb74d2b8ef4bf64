//! The outer layer of 仰邦 (Onbon) frames, the same for all their cards:
//!
//! ```text
//! A5×8 | content | 5A      in the content  A5→A6 02  A6→A6 01  5A→5B 02  5B→5B 01
//! ```
//!
//! The escapes come last, over the whole content with its sums.

pub(crate) mod board;
mod settings;

use std::fmt;

use super::framer::Front;
pub(crate) use settings::{Reach, Written};

/// Address every card takes for its own.
pub const ANY_CARD: u16 = 0xFFFE;
/// Address of whoever commands.
pub const HOST: u16 = 0x8000;

const BEGIN: u8 = 0xA5;
const END: u8 = 0x5A;
const BEGIN_ESCAPE: u8 = 0xA6;
const END_ESCAPE: u8 = 0x5B;
/// Sent before a frame.
const BEGINS: usize = 8;
/// Taken before a frame: some of ours may be damaged, and noise may look like more.
pub const BEGINS_MAX: usize = 16;

/// Whether a frame can begin with this byte.
#[must_use]
pub fn begins(byte: u8) -> bool {
    byte == BEGIN
}

/// CRC-16/ARC: reflected polynomial A001, begins with 0.
#[must_use]
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            (crc >> 1) ^ (if crc & 1 == 1 { 0xA001 } else { 0 })
        })
    })
}

/// Adds the sum of the bytes so far, low byte first.
pub fn seal(content: &mut Vec<u8>) {
    let crc = crc(content);
    content.extend(crc.to_le_bytes());
}

/// What is before a right sum at the end; `None` when the sum is wrong.
#[must_use]
pub fn unseal(content: &[u8]) -> Option<&[u8]> {
    let (sealed, sum) = content.split_last_chunk::<2>()?;
    (crc(sealed) == u16::from_le_bytes(*sum)).then_some(sealed)
}

/// The bytes on the wire, with `ends` times the end mark.
#[must_use]
pub fn wrap(content: &[u8], ends: usize) -> Vec<u8> {
    let mut bytes = vec![BEGIN; BEGINS];
    for byte in content {
        match *byte {
            BEGIN => bytes.extend([BEGIN_ESCAPE, 2]),
            BEGIN_ESCAPE => bytes.extend([BEGIN_ESCAPE, 1]),
            END => bytes.extend([END_ESCAPE, 2]),
            END_ESCAPE => bytes.extend([END_ESCAPE, 1]),
            other => bytes.push(other),
        }
    }
    bytes.resize(bytes.len() + ends, END);
    bytes
}

/// The content of the frame at the front and the length of that frame on the wire; broken when
/// the content is longer than `content_max`.
#[must_use]
pub fn unwrap(bytes: &[u8], content_max: usize) -> Front<Vec<u8>> {
    let start = bytes.iter().take_while(|byte| **byte == BEGIN).count();
    if start > BEGINS_MAX {
        return Front::Broken;
    }
    let mut content = Vec::new();
    let mut rest = bytes[start..].iter().enumerate();
    while let Some((at, byte)) = rest.next() {
        let plain = match *byte {
            // A new frame begins in the middle of this one.
            BEGIN => return Front::Broken,
            END => {
                let ends = bytes[start + at..].iter().take_while(|byte| **byte == END);
                return Front::Frame(content, start + at + ends.count());
            }
            escape @ (BEGIN_ESCAPE | END_ESCAPE) => match rest.next() {
                None => return Front::Incomplete,
                Some((_, 1)) => escape,
                Some((_, 2)) if escape == BEGIN_ESCAPE => BEGIN,
                Some((_, 2)) => END,
                Some(_) => return Front::Broken,
            },
            other => other,
        };
        content.push(plain);
        if content.len() > content_max {
            return Front::Broken;
        }
    }
    Front::Incomplete
}

/// Why a card does not do what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nack(pub u8);

impl Nack {
    pub const NO_GROUP: Self = Self(1);
    pub const NO_COMMAND: Self = Self(2);

    /// Whether the same command may succeed a moment later.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self.0, 3 | 5)
    }
}

impl fmt::Display for Nack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "no such group of commands",
            2 => "no such command",
            3 => "busy",
            4 => "out of memory",
            5 => "wrong checksum",
            6 => "no such file",
            7 => "flash cannot be accessed",
            8 => "file not loaded",
            9 => "wrong file name",
            10 => "wrong type of file",
            11 => "wrong checksum of a file",
            12 => "font is missing",
            13 => "wrong type of card",
            14 => "wrong date or time",
            15 => "file exists already",
            16 => "wrong number of a block",
            17 => "wrong type of controller",
            18 => "screen parameters are wrong",
            19 => "its own id cannot be read",
            20..=23 => "wrong password",
            code => return write!(f, "error {code}"),
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::replay::hex;

    #[test]
    fn the_sum_is_that_of_the_catalogue() {
        assert_eq!(crc(b"123456789"), 0xBB3D);
        assert_eq!(crc(&[]), 0);
    }

    #[test]
    fn escapes_are_those_of_the_vendor() {
        let wrapped = wrap(&[0xA5, 0x5A, 0xA6, 0x5B, 0x01], 1);
        let expected = hex("a5a5a5a5a5a5a5a5 a602 5b02 a601 5b01 01 5a").unwrap();
        assert_eq!(wrapped, expected);
    }

    #[test]
    fn what_cannot_be_a_frame_is_seen_early() {
        let check = |text: &str| unwrap(&hex(text).unwrap(), 4);
        assert_eq!(check("a5a5"), Front::Incomplete);
        assert_eq!(check("a5a6"), Front::Incomplete);
        assert_eq!(check("a5a603"), Front::Broken);
        assert_eq!(check("a501a5"), Front::Broken);
        assert_eq!(check("a50102030405"), Front::Broken);
        assert_eq!(check("a501025a5a5a07"), Front::Frame(vec![1, 2], 6));
    }

    proptest! {
        #[test]
        fn content_survives(
            content in proptest::collection::vec(
                prop_oneof![any::<u8>(), 0xA5..=0xA6_u8, 0x5A..=0x5B_u8, 1..3_u8], 0..60),
            ends in 1..3_usize,
        ) {
            let bytes = wrap(&content, ends);
            prop_assert_eq!(unwrap(&bytes, 60), Front::Frame(content, bytes.len()));
        }
    }
}
