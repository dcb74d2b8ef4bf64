//! What the kernel says of a key: `struct input_event` of a 64-bit Linux, 24 bytes.
//!
//! ```text
//! 0..8 seconds   8..16 microseconds   16..18 type   18..20 code   20..24 value, all in host order
//! ```
//!
//! The time is the kernel's; it is not looked at. A key is pressed (1), released (0) or held (2).

use std::fmt;

use crate::link::framer::{self, Codec, Framer, Front};

const LENGTH: usize = 24;
/// Highest type the kernel has; higher ones are no events.
const TYPE_MAX: u16 = 0x1F;

const SYN: u16 = 0;
const SYN_DROPPED: u16 = 3;
const KEY: u16 = 1;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    seconds: u64,
    micros: u64,
    kind: u16,
    code: u16,
    value: i32,
}

/// What it says to a pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Pressed(u16),
    Released(u16),
    Held(u16),
    /// The reader was too slow and some are gone.
    Dropped,
    Other,
    /// No event of any kernel.
    Nonsense,
}

impl Event {
    /// The bytes the kernel gives.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.seconds.to_ne_bytes().to_vec();
        bytes.extend(self.micros.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.code.to_ne_bytes());
        bytes.extend(self.value.to_ne_bytes());
        bytes
    }

    #[must_use]
    pub fn said(&self) -> Said {
        match (self.kind, self.code, self.value) {
            _ if self.kind > TYPE_MAX || self.micros >= 1_000_000 => Said::Nonsense,
            (KEY, code, 1) => Said::Pressed(code),
            (KEY, code, 0) => Said::Released(code),
            (KEY, code, 2) => Said::Held(code),
            (SYN, SYN_DROPPED, _) => Said::Dropped,
            _ => Said::Other,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said() {
            Said::Pressed(code) => write!(f, "key {code} pressed"),
            Said::Released(code) => write!(f, "key {code} released"),
            Said::Held(code) => write!(f, "key {code} held"),
            Said::Dropped => f.write_str("events lost"),
            Said::Nonsense => f.write_str("nonsense"),
            Said::Other => write!(f, "type {} code {} value {}", self.kind, self.code, self.value),
        }
    }
}

/// `struct input_event`
#[derive(Debug)]
pub struct Events;

impl Codec for Events {
    type Frame = Event;
    const LENGTH_MAX: usize = LENGTH;

    fn begins(_: u8) -> bool {
        true
    }

    /// Never broken: the kernel gives whole events only, so what is none is passed over whole.
    fn front(bytes: &[u8]) -> Front<Event> {
        match read(bytes) {
            None => Front::Incomplete,
            Some(event) => Front::Frame(event, LENGTH),
        }
    }
}

/// `None` when there are not enough bytes.
fn read(bytes: &[u8]) -> Option<Event> {
    let (seconds, rest) = bytes.split_first_chunk()?;
    let (micros, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (code, rest) = rest.split_first_chunk()?;
    let (value, _) = rest.split_first_chunk()?;
    Some(Event {
        seconds: u64::from_ne_bytes(*seconds),
        micros: u64::from_ne_bytes(*micros),
        kind: u16::from_ne_bytes(*kind),
        code: u16::from_ne_bytes(*code),
        value: i32::from_ne_bytes(*value),
    })
}

/// For the fuzzer: as [`framer::fuzz`], and what is read is written as it was.
///
/// # Panics
/// When it is not.
pub fn fuzz(bytes: &[u8]) {
    framer::fuzz::<Events>(bytes);
    for event in Framer::<Events>::default().feed(bytes) {
        let written = event.encode();
        assert!(bytes.windows(LENGTH).any(|window| window == written));
    }
}

#[cfg(test)]
mod tests;
