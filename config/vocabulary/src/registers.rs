//! Register maps (寄存器表): where a Modbus device keeps its values and what they mean, as data. Read
//! here, so that the centre judges one as the driver does that will use it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::device::DeviceKind;

/// Longest text of a map, in characters.
pub const TEXT_CHARS_MAX: usize = 60_000;

/// An entry of a map that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, found {found}")]
pub struct Wrong {
    /// Path in the map, such as `power.unit`; empty for the map as a whole.
    pub key: String,
    pub expected: String,
    pub found: String,
}

impl Wrong {
    fn new(key: &str, expected: impl Into<String>, found: impl std::fmt::Display) -> Self {
        Self {
            key: key.to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// A text that is no map, with where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Misread {
    /// From 1.
    pub line: usize,
    pub what: String,
}

/// Reads the text of a map (TOML) and sees whether it makes sense.
///
/// # Errors
/// The first line that does not, and why.
pub fn read(text: &str) -> Result<RegisterMap, Misread> {
    let map: RegisterMap = toml::from_str(text).map_err(|error| Misread {
        line: error.span().map_or(1, |span| line_at(text, span.start)),
        what: error.message().to_owned(),
    })?;
    match map.check() {
        Ok(()) => Ok(map),
        Err(wrong) => Err(Misread {
            line: line_of(text, &wrong.key),
            what: wrong.to_string(),
        }),
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    let before = text.get(..byte).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// The line of an entry such as `power.unit`, or that of its table when it is not written.
fn line_of(text: &str, key: &str) -> usize {
    let (table, entry) = key.rsplit_once('.').unwrap_or((key, ""));
    let head = format!("[{table}]");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&head)) else {
        return 1;
    };
    let of_table = lines.iter().skip(at + 1);
    let mut of_table = of_table.take_while(|line| !line.starts_with('['));
    let is_entry = |line: &&str| {
        let key = line.split('=').next().unwrap_or_default();
        !entry.is_empty() && key.trim() == entry
    };
    of_table
        .position(is_entry)
        .map_or(at + 1, |below| at + 2 + below)
}

/// The map of one model. A device has what its map names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterMap {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Where the numbers come from.
    #[serde(default)]
    pub source: String,
    #[serde(default)]
    pub kind: MapKind,
    /// Air temperature.
    pub temperature: Option<Register>,
    /// Relative humidity.
    pub humidity: Option<Register>,
    /// Energy taken in since the meter was made.
    pub energy: Option<Register>,
    pub power: Option<Register>,
    pub voltage: Option<Register>,
    /// People, or door openings, counted since the counter was set to 0.
    pub entered: Option<Register>,
    pub left: Option<Register>,
    /// Contacts by name, such as `door`.
    #[serde(default)]
    pub input: BTreeMap<String, Register>,
    /// The coil that switches the device on.
    pub switch: Option<Coil>,
    /// Serial number, read once.
    pub serial: Option<Register>,
}

/// What a device with a map is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapKind {
    #[default]
    ClimateSensor,
    EnergyMeter,
    PeopleCounter,
    DigitalIo,
}

impl MapKind {
    #[must_use]
    pub fn device(self) -> DeviceKind {
        match self {
            Self::ClimateSensor => DeviceKind::ClimateSensor,
            Self::EnergyMeter => DeviceKind::EnergyMeter,
            Self::PeopleCounter => DeviceKind::PeopleCounter,
            Self::DigitalIo => DeviceKind::DigitalIo,
        }
    }
}

/// One value: `raw × scale + offset`, unless `raw` is the marker for "not measured". A contact that
/// is on when its bit is 0 has `scale = -1, offset = 1`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    pub function: Function,
    /// As on the wire, from 0.
    pub address: u16,
    #[serde(rename = "type")]
    pub encoding: Encoding,
    /// Which bit of the register, for type `bit`.
    #[serde(default)]
    pub bit: u8,
    #[serde(default)]
    pub word_order: WordOrder,
    #[serde(default = "one")]
    pub scale: f64,
    #[serde(default)]
    pub offset: f64,
    /// The raw number that means "no value". A float that is not a number always does.
    pub invalid: Option<f64>,
    pub unit: Unit,
}

/// What of a unit is read. Written is only a coil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// 01
    Coil,
    /// 02
    Discrete,
    /// 03
    Holding,
    /// 04
    Input,
}

/// A coil that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coil {
    pub address: u16,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Of a register, or a coil or input of its own.
    Bit,
    I16,
    U16,
    I32,
    U32,
    F32,
}

impl Encoding {
    #[must_use]
    pub fn words(self) -> u16 {
        match self {
            Self::Bit | Self::I16 | Self::U16 => 1,
            Self::I32 | Self::U32 | Self::F32 => 2,
        }
    }
}

/// Which half of a 32 bit value has the lower address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordOrder {
    #[default]
    HighFirst,
    LowFirst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Celsius,
    Percent,
    WattHour,
    Watt,
    Volt,
    Count,
    /// 1 on, 0 off.
    State,
    /// A number that is only a name.
    Number,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Celsius => "celsius",
            Self::Percent => "percent",
            Self::WattHour => "watt-hour",
            Self::Watt => "watt",
            Self::Volt => "volt",
            Self::Count => "count",
            Self::State => "state",
            Self::Number => "number",
        }
    }
}

impl RegisterMap {
    /// Every value that is read at each poll, with its name and the unit it must have.
    #[must_use]
    pub fn polled(&self) -> Vec<(String, Unit, &Register)> {
        let fixed = [
            ("temperature", Unit::Celsius, &self.temperature),
            ("humidity", Unit::Percent, &self.humidity),
            ("energy", Unit::WattHour, &self.energy),
            ("power", Unit::Watt, &self.power),
            ("voltage", Unit::Volt, &self.voltage),
            ("entered", Unit::Count, &self.entered),
            ("left", Unit::Count, &self.left),
        ];
        let fixed = fixed
            .into_iter()
            .filter_map(|(name, unit, register)| Some((name.to_owned(), unit, register.as_ref()?)));
        let inputs = self.input.iter();
        let inputs =
            inputs.map(|(name, register)| (format!("input.{name}"), Unit::State, register));
        fixed.chain(inputs).collect()
    }

    /// # Errors
    /// [`Wrong`] naming the entry that makes no sense.
    pub fn check(&self) -> Result<(), Wrong> {
        let polled = self.polled();
        if polled.is_empty() && self.switch.is_none() {
            return Err(Wrong::new("", "at least one value", "none"));
        }
        if self.humidity.is_some() && self.temperature.is_none() {
            let expected = "a temperature beside humidity";
            return Err(Wrong::new("temperature", expected, "nothing"));
        }
        if self.left.is_some() && self.entered.is_none() {
            let expected = "a count of those who entered beside left";
            return Err(Wrong::new("entered", expected, "nothing"));
        }
        if let Some(serial) = &self.serial {
            serial.check("serial", Unit::Number)?;
        }
        polled
            .iter()
            .try_for_each(|(name, unit, register)| register.check(name, *unit))
    }
}

impl Register {
    fn check(&self, name: &str, unit: Unit) -> Result<(), Wrong> {
        let key = |entry: &str| format!("{name}.{entry}");
        if self.unit != unit {
            let (expected, found) = (unit.as_str(), self.unit.as_str());
            return Err(Wrong::new(&key("unit"), expected, found));
        }
        if self.scale == 0.0 || !self.scale.is_finite() {
            return Err(Wrong::new(&key("scale"), "a number but 0", self.scale));
        }
        if !self.offset.is_finite() {
            return Err(Wrong::new(&key("offset"), "a number", self.offset));
        }
        if self.bit > 15 {
            return Err(Wrong::new(&key("bit"), "0 to 15", self.bit));
        }
        let is_bit_function = matches!(self.function, Function::Coil | Function::Discrete);
        if is_bit_function && (self.encoding != Encoding::Bit || self.bit != 0) {
            let found = format!("{:?}", self.encoding).to_lowercase();
            let expected = "bit, without a bit number, for a coil or an input";
            return Err(Wrong::new(&key("type"), expected, found));
        }
        if self
            .address
            .checked_add(self.encoding.words() - 1)
            .is_none()
        {
            let expected = "an address whose last word is at most 65535";
            return Err(Wrong::new(&key("address"), expected, self.address));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_map_is_refused_with_its_line() {
        let power = "title = 'x'\n\n[power]\nfunction = 'input'\naddress = 1\ntype = 'f32'\n";
        assert!(read(&format!("{power}unit = 'watt'\n")).is_ok());
        let line = |rest: &str| {
            let misread = read(&format!("{power}{rest}")).unwrap_err();
            (misread.line, misread.what)
        };
        let (at, what) = line("unit = 'volt'\n[voltage]\n");
        assert_eq!(at, 8, "{what}");
        let (at, what) = line("unit = 'volt'\n");
        assert_eq!(at, 7, "{what}");
        assert!(what.contains("expected watt, found volt"), "{what}");
        let (at, what) = line("unit = 'watt'\nscale = 0.0\n");
        assert_eq!((at, what.contains("scale")), (8, true), "{what}");
        let (at, what) = line("unit = 'watt'\n[switch]\naddres = 3\n");
        assert_eq!((at, what.contains("addres")), (9, true), "{what}");
        let (at, what) = line("unit = \n");
        assert_eq!(at, 7, "{what}");
        let (at, what) = line(
            "unit = 'watt'\n[humidity]\nfunction = 'input'\naddress = 1\ntype = 'u16'\nunit = 'percent'\n",
        );
        assert!(
            what.contains("a temperature beside humidity"),
            "{at} {what}"
        );
        assert_eq!(read("title = 'x'").unwrap_err().line, 1);
        assert_eq!(read("<html>").unwrap_err().line, 1);
    }
}
