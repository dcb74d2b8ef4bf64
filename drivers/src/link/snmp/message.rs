//! SNMP messages (v1 and v2c) as bytes. Reading is left to the `snmp2` crate; what we send is one
//! kind of request, written here.

use std::fmt;

use snmp2::{MessageType, Pdu};

use crate::Explained;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const GET: u8 = 0xA0;
const GET_NEXT: u8 = 0xA1;
const RESPONSE: u8 = 0xA2;
const GET_BULK: u8 = 0xA5;
const NO_SUCH_INSTANCE: u8 = 0x81;
const END_OF_VIEW: u8 = 0x82;

/// Numbers of an OID that are kept; RFC 2578 allows 128.
const OID_LENGTH_MAX: usize = 128;

/// Which SNMP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    V1,
    #[default]
    V2c,
}

/// Name of a value, such as 1.3.6.1.2.1.1.2.0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(pub Vec<u32>);

impl Oid {
    /// What follows `prefix`; `None` for what is not below it.
    #[must_use]
    pub fn below(&self, prefix: &[u32]) -> Option<&[u32]> {
        self.0.strip_prefix(prefix)
    }

    fn encode(&self) -> Vec<u8> {
        let first = self.0.first().copied().unwrap_or(0) * 40;
        let first = first + self.0.get(1).copied().unwrap_or(0);
        let rest = self.0.iter().skip(2).copied();
        let mut bytes = Vec::new();
        for number in std::iter::once(first).chain(rest) {
            let sevens = (0..5).rev().map(|at| (number >> (7 * at), at));
            let needed = sevens.filter(|(shifted, at)| *at == 0 || *shifted > 0);
            bytes.extend(needed.map(|(shifted, at)| {
                let more = if at == 0 { 0 } else { 0x80 };
                u8::try_from(shifted & 0x7F).unwrap_or(0) | more
            }));
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers: Vec<u32> = Vec::new();
        let mut number = 0_u32;
        for byte in bytes {
            number = number.checked_mul(128)? + u32::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                if numbers.is_empty() {
                    let first = (number / 40).min(2);
                    numbers.extend([first, number - 40 * first]);
                } else {
                    numbers.push(number);
                }
                number = 0;
            }
        }
        let ends = bytes.last().is_some_and(|last| last & 0x80 == 0);
        (ends && numbers.len() <= OID_LENGTH_MAX).then_some(Self(numbers))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// One value of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// What a request has in place of a value.
    Null,
    /// Any kind of number.
    Integer(i64),
    Octets(Vec<u8>),
    Oid(Oid),
    /// There is no such value.
    Absent,
    /// There is none behind it.
    End,
    /// Of a kind no driver uses.
    Other,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("?"),
            Self::Integer(number) => number.fmt(f),
            Self::Octets(octets) => match std::str::from_utf8(octets) {
                Ok(text) if !text.chars().any(char::is_control) => write!(f, "{text:?}"),
                _ => {
                    let hex = octets.iter().map(|octet| format!("{octet:02X}"));
                    f.write_str(&hex.collect::<Vec<_>>().join(" "))
                }
            },
            Self::Oid(oid) => oid.fmt(f),
            Self::Absent | Self::End => f.write_str("none"),
            Self::Other => f.write_str("…"),
        }
    }
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for the value of each name.
    Get,
    /// Asks for the value behind each name.
    Next,
    /// Asks for many values behind each name: `status` is how many names want one only, `index` how
    /// many values the others want.
    Bulk,
    Answer,
    Other,
}

/// One datagram, without its community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub version: Version,
    pub kind: Kind,
    pub id: i32,
    /// 0 when all is well.
    pub status: u32,
    /// Which of the values the status is about, from 1.
    pub index: u32,
    pub values: Vec<(Oid, Value)>,
}

impl Message {
    /// A question for what is behind each name.
    #[must_use]
    pub fn next(version: Version, id: i32, names: &[Oid]) -> Self {
        let values = names.iter().map(|name| (name.clone(), Value::Null));
        Self {
            version,
            kind: Kind::Next,
            id,
            status: 0,
            index: 0,
            values: values.collect(),
        }
    }

    /// The bytes on the wire; only of the kinds of value and message that have a name here.
    #[must_use]
    pub fn write(&self, community: &[u8]) -> Vec<u8> {
        let values = self.values.iter().map(|(name, value)| {
            let pair = [tlv(OID, &name.encode()), value.write()].concat();
            tlv(SEQUENCE, &pair)
        });
        let values = values.collect::<Vec<_>>().concat();
        let body = [
            integer(self.id.into()),
            integer(self.status.into()),
            integer(self.index.into()),
            tlv(SEQUENCE, &values),
        ];
        let version = match self.version {
            Version::V1 => 0,
            Version::V2c => 1,
        };
        let kind = match self.kind {
            Kind::Get => GET,
            Kind::Next => GET_NEXT,
            Kind::Bulk => GET_BULK,
            Kind::Answer | Kind::Other => RESPONSE,
        };
        let message = [
            integer(version),
            tlv(OCTETS, community),
            tlv(kind, &body.concat()),
        ];
        tlv(SEQUENCE, &message.concat())
    }

    /// Reads a datagram, and gives its community beside it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let pdu = Pdu::from_bytes(bytes).map_err(|error| error.to_string())?;
        let version = match pdu.version() {
            Ok(snmp2::Version::V1) => Version::V1,
            Ok(snmp2::Version::V2C) => Version::V2c,
            _ => return Err("neither v1 nor v2c".into()),
        };
        let kind = match pdu.message_type {
            MessageType::GetRequest => Kind::Get,
            MessageType::GetNextRequest => Kind::Next,
            MessageType::GetBulkRequest => Kind::Bulk,
            MessageType::Response => Kind::Answer,
            _ => Kind::Other,
        };
        let mut values = Vec::new();
        for (name, value) in pdu.varbinds.clone() {
            let name = Oid::decode(name.as_bytes()).ok_or("a name that is no OID")?;
            values.push((name, Value::read(&value)));
        }
        let message = Self {
            version,
            kind,
            id: pdu.req_id,
            status: pdu.error_status,
            index: pdu.error_index,
            values,
        };
        Ok((message, pdu.community))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Get => "get",
            Kind::Next => "next",
            Kind::Bulk => "bulk",
            Kind::Answer => "answer",
            Kind::Other => "other",
        };
        write!(f, "{kind} {}", self.id)?;
        if self.status != 0 && self.kind != Kind::Bulk {
            write!(f, " error {} at {}", self.status, self.index)?;
        }
        let mut values = self.values.iter();
        values.try_for_each(|(name, value)| write!(f, ", {name} = {value}"))
    }
}

impl Value {
    fn read(value: &snmp2::Value<'_>) -> Self {
        use snmp2::Value as Read;
        match value {
            Read::Null => Self::Null,
            Read::Integer(number) => Self::Integer(*number),
            Read::Counter32(number) | Read::Unsigned32(number) | Read::Timeticks(number) => {
                Self::Integer((*number).into())
            }
            Read::OctetString(octets) => Self::Octets(octets.to_vec()),
            Read::ObjectIdentifier(oid) => {
                Oid::decode(oid.as_bytes()).map_or(Self::Other, Self::Oid)
            }
            Read::NoSuchObject | Read::NoSuchInstance => Self::Absent,
            Read::EndOfMibView => Self::End,
            _ => Self::Other,
        }
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Self::Integer(number) => integer(*number),
            Self::Octets(octets) => tlv(OCTETS, octets),
            Self::Oid(oid) => tlv(OID, &oid.encode()),
            Self::Absent => tlv(NO_SUCH_INSTANCE, &[]),
            Self::End => tlv(END_OF_VIEW, &[]),
            Self::Null | Self::Other => tlv(NULL, &[]),
        }
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let used = length.iter().position(|byte| *byte != 0);
    let length = &length[used.unwrap_or(length.len() - 1)..];
    let mut bytes = vec![tag];
    if content.len() > 127 {
        bytes.push(0x80 | u8::try_from(length.len()).unwrap_or(0));
    }
    bytes.extend(length);
    bytes.extend(content);
    bytes
}

/// Two's complement in as few bytes as hold the sign.
fn integer(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let is_sign = |pair: &&[u8]| {
        let (sign, next) = (pair[0], pair[1]);
        (sign == 0 && next < 0x80) || (sign == 0xFF && next >= 0x80)
    };
    let signs = bytes.windows(2).take_while(is_sign).count();
    tlv(INTEGER, &bytes[signs..])
}

/// Bytes of a message with its community made unreadable, for the bus monitor. Nothing of bytes
/// that are no message.
#[must_use]
pub(super) fn masked(bytes: &[u8]) -> Vec<u8> {
    let Ok((_, community)) = Message::read(bytes) else {
        return Vec::new();
    };
    let start = community.as_ptr().addr() - bytes.as_ptr().addr();
    let mut masked = bytes.to_vec();
    masked[start..start + community.len()].fill(b'*');
    masked
}

/// Says what messages are, for people.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let whole = length(rest).filter(|length| *length <= rest.len());
        let read = whole.and_then(|whole| Some((Message::read(&rest[..whole]).ok()?.0, whole)));
        let (text, length, good) = match read {
            Some((message, length)) => (message.to_string(), length, true),
            None => ("?".into(), rest.len(), false),
        };
        pieces.push(Explained {
            range: at..at + length,
            text,
            good,
        });
        at += length;
    }
    pieces
}

/// Bytes of the value at the front, its tag and length included.
fn length(bytes: &[u8]) -> Option<usize> {
    let first = usize::from(*bytes.get(1)?);
    if first < 0x80 {
        return Some(2 + first);
    }
    let long = bytes.get(2..2 + (first & 0x7F))?;
    let shift = |length: usize, byte: &u8| Some(length.checked_mul(256)? + usize::from(*byte));
    let length = long.iter().try_fold(0, shift)?;
    length.checked_add(2 + long.len())
}

/// For the fuzzer: whatever is read is written and read the same again.
///
/// # Panics
/// When it is not; that is what the fuzzer looks for.
pub fn fuzz(bytes: &[u8]) {
    let covered: usize = explain(bytes).iter().map(|piece| piece.range.len()).sum();
    assert_eq!(covered, bytes.len(), "the monitor leaves something out");
    let Ok((message, community)) = Message::read(bytes) else {
        return;
    };
    let has_form = |value: &Value| !matches!(value, Value::Other);
    let values_have_form = message.values.iter().all(|(_, value)| has_form(value));
    if message.kind != Kind::Other && values_have_form {
        let written = message.write(community);
        assert_eq!(Message::read(&written), Ok((message, community)));
    }
}

#[cfg(test)]
mod tests;
