//! What an agent has, by name.

use std::collections::BTreeMap;

use super::{Oid, Value};

/// Enterprise numbers (IANA) of makers of printers and UPS.
const VENDORS: [(u32, &str); 20] = [
    (11, "HP"),
    (236, "Samsung"),
    (253, "Xerox"),
    (297, "Fuji Xerox"),
    (318, "APC"),
    (367, "Ricoh"),
    (476, "Vertiv"),
    (534, "Eaton"),
    (641, "Lexmark"),
    (705, "Eaton"),
    (850, "Tripp Lite"),
    (1129, "Toshiba"),
    (1248, "Epson"),
    (1347, "Kyocera"),
    (1602, "Canon"),
    (2001, "OKI"),
    (2385, "Sharp"),
    (2435, "Brother"),
    (10642, "Zebra"),
    (18334, "Konica Minolta"),
];
const ENTERPRISES: [u32; 6] = [1, 3, 6, 1, 4, 1];

/// The maker of the agent a sysObjectID names.
pub(crate) fn vendor(object: &Oid) -> Option<&'static str> {
    let number = *object.below(&ENTERPRISES)?.first()?;
    let mut vendors = VENDORS.iter();
    vendors.find_map(|(enterprise, vendor)| (*enterprise == number).then_some(*vendor))
}

/// Values by name. A column is the name of a value without its index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk(BTreeMap<Oid, Value>);

impl Walk {
    pub(crate) fn put(&mut self, name: Oid, value: Value) {
        self.0.insert(name, value);
    }

    /// Everything below a name: index and value.
    pub fn column(&self, column: &[u32]) -> impl Iterator<Item = (&[u32], &Value)> {
        let from = self.0.range(Oid(column.to_vec())..);
        from.map_while(move |(name, value)| Some((name.below(column)?, value)))
    }

    pub(crate) fn integers(&self, column: &[u32]) -> impl Iterator<Item = (&[u32], i64)> {
        self.column(column)
            .filter_map(|(index, value)| match value {
                Value::Integer(number) => Some((index, *number)),
                _ => None,
            })
    }

    /// The first number below a name.
    pub(crate) fn integer(&self, column: &[u32]) -> Option<i64> {
        Some(self.integers(column).next()?.1)
    }

    pub(crate) fn octets(&self, column: &[u32]) -> impl Iterator<Item = (&[u32], &[u8])> {
        self.column(column)
            .filter_map(|(index, value)| match value {
                Value::Octets(octets) => Some((index, octets.as_slice())),
                _ => None,
            })
    }

    /// The first text below a name that is not empty.
    pub(crate) fn text(&self, column: &[u32]) -> Option<String> {
        self.octets(column).find_map(|(_, octets)| text(octets))
    }

    pub(crate) fn oids(&self, column: &[u32]) -> impl Iterator<Item = &Oid> {
        self.column(column).filter_map(|(_, value)| match value {
            Value::Oid(oid) => Some(oid),
            _ => None,
        })
    }
}

/// A text for people: one line, at most 100 characters; `None` when nothing is left.
pub(crate) fn text(octets: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(octets);
    let text = text.replace(|c: char| c.is_control(), " ");
    let text: String = text.trim().chars().take(100).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
impl Walk {
    /// Reads the lines of a `.snmprec` file as snmpsim does, for mappings without a network.
    pub(crate) fn from_recording(lines: &str) -> Self {
        use crate::link::replay::hex;
        let oid = |text: &str| {
            Oid(text
                .split('.')
                .map(|number| number.parse().unwrap())
                .collect())
        };
        let mut walk = Self::default();
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            let [name, tag, value] = line.splitn(3, '|').collect::<Vec<_>>().try_into().unwrap();
            let tag = tag.replace(
                ":writecache",
                if value.starts_with("hexvalue") {
                    "x"
                } else {
                    ""
                },
            );
            let value = value
                .trim_start_matches("value=")
                .trim_start_matches("hexvalue=");
            let value = match tag.as_str() {
                "2" | "65" | "66" | "67" => Value::Integer(value.parse().unwrap()),
                "4" => Value::Octets(value.as_bytes().to_vec()),
                "4x" => Value::Octets(hex(value).unwrap()),
                "6" => Value::Oid(oid(value)),
                other => panic!("{other}: {line}"),
            };
            walk.put(oid(name), value);
        }
        walk
    }

    /// The same with another number.
    pub(crate) fn with(mut self, name: &[u32], value: Value) -> Self {
        self.put(Oid(name.to_vec()), value);
        self
    }
}
