//! The frame, both ways, without I/O.
//!
//! ```text
//! FF 68 LEN LEN 68 ADDR CMD DATA… CS 16      LEN = bytes ADDR…DATA
//!                                            CS = their sum, modulo 256
//! ```
//!
//! Behind FF this is the variable frame of IEC 60870-5-1 FT1.2, which M-Bus has, too. That the sum
//! is made as there is our reading: the text this was found in breaks off before it.

use std::fmt;

use crate::link::framer::{self, Codec, Framer, Front};

/// Longest data; LEN is one byte and counts address and command.
pub const DATA_BYTES_MAX: usize = 253;

const LEAD: u8 = 0xFF;
const START: u8 = 0x68;
const END: u8 = 0x16;
const HEAD: usize = 5;

/// One frame, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub address: u8,
    pub cmd: u8,
    /// At most [`DATA_BYTES_MAX`] bytes.
    pub data: Vec<u8>,
}

impl Frame {
    /// The bytes on the wire; data beyond [`DATA_BYTES_MAX`] is cut off.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let data = &self.data[..self.data.len().min(DATA_BYTES_MAX)];
        let length = u8::try_from(data.len() + 2).unwrap_or(u8::MAX);
        let mut frame = vec![LEAD, START, length, length, START, self.address, self.cmd];
        frame.extend(data);
        frame.push(sum(&frame[HEAD..]));
        frame.push(END);
        frame
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:02X}", self.address, self.cmd)?;
        self.data.iter().try_for_each(|byte| write!(f, " {byte:02X}"))
    }
}

/// `FF 68 LEN LEN 68 … CS 16`
#[derive(Debug)]
pub struct Ff68;

impl Codec for Ff68 {
    type Frame = Frame;
    const LENGTH_MAX: usize = HEAD + 2 + DATA_BYTES_MAX + 2;

    fn begins(byte: u8) -> bool {
        byte == LEAD
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        // As early as it can be known: a wrong length must not swallow the frame behind it.
        let is_head = match *bytes {
            [_, START, first, second, START, ..] => first == second && first >= 2,
            [_, START, first, second] => first == second && first >= 2,
            [_, START, first] => first >= 2,
            [_, START] | [_] => true,
            _ => false,
        };
        if !is_head {
            return Front::Broken;
        }
        let Some(&length) = bytes.get(2) else {
            return Front::Incomplete;
        };
        let end = HEAD + usize::from(length);
        let Some(tail) = bytes.get(end..end + 2) else {
            return Front::Incomplete;
        };
        let content = &bytes[HEAD..end];
        let (&[address, cmd, ref data @ ..], true) = (content, tail == [sum(content), END]) else {
            return Front::Broken;
        };
        let data = data.to_vec();
        Front::Frame(Frame { address, cmd, data }, end + 2)
    }
}

/// For the fuzzer: as [`framer::fuzz`], and what is read is written as it was.
///
/// # Panics
/// When it is not.
pub fn fuzz(bytes: &[u8]) {
    framer::fuzz::<Ff68>(bytes);
    for frame in Framer::<Ff68>::default().feed(bytes) {
        let written = frame.encode();
        assert!(bytes.windows(written.len()).any(|window| window == written));
    }
}

#[cfg(test)]
mod tests;
