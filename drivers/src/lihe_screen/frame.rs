//! The bytes of 平安力合 V2.1, both ways, without I/O.
//!
//! ```text
//! standard      A0 LEN CMD ADDR SUB DATA… CHK FF      LEN = bytes CMD..DATA
//!                                                     CHK = (LEN + … + DATA) mod 100
//! instant text  AA ADDR BB 51 54 CHK MODE SPEED STAY COLOUR LIFE GBK… FF
//!                                                     CHK = (MODE + … + FF) mod 256
//! ```
//!
//! A sum modulo 100 does not see a byte that is off by 100 or 200. So the parser is stricter than
//! the sum: every field has a range less than 100 wide and every command its exact length. Then no
//! single wrong byte turns a standard frame into another valid one. An instant text has no such
//! shape: its address is outside the sum, and a byte that turns into FF ends it early with one
//! chance in 256 that the sum of what is left is right. It is used only where no standard frame fits.

use std::fmt;
use std::ops::RangeInclusive;

use crate::link::framer::{Codec, Framer, Front};

/// Addresses of screens and numbers of windows; see above why not more.
pub const ADDRESSES: RangeInclusive<u8> = 1..=99;
pub const WINDOWS: RangeInclusive<u8> = 1..=99;
/// Largest number a standard call can show.
pub const NUMBER_MAX: u16 = 9999;
/// Longest text in bytes; two per Chinese character.
pub const TEXT_BYTES_MAX: usize = 96;

const STANDARD: u8 = 0xA0;
const INSTANT: u8 = 0xAA;
const END: u8 = 0xFF;
const CMD_STRIP: u8 = 0x28;
const CMD_VERSION: u8 = 0x98;
const CMD_ACK: u8 = 0x14;
/// SUB of everything about the connection itself.
const SUB_LINK: u8 = 0x50;
const SUB_WELCOME: u8 = 0;
const SUB_CALL: u8 = 1;
const SUB_PAUSE: u8 = 2;
const SUB_SERVING: u8 = 4;
/// Kinds of controller card: 16-dot strip, 24/32-dot strip, instant, summary.
const CARDS: RangeInclusive<u8> = 0xA1..=0xA4;
/// MODE SPEED STAY COLOUR LIFE, as the integrator's driver sends them: at once, red, for ever.
const INSTANT_STYLE: [u8; 5] = [0x01, 0x00, 0x99, 0x00, 0x63];
const INSTANT_HEAD: usize = 11;

/// One frame, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub address: u8,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Welcome,
    Call(Call),
    Serving,
    Pause,
    /// Text in GBK.
    Text(Vec<u8>),
    VersionQuery,
    /// The screen did what it was told.
    Ack,
    Version {
        card: u8,
        version: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// A to Z.
    pub prefix: Option<u8>,
    pub number: u16,
    pub window: u8,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Welcome => f.write_str("welcome"),
            Self::Call(call) => write!(f, "{call}"),
            Self::Serving => f.write_str("serving"),
            Self::Pause => f.write_str("pause"),
            Self::Text(gbk) => write!(f, "text {}", encoding_rs::GBK.decode(gbk).0),
            Self::VersionQuery => f.write_str("version?"),
            Self::Ack => f.write_str("ack"),
            Self::Version { card, version } => write!(f, "card {card:X} version {version}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("call ")?;
        if let Some(prefix) = self.prefix {
            write!(f, "{}", char::from(prefix))?;
        }
        write!(f, "{} at window {}", self.number, self.window)
    }
}

impl Frame {
    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let standard = |cmd, sub, data: &[u8]| standard(self.address, cmd, sub, data);
        match &self.body {
            Body::Welcome => standard(CMD_STRIP, SUB_WELCOME, &[]),
            Body::Call(call) => standard(CMD_STRIP, SUB_CALL, &call.data()),
            Body::Serving => standard(CMD_STRIP, SUB_SERVING, &[]),
            Body::Pause => standard(CMD_STRIP, SUB_PAUSE, &[]),
            Body::Text(gbk) => instant(self.address, gbk),
            Body::VersionQuery => standard(CMD_VERSION, SUB_LINK, &[]),
            Body::Ack => standard(CMD_ACK, SUB_LINK, &[]),
            Body::Version { card, version } => standard(CMD_VERSION, SUB_LINK, &[*card, *version]),
        }
    }
}

impl Call {
    fn data(self) -> Vec<u8> {
        let halves = [self.number / 100, self.number % 100];
        let mut data: Vec<u8> = halves.map(|half| u8::try_from(half).unwrap_or(0)).into();
        data.push(self.window);
        data.extend(self.prefix);
        data
    }

    fn from_data(data: &[u8]) -> Option<Self> {
        let (halves, rest) = data.split_at_checked(2)?;
        let (window, prefix) = match *rest {
            [window] => (window, None),
            [window, prefix] if prefix.is_ascii_uppercase() => (window, Some(prefix)),
            _ => return None,
        };
        if halves.iter().any(|half| *half > 99) || !WINDOWS.contains(&window) {
            return None;
        }
        let number = u16::from(halves[0]) * 100 + u16::from(halves[1]);
        Some(Self {
            prefix,
            number,
            window,
        })
    }
}

fn standard(address: u8, cmd: u8, sub: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(3 + data.len()).unwrap_or(u8::MAX);
    let mut frame = vec![STANDARD, length, cmd, address, sub];
    frame.extend(data);
    frame.push(sum_100(&frame[1..]));
    frame.push(END);
    frame
}

fn instant(address: u8, gbk: &[u8]) -> Vec<u8> {
    let mut shown = INSTANT_STYLE.to_vec();
    shown.extend(gbk);
    shown.push(END);
    let mut frame = vec![INSTANT, address, 0xBB, 0x51, 0x54, sum_256(&shown)];
    frame.extend(shown);
    frame
}

fn sum_100(bytes: &[u8]) -> u8 {
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    u8::try_from(sum % 100).unwrap_or(0)
}

fn sum_256(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Cuts what a screen says, and what is said to it, into frames.
pub type Parser = Framer<Lihe>;

/// 平安力合 V2.1
#[derive(Debug)]
pub struct Lihe;

impl Codec for Lihe {
    type Frame = Frame;
    const LENGTH_MAX: usize = INSTANT_HEAD + TEXT_BYTES_MAX + 1;

    fn begins(byte: u8) -> bool {
        matches!(byte, STANDARD | INSTANT)
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        match bytes.first() {
            None => Front::Incomplete,
            Some(&STANDARD) => front_standard(bytes),
            Some(_) => front_instant(bytes),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.body)
    }
}

fn front_standard(bytes: &[u8]) -> Front<Frame> {
    let Some(&length) = bytes.get(1) else {
        return Front::Incomplete;
    };
    // As early as it can be known: a wrong length must not swallow the frame behind it.
    if !(3..=7).contains(&length) {
        return Front::Broken;
    }
    let whole = usize::from(length) + 4;
    if bytes.len() < whole {
        return Front::Incomplete;
    }
    let (content, tail) = bytes[1..whole].split_at(whole - 3);
    if tail != [sum_100(content), END] {
        return Front::Broken;
    }
    let (cmd, address, sub, data) = (content[1], content[2], content[3], &content[4..]);
    match body(cmd, sub, data) {
        Some(body) if ADDRESSES.contains(&address) => Front::Frame(Frame { address, body }, whole),
        _ => Front::Broken,
    }
}

fn body(cmd: u8, sub: u8, data: &[u8]) -> Option<Body> {
    match (cmd, sub, data) {
        (CMD_STRIP, SUB_WELCOME, []) => Some(Body::Welcome),
        (CMD_STRIP, SUB_CALL, data) => Call::from_data(data).map(Body::Call),
        (CMD_STRIP, SUB_PAUSE, []) => Some(Body::Pause),
        (CMD_STRIP, SUB_SERVING, []) => Some(Body::Serving),
        (CMD_VERSION, SUB_LINK, []) => Some(Body::VersionQuery),
        (CMD_ACK, SUB_LINK, []) => Some(Body::Ack),
        (CMD_VERSION, SUB_LINK, [card, version]) if CARDS.contains(card) => Some(Body::Version {
            card: *card,
            version: *version,
        }),
        _ => None,
    }
}

fn front_instant(bytes: &[u8]) -> Front<Frame> {
    let expected = [None, None, Some(0xBB), Some(0x51), Some(0x54)];
    let fits = |(byte, expected): (&u8, &Option<u8>)| expected.is_none_or(|e| e == *byte);
    let address = bytes.get(1).copied().unwrap_or(*ADDRESSES.start());
    if !bytes.iter().zip(&expected).all(fits) || !ADDRESSES.contains(&address) {
        return Front::Broken;
    }
    // The sum itself and the style may be FF; the text cannot.
    let text = bytes.get(INSTANT_HEAD..).unwrap_or_default();
    let Some(end) = text.iter().position(|byte| *byte == END) else {
        let too_long = text.len() > TEXT_BYTES_MAX;
        return if too_long {
            Front::Broken
        } else {
            Front::Incomplete
        };
    };
    let is_gbk = |text| !encoding_rs::GBK.decode_without_bom_handling(text).1;
    if sum_256(&bytes[6..=INSTANT_HEAD + end]) != bytes[5] || !is_gbk(&text[..end]) {
        return Front::Broken;
    }
    let body = Body::Text(text[..end].to_vec());
    Front::Frame(Frame { address, body }, INSTANT_HEAD + end + 1)
}

#[cfg(test)]
mod tests;
