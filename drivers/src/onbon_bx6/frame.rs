//! The bytes of Onbon BX-6 graphic cards, both ways, without I/O. The outer layer is [`onbon`].
//!
//! ```text
//! common   TO16 FROM16 07 00 DEVICE16 00 00 SEQ16 MAX16 CODE RANDOM SECRET(6) LEN16 CRC16 00 XOR | body
//! dynamic  TO16 FROM16 F0 00 DEVICE16 0000 0000 LEN32 | body | CRC16        numbers low byte first
//! command  01 GROUP CMD LEN16 data            LEN is that of the data, in A7 01 in a dynamic frame 0
//! answer   00 GROUP CMD STATUS16 ERROR16 LEN16 data
//! ```
//!
//! Questions and switching go in common frames, dynamic areas in dynamic ones. The sum of a common
//! frame is of its body; XOR is over its header.

mod area;
pub mod lamps;
mod told;

use std::fmt;

pub use area::Area;
pub use told::{Identity, Status, model};

use crate::link::framer::{Codec, Framer, Front};
use crate::link::onbon;
pub use crate::link::onbon::{ANY_CARD, HOST, Nack};

/// Type of card every card takes for its own.
pub const ANY_TYPE: u16 = 0xFFFE;
const COMMON: u8 = 0x07;
const COMMON_HEADER: usize = 28;
const DYNAMIC: u8 = 0xF0;
const DYNAMIC_HEADER: usize = 16;
/// What the vendor's client says of itself: sixteenths of its buffer, no encryption, any number.
const CLIENT: [u8; 10] = [0x90, 0x01, 0x96, 0x5D, 0, 0, 0, 0, 0, 0];
const CONTENT_MAX: usize = 64 * 1024;
/// Stands for all dynamic areas.
const ALL_AREAS: u8 = 0xFF;
/// Bytes of pictures a frame takes: what the cards' buffers do, less what is around them.
pub const PICTURE_MAX: usize = CONTENT_MAX - 1024;

/// One frame, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub to: u16,
    pub from: u16,
    pub device: u16,
    pub head: Head,
    pub body: Body,
}

/// Which of the two headers a frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    Common { sequence: u16 },
    Dynamic,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Who are you?
    Ping,
    /// How are you?
    AskStatus,
    Power(bool),
    /// Takes dynamic areas away; all when none is named.
    Remove(Vec<u8>),
    /// Gives a dynamic area something to show, until the card loses power.
    Show(Area),
    Ack,
    Nack(Nack),
    Identity(Box<Identity>),
    Status(Status),
    /// With right sums, but nothing of the above.
    Other {
        is_answer: bool,
        group: u8,
        command: u8,
    },
}

impl Frame {
    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let is_common = matches!(self.head, Head::Common { .. });
        let body = self.body.bytes(is_common);
        let mut content = Vec::with_capacity(COMMON_HEADER + body.len() + 2);
        content.extend(self.to.to_le_bytes());
        content.extend(self.from.to_le_bytes());
        content.extend([if is_common { COMMON } else { DYNAMIC }, 0]);
        content.extend(self.device.to_le_bytes());
        if let Head::Common { sequence } = self.head {
            content.extend([0, 0]);
            content.extend(sequence.to_le_bytes());
            content.extend(CLIENT);
            content.extend(short(body.len()));
            content.extend(onbon::crc(&body).to_le_bytes());
            content.push(0);
            content.push(xor(&content));
            content.extend(body);
            return onbon::wrap(&content, 2);
        }
        content.extend([0; 4]);
        content.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        content.extend(body);
        onbon::seal(&mut content);
        onbon::wrap(&content, 1)
    }

    /// `None` when the content of a frame is none of a BX-6 card.
    fn decode(content: &[u8]) -> Option<Self> {
        let short = |at: usize| Some(u16::from_le_bytes([*content.get(at)?, *content.get(at + 1)?]));
        let (head, body) = match *content.get(4)? {
            COMMON => (Head::Common { sequence: short(10)? }, common_body(content)?),
            DYNAMIC => (Head::Dynamic, dynamic_body(content)?),
            _ => return None,
        };
        Some(Self {
            to: short(0)?,
            from: short(2)?,
            device: short(6)?,
            head,
            body: Body::from_bytes(body)?,
        })
    }
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |xor, byte| xor ^ byte)
}

fn common_body(content: &[u8]) -> Option<&[u8]> {
    let (header, body) = content.split_first_chunk::<COMMON_HEADER>()?;
    let [.., len_low, len_high, crc_low, crc_high, _, _] = *header;
    let is_whole = body.len() == usize::from(u16::from_le_bytes([len_low, len_high]));
    let is_sound = onbon::crc(body) == u16::from_le_bytes([crc_low, crc_high]);
    // A barcode in the header is not understood.
    (xor(header) == 0 && header[9] == 0 && is_whole && is_sound).then_some(body)
}

fn dynamic_body(content: &[u8]) -> Option<&[u8]> {
    let (header, body) = onbon::unseal(content)?.split_first_chunk::<DYNAMIC_HEADER>()?;
    let length = u32::from_le_bytes(*header.last_chunk()?);
    (usize::try_from(length) == Ok(body.len())).then_some(body)
}

impl Body {
    fn bytes(&self, is_common: bool) -> Vec<u8> {
        match self {
            Self::Ping => command(0xA2, 0x00, &[], is_common),
            Self::AskStatus => command(0xA2, 0x0F, &[], is_common),
            Self::Power(on) => command(0xA2, 0x05, &[u8::from(*on)], is_common),
            Self::Remove(areas) if areas.is_empty() => command(0xA7, 0x01, &[ALL_AREAS], is_common),
            Self::Remove(areas) => {
                let count = u8::try_from(areas.len()).unwrap_or(ALL_AREAS - 1);
                command(0xA7, 0x01, &[&[count], &areas[..]].concat(), is_common)
            }
            Self::Show(area) => command(0xA7, 0x00, &area.encode(), true),
            Self::Ack => answer(0xA0, 0x00, 0, &[]),
            Self::Nack(Nack(code)) => answer(0xA0, 0x01, *code, &[]),
            Self::Identity(identity) => answer(0xA2, 0x80, 0, &identity.encode()),
            Self::Status(status) => answer(0xA2, 0x8F, 0, &status.encode()),
            Self::Other {
                is_answer: true,
                group,
                command,
            } => answer(*group, *command, 0, &[]),
            Self::Other {
                group, command: c, ..
            } => command(*group, *c, &[], is_common),
        }
    }

    fn from_bytes(body: &[u8]) -> Option<Self> {
        match body {
            [1, group, command, _, _, data @ ..] => Some(Self::command(*group, *command, data)),
            [0, group, command, _, _, error, _, low, high, data @ ..] => {
                let length = usize::from(u16::from_le_bytes([*low, *high]));
                let data = data.get(..length)?;
                Self::answer(*group, *command, *error, data)
            }
            _ => None,
        }
    }

    fn command(group: u8, command: u8, data: &[u8]) -> Self {
        let other = || Self::Other {
            is_answer: false,
            group,
            command,
        };
        match (group, command, data) {
            (0xA2, 0x00, []) => Self::Ping,
            (0xA2, 0x0F, []) => Self::AskStatus,
            (0xA2, 0x05, [on @ (0 | 1)]) => Self::Power(*on == 1),
            (0xA7, 0x01, [ALL_AREAS]) => Self::Remove(Vec::new()),
            (0xA7, 0x01, [count, areas @ ..]) if *count > 0 && areas.len() == usize::from(*count) => {
                Self::Remove(areas.to_vec())
            }
            (0xA7, 0x00, area) => Area::decode(area).map_or_else(other, Self::Show),
            _ => other(),
        }
    }

    fn answer(group: u8, command: u8, error: u8, data: &[u8]) -> Option<Self> {
        Some(match (group, command) {
            (0xA0, 0x00) => Self::Ack,
            (0xA0, 0x01) => Self::Nack(Nack(error)),
            (0xA2, 0x80) => Self::Identity(Box::new(Identity::decode(data)?)),
            (0xA2, 0x8F) => Self::Status(Status::decode(data)?),
            _ => Self::Other {
                is_answer: true,
                group,
                command,
            },
        })
    }
}

fn command(group: u8, command: u8, data: &[u8], has_length: bool) -> Vec<u8> {
    let length = if has_length { short(data.len()) } else { [0; 2] };
    [&[1, group, command], &length[..], data].concat()
}

fn answer(group: u8, command: u8, error: u8, data: &[u8]) -> Vec<u8> {
    let head = [0, group, command, 0, 0, error, 0];
    [&head, &short(data.len())[..], data].concat()
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping => f.write_str("ping"),
            Self::AskStatus => f.write_str("status?"),
            Self::Power(true) => f.write_str("switch on"),
            Self::Power(false) => f.write_str("switch off"),
            Self::Remove(areas) if areas.is_empty() => f.write_str("remove all areas"),
            Self::Remove(areas) => write!(f, "remove areas {areas:?}"),
            Self::Show(area) => write!(f, "show {area}"),
            Self::Ack => f.write_str("ack"),
            Self::Nack(nack) => write!(f, "nack: {nack}"),
            Self::Identity(identity) => write!(f, "{identity}"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Other { group, command, .. } => write!(f, "{group:02X} {command:02X}"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X} to {:04X}: {}", self.from, self.to, self.body)
    }
}

/// Cuts what a card says, and what is said to it, into frames.
pub type Parser = Framer<GraphicCard>;

/// Onbon BX-6
#[derive(Debug)]
pub struct GraphicCard;

impl Codec for GraphicCard {
    type Frame = Frame;
    const LENGTH_MAX: usize = onbon::BEGINS_MAX + 2 * CONTENT_MAX + 1;

    fn begins(byte: u8) -> bool {
        onbon::begins(byte)
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        match onbon::unwrap(bytes, CONTENT_MAX) {
            Front::Frame(content, length) => match Frame::decode(&content) {
                Some(frame) => Front::Frame(frame, length),
                None => Front::Broken,
            },
            Front::Incomplete => Front::Incomplete,
            Front::Broken => Front::Broken,
        }
    }
}

#[cfg(test)]
mod tests;
