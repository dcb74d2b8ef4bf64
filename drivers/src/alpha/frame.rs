//! The bytes of the M-Protocol, without I/O.
//!
//! ```text
//! 00×5 01 TYPE ADDRESS(2) 02 COMMAND data 03 SUM(4 hex digits) 04
//! A text: COMMAND 41, data FILE 1B POSITION MODE text
//! ```
//!
//! SUM is that of the bytes from 02 to 03, both included. Everything is 7-bit ASCII. The zeros let a
//! sign find the speed; they are no part of the frame here.

use std::fmt;

use serde::Deserialize;

use crate::link::framer::{Codec, Framer, Front};

/// Longest text in bytes; every sign has room for one of this length.
pub const TEXT_BYTES_MAX: usize = 125;
const SYNC: [u8; 5] = [0; 5];
const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const EOT: u8 = 0x04;
const ESC: u8 = 0x1B;
const WRITE_TEXT: u8 = b'A';
/// From SOH to STX.
const HEAD: usize = 5;
const SUM: usize = 4;
/// File, escape, position and mode before a text.
const STYLE: usize = 4;
const LENGTH_MAX: usize = HEAD + 1 + STYLE + TEXT_BYTES_MAX + 1 + SUM + 1;

/// One text for one file of a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which kind of sign; `Z` is any.
    pub kind: u8,
    /// Two hex digits; 00 is every sign.
    pub address: [u8; 2],
    /// `A` to `Z`, or `0` for the one that is shown before all others.
    pub file: u8,
    pub position: Position,
    pub mode: Mode,
    pub text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Position {
    Middle = b' ',
    Top = b'"',
    Bottom = b'&',
    /// All lines there are.
    #[default]
    Fill = b'0',
}

/// How a text comes and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Mode {
    Rotate = b'a',
    #[default]
    Hold = b'b',
    Flash = b'c',
    RollUp = b'e',
    RollDown = b'f',
    RollLeft = b'g',
    RollRight = b'h',
}

impl Position {
    pub const ALL: [Self; 4] = [Self::Middle, Self::Top, Self::Bottom, Self::Fill];
}

impl Mode {
    pub const ALL: [Self; 7] = [
        Self::Rotate,
        Self::Hold,
        Self::Flash,
        Self::RollUp,
        Self::RollDown,
        Self::RollLeft,
        Self::RollRight,
    ];
}

/// What the signs' fonts have; everything else, Chinese above all, becomes `?`.
#[must_use]
pub fn to_ascii(text: &str) -> Vec<u8> {
    let ascii = |c: char| u8::try_from(c).ok().filter(|byte| is_text(*byte));
    let bytes = text.chars().map(|c| ascii(c).unwrap_or(b'?'));
    bytes.take(TEXT_BYTES_MAX).collect()
}

fn is_text(byte: u8) -> bool {
    (0x20..0x7F).contains(&byte)
}

impl Frame {
    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut summed = vec![STX, WRITE_TEXT, self.file, ESC];
        summed.extend([self.position as u8, self.mode as u8]);
        summed.extend(&self.text);
        summed.push(ETX);
        let sum = sum(&summed);
        let mut bytes = SYNC.to_vec();
        bytes.extend([SOH, self.kind, self.address[0], self.address[1]]);
        bytes.extend(summed);
        bytes.extend(format!("{sum:04X}").bytes());
        bytes.push(EOT);
        bytes
    }

    /// From SOH to EOT; `None` when it is no text for a sign.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let ([SOH, kind, high, low], rest) = bytes.split_first_chunk::<4>()? else {
            return None;
        };
        let (summed, [digits @ .., EOT]) = rest.split_last_chunk::<5>()? else {
            return None;
        };
        let [STX, WRITE_TEXT, file, ESC, position, mode, text @ .., ETX] = summed else {
            return None;
        };
        let is_known = kind.is_ascii_graphic() && is_file(*file);
        let is_sound = *digits == *format!("{:04X}", sum(summed)).as_bytes();
        let is_addressed = [high, low].iter().all(|digit| digit.is_ascii_hexdigit());
        let is_text = text.len() <= TEXT_BYTES_MAX && text.iter().copied().all(is_text);
        if !(is_known && is_sound && is_addressed && is_text) {
            return None;
        }
        Some(Self {
            kind: *kind,
            address: [*high, *low],
            file: *file,
            position: Position::ALL.into_iter().find(|p| *p as u8 == *position)?,
            mode: Mode::ALL.into_iter().find(|m| *m as u8 == *mode)?,
            text: text.to_vec(),
        })
    }
}

/// Whether a file can have this name.
#[must_use]
pub fn is_file(name: u8) -> bool {
    name.is_ascii_uppercase() || name == b'0'
}

fn sum(bytes: &[u8]) -> u16 {
    let add = |sum: u16, byte: &u8| sum.wrapping_add(u16::from(*byte));
    bytes.iter().fold(0, add)
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.address.map(char::from);
        let (file, text) = (char::from(self.file), String::from_utf8_lossy(&self.text));
        write!(f, "{high}{low}: file {file} {text}")
    }
}

/// Cuts what is sent to a sign into frames.
pub type Parser = Framer<MProtocol>;

/// Alpha, BetaBrite
#[derive(Debug)]
pub struct MProtocol;

impl Codec for MProtocol {
    type Frame = Frame;
    const LENGTH_MAX: usize = LENGTH_MAX;

    fn begins(byte: u8) -> bool {
        byte == SOH
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let again = bytes.iter().skip(1).position(|byte| *byte == SOH);
        let end = bytes.iter().position(|byte| *byte == EOT);
        match (end, again) {
            // A new frame begins in the middle of this one.
            (Some(end), Some(again)) if again < end => Front::Broken,
            (None, Some(_)) => Front::Broken,
            (None, None) => Front::Incomplete,
            (Some(end), _) => match Frame::decode(&bytes[..=end]) {
                Some(frame) => Front::Frame(frame, end + 1),
                None => Front::Broken,
            },
        }
    }
}

#[cfg(test)]
mod tests;
