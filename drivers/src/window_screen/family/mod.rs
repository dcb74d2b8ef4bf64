//! What all families have in common: a screen with an address shows a text or a number.

pub mod kuiwen;
pub mod ruize;
pub mod tally;
pub mod yinda;
pub mod yongtai;
pub mod zhongyi;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use encoding_rs::GBK;
use serde::Deserialize;

use crate::Explained;
use crate::link::framer::{self, Codec};

pub use kuiwen::Kuiwen;
pub use ruize::Ruize;
pub use tally::Tally;
pub use yinda::Yinda;
pub use yongtai::Yongtai;
pub use zhongyi::Zhongyi;

/// Longest text in bytes; two per Chinese character.
pub const TEXT_BYTES_MAX: usize = 96;

/// One frame, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Absent where a family answers without one.
    pub address: Option<u32>,
    /// 0 for families that do not number their frames.
    pub sequence: u8,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text in GBK, with one colour per character where the family has colours.
    Text {
        gbk: Vec<u8>,
        colours: Vec<Colour>,
    },
    /// Bytes of the text that follows.
    Length(u8),
    /// One colour per byte of the text that follows.
    Colours(Vec<Colour>),
    Number(u16),
    Poll,
    /// Answer to a poll.
    Here,
    /// The screen shows what it was sent.
    Done,
    /// It does not.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    Red,
    Green,
    Yellow,
}

impl Colour {
    pub const ALL: [Self; 3] = [Self::Red, Self::Green, Self::Yellow];
}

/// How a screen of a family tells that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Never.
    None,
    /// It answers every frame with [`Body::Done`] or [`Body::Refused`].
    Answer,
    /// It answers a [`Body::Poll`] and nothing else.
    Poll,
}

/// What a screen is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// GBK, at most [`TEXT_BYTES_MAX`] bytes.
    pub gbk: Vec<u8>,
    /// The digits at the end of a ticket.
    pub number: Option<u16>,
    pub colour: Option<Colour>,
}

/// A family of window screens.
pub trait Family: Codec<Frame = Frame> + fmt::Debug + Send + Sync + 'static {
    /// What `family` says in the settings.
    const NAME: &'static str;
    const ADDRESSES: RangeInclusive<u32>;
    const REPLY: Reply;
    const HAS_COLOURS: bool = false;
    /// How often every frame is sent, and the pause in between.
    const TIMES: (u32, Duration) = (1, Duration::ZERO);

    /// The frames that make a screen show it; `None` when this family cannot.
    fn show(content: &Content) -> Option<Vec<Body>>;

    /// The bytes of a frame. Bodies of other families give no bytes.
    fn encode(frame: &Frame) -> Vec<u8>;
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { gbk, .. } => write!(f, "text {}", GBK.decode(gbk).0),
            Self::Length(bytes) => write!(f, "length {bytes}"),
            Self::Colours(colours) => write!(f, "colours of {} bytes", colours.len()),
            Self::Number(number) => write!(f, "number {number}"),
            Self::Poll => f.write_str("poll"),
            Self::Here => f.write_str("here"),
            Self::Done => f.write_str("done"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}: {}", self.body),
            None => self.body.fmt(f),
        }
    }
}

impl Body {
    fn text(gbk: &[u8]) -> Self {
        Self::Text {
            gbk: gbk.to_vec(),
            colours: Vec::new(),
        }
    }

    fn at(self, address: u8) -> Frame {
        Frame {
            address: Some(address.into()),
            sequence: 0,
            body: self,
        }
    }
}

impl Frame {
    /// The address as the one byte most families have for it.
    fn byte(&self) -> Option<u8> {
        self.address.and_then(|address| u8::try_from(address).ok())
    }
}

/// Length of the character at the front: 1 for printable ASCII, 2 for GBK, `None` for what no
/// screen is ever sent.
fn character(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [0x20..=0x7E, ..] => Some(1),
        [0x81..=0xFE, 0x40..=0xFE, ..] => {
            let (_, wrong) = GBK.decode_without_bom_handling(&bytes[..2]);
            (!wrong).then_some(2)
        }
        _ => None,
    }
}

/// The characters of a text; `None` when it is not one, or longer than allowed.
fn characters(gbk: &[u8]) -> Option<Vec<&[u8]>> {
    if gbk.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut rest = gbk;
    let mut characters = Vec::new();
    while !rest.is_empty() {
        let (one, more) = rest.split_at(character(rest)?);
        characters.push(one);
        rest = more;
    }
    Some(characters)
}

fn sum_256(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Length of a text as one byte. Texts are never near 255 bytes.
fn short(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

/// Whether bytes agree with what is known of their beginning; `None` is any byte.
fn agrees(bytes: &[u8], expected: &[Option<u8>]) -> bool {
    let fits = |(byte, expected): (&u8, &Option<u8>)| expected.is_none_or(|e| e == *byte);
    bytes.iter().zip(expected).all(fits)
}

/// What the family says that makes most of the bytes.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    let readings = [
        framer::explain::<Zhongyi>(bytes),
        framer::explain::<Ruize>(bytes),
        framer::explain::<Yinda>(bytes),
        framer::explain::<Yongtai>(bytes),
        framer::explain::<Kuiwen>(bytes),
        framer::explain::<Tally>(bytes),
    ];
    let understood = |reading: &Vec<Explained>| {
        let good = reading.iter().filter(|piece| piece.good);
        good.map(|piece| piece.range.len()).sum::<usize>()
    };
    // The first of those that make equally much: it has the most redundant frames.
    let best = readings.into_iter().rev().max_by_key(understood);
    best.unwrap_or_default()
}

/// For the fuzzer: as [`framer::fuzz`], for every family.
///
/// # Panics
/// When a family's frames depend on how the bytes arrive, or one is not written as it was read.
pub fn fuzz(bytes: &[u8]) {
    fuzz_one::<Zhongyi>(bytes);
    fuzz_one::<Ruize>(bytes);
    fuzz_one::<Yinda>(bytes);
    fuzz_one::<Yongtai>(bytes);
    fuzz_one::<Kuiwen>(bytes);
    fuzz_one::<Tally>(bytes);
}

fn fuzz_one<F: Family>(bytes: &[u8]) {
    framer::fuzz::<F>(bytes);
    for frame in framer::Framer::<F>::default().feed(bytes) {
        let written = F::encode(&frame);
        let again = framer::Framer::<F>::default().feed(&written);
        assert_eq!(again, [frame], "{}: {written:02x?}", F::NAME);
    }
}

#[cfg(test)]
mod tests;
