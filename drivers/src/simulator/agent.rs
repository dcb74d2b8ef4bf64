//! An SNMP agent (v1 and v2c) with a table of values, as printers and UPS have one.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{DatagramDevice, Shared};
use crate::link::snmp::{Kind, Message, Oid, Value, Version};

/// Most values of one answer, so that it fits a datagram.
const VALUES_MAX: usize = 256;
/// Version 1 says by an error what version 2c says in place of a value.
const NO_SUCH_NAME: u32 = 2;

/// An agent; silent towards whoever has another community, as agents are.
#[derive(Debug)]
pub struct SnmpAgent {
    community: String,
    values: Shared<BTreeMap<Oid, Value>>,
}

impl SnmpAgent {
    #[must_use]
    pub fn new(community: &str) -> Self {
        Self {
            community: community.to_owned(),
            values: Shared::default(),
        }
    }

    /// A value, from now on.
    pub fn set(&self, column: &[u32], index: &[u32], value: Value) {
        let name = Oid([column, index].concat());
        self.values.lock().insert(name, value);
    }

    pub fn set_number(&self, column: &[u32], index: &[u32], number: i64) {
        self.set(column, index, Value::Integer(number));
    }

    pub fn set_text(&self, column: &[u32], index: &[u32], text: &str) {
        self.set(column, index, Value::Octets(text.as_bytes().to_vec()));
    }

    fn get(&self, name: &Oid) -> (Oid, Value) {
        let found = self.values.lock().get(name).cloned();
        (name.clone(), found.unwrap_or(Value::Absent))
    }

    fn next(&self, name: &Oid) -> (Oid, Value) {
        let values = self.values.lock();
        let mut behind = values.range((Bound::Excluded(name), Bound::Unbounded));
        let next = behind
            .next()
            .map(|(name, value)| (name.clone(), value.clone()));
        next.unwrap_or_else(|| (name.clone(), Value::End))
    }

    /// Row after row of what is behind the names; the first `single` of them once only.
    fn bulk(&self, asked: &[Oid], single: u32, rows: u32) -> Vec<(Oid, Value)> {
        let single = usize::try_from(single)
            .unwrap_or(usize::MAX)
            .min(asked.len());
        let (single, many) = asked.split_at(single);
        let mut values: Vec<_> = single.iter().map(|name| self.next(name)).collect();
        let mut row = many.to_vec();
        for _ in 0..rows {
            if row.is_empty() || values.len() + row.len() > VALUES_MAX {
                break;
            }
            let next = row.iter().map(|name| self.next(name));
            values.extend(next.collect::<Vec<_>>());
            let last = &values[values.len() - row.len()..];
            if last.iter().all(|(_, value)| *value == Value::End) {
                break;
            }
            row = last.iter().map(|(name, _)| name.clone()).collect();
        }
        values
    }
}

impl DatagramDevice for SnmpAgent {
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (asked, community) = Message::read(datagram).ok()?;
        if community != self.community.as_bytes() {
            return None;
        }
        let names: Vec<Oid> = asked.values.iter().map(|(name, _)| name.clone()).collect();
        let values = match asked.kind {
            Kind::Get => names.iter().map(|name| self.get(name)).collect(),
            Kind::Next => names.iter().map(|name| self.next(name)).collect(),
            Kind::Bulk => self.bulk(&names, asked.status, asked.index),
            Kind::Answer | Kind::Other => return None,
        };
        let is_missing = |value: &Value| matches!(value, Value::Absent | Value::End);
        let missing = values.iter().position(|(_, value)| is_missing(value));
        let error = missing.filter(|_| asked.version == Version::V1);
        let answer = Message {
            kind: Kind::Answer,
            status: error.map_or(0, |_| NO_SUCH_NAME),
            index: error.map_or(0, |at| u32::try_from(at + 1).unwrap_or(0)),
            values: if error.is_some() {
                asked.values
            } else {
                values
            },
            ..asked
        };
        Some(answer.write(community))
    }
}
