//! The bytes of Onbon font cards, both ways, without I/O. The outer layer is [`onbon`].
//!
//! ```text
//! header  TO16 FROM16 00 00 00 OPTION [barcode 16] 00 00 DEVICE 02 LEN16     LEN = bytes of data
//! data    GROUP CMD (REPLY | ERROR) 00 00 …                                  numbers low byte first
//! CRC16   over header and data
//! ```

mod area;

use std::fmt;

pub use area::{Area, Effect, Sound};

use crate::link::framer::{Codec, Framer, Front};
use crate::link::onbon;
pub use crate::link::onbon::{ANY_CARD, HOST, Nack};

/// Type of card every card takes for its own.
const ANY_TYPE: u8 = 0xFE;
const VERSION: u8 = 2;
const HEADER: usize = 14;
const BARCODE: usize = 16;
/// Bytes of data: what the cards' buffers take.
pub const DATA_MAX: usize = 1024;
const CONTENT_MAX: usize = HEADER + BARCODE + DATA_MAX + 2;
/// The third byte of a command: whether it is to be answered.
const ANSWER: u8 = 1;
const POWER_ON: u8 = 1;
const POWER_OFF: u8 = 2;

/// One frame, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub to: u16,
    pub from: u16,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Are you there? Changes nothing.
    Ping,
    Power(bool),
    Clear,
    /// Takes dynamic areas away and gives others something to show, until the card loses power.
    Show {
        remove: Vec<u8>,
        areas: Vec<Area>,
    },
    Ack,
    Nack(Nack),
    /// With a right sum, but nothing of the above.
    Other {
        group: u8,
        command: u8,
    },
}

impl Frame {
    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let data = self.body.data();
        let mut content = Vec::with_capacity(HEADER + data.len() + 2);
        content.extend(self.to.to_le_bytes());
        content.extend(self.from.to_le_bytes());
        content.extend([0; 6]);
        content.extend([ANY_TYPE, VERSION]);
        content.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_le_bytes());
        content.extend(data);
        onbon::seal(&mut content);
        onbon::wrap(&content, 1)
    }

    /// `None` when the content of a frame is none of a font card.
    fn decode(content: &[u8]) -> Option<Self> {
        let content = onbon::unseal(content)?;
        let (head, rest) = content.split_at_checked(8)?;
        let rest = match head[7] {
            0 => rest,
            1 => rest.get(BARCODE..)?,
            _ => return None,
        };
        let (tail, data) = rest.split_at_checked(HEADER - 8)?;
        let length = u16::from_le_bytes([tail[4], tail[5]]);
        if tail[3] != VERSION || data.len() != usize::from(length) {
            return None;
        }
        Some(Self {
            to: u16::from_le_bytes([head[0], head[1]]),
            from: u16::from_le_bytes([head[2], head[3]]),
            body: Body::from_data(data)?,
        })
    }
}

impl Body {
    fn data(&self) -> Vec<u8> {
        match self {
            Self::Ping => vec![0xA2, 0x00, ANSWER, 0, 0],
            Self::Power(true) => vec![0xA3, 0x00, ANSWER, 0, 0, POWER_ON],
            Self::Power(false) => vec![0xA3, 0x00, ANSWER, 0, 0, POWER_OFF],
            Self::Clear => vec![0xA3, 0x10, ANSWER, 0, 0],
            Self::Show { remove, areas } => {
                let mut data = vec![0xA3, 0x06, ANSWER, 0, 0];
                data.push(u8::try_from(remove.len()).unwrap_or(u8::MAX));
                data.extend(remove);
                data.push(u8::try_from(areas.len()).unwrap_or(u8::MAX));
                areas.iter().for_each(|area| area.encode(&mut data));
                data
            }
            Self::Ack => vec![0xA0, 0x00, 0, 0, 0],
            Self::Nack(Nack(code)) => vec![0xA0, 0x01, *code, 0, 0],
            Self::Other { group, command } => vec![*group, *command, ANSWER, 0, 0],
        }
    }

    fn from_data(data: &[u8]) -> Option<Self> {
        let ([group, command, third, _, _], rest) = data.split_first_chunk::<5>()?;
        let known = match (group, command, third, rest) {
            (0xA2, 0x00, &ANSWER, []) => Some(Self::Ping),
            (0xA3, 0x00, &ANSWER, [POWER_ON]) => Some(Self::Power(true)),
            (0xA3, 0x00, &ANSWER, [POWER_OFF]) => Some(Self::Power(false)),
            (0xA3, 0x10, &ANSWER, []) => Some(Self::Clear),
            (0xA3, 0x06, &ANSWER, rest) => Self::show(rest),
            (0xA0, 0x00, 0, _) => Some(Self::Ack),
            (0xA0, 0x01, code, _) => Some(Self::Nack(Nack(*code))),
            _ => None,
        };
        let (group, command) = (*group, *command);
        Some(known.unwrap_or(Self::Other { group, command }))
    }

    fn show(rest: &[u8]) -> Option<Self> {
        let (removed, rest) = rest.split_first()?;
        let (remove, rest) = rest.split_at_checked(usize::from(*removed))?;
        let (count, mut rest) = rest.split_first()?;
        let mut areas = Vec::new();
        for _ in 0..*count {
            let (area, behind) = Area::decode(rest)?;
            areas.push(area);
            rest = behind;
        }
        let remove = remove.to_vec();
        rest.is_empty().then_some(Self::Show { remove, areas })
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping => f.write_str("ping"),
            Self::Power(true) => f.write_str("switch on"),
            Self::Power(false) => f.write_str("switch off"),
            Self::Clear => f.write_str("clear"),
            Self::Show { remove, areas } => {
                f.write_str("show")?;
                if !remove.is_empty() {
                    write!(f, ", remove {remove:?}")?;
                }
                areas.iter().try_for_each(|area| write!(f, ", {area}"))
            }
            Self::Ack => f.write_str("ack"),
            Self::Nack(nack) => write!(f, "nack: {nack}"),
            Self::Other { group, command } => write!(f, "{group:02X} {command:02X}"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X} to {:04X}: {}", self.from, self.to, self.body)
    }
}

/// Cuts what a card says, and what is said to it, into frames.
pub type Parser = Framer<FontCard>;

/// Onbon BX-5K and BX-6K
#[derive(Debug)]
pub struct FontCard;

impl Codec for FontCard {
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
