//! Register maps: where a device keeps its values and what they mean, as data.

use std::collections::BTreeMap;

use serde::Deserialize;
use zhiban_vocabulary::device::DeviceKind;

use crate::SettingsError;
use crate::link::modbus::Function;

/// The maps we ship: every file of `maps/`.
pub const MAPS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/maps.rs"));

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
    /// A shipped map.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let (_, text) = MAPS.iter().find(|(known, _)| *known == name)?;
        // Every shipped map is read by a test.
        toml::from_str(text).ok()
    }

    /// Every value that is read at each poll, with its name and the unit it must have.
    pub(super) fn polled(&self) -> Vec<(String, Unit, &Register)> {
        let fixed = [
            ("temperature", Unit::Celsius, &self.temperature),
            ("humidity", Unit::Percent, &self.humidity),
            ("energy", Unit::WattHour, &self.energy),
            ("power", Unit::Watt, &self.power),
            ("voltage", Unit::Volt, &self.voltage),
            ("entered", Unit::Count, &self.entered),
            ("left", Unit::Count, &self.left),
        ];
        let fixed = fixed.into_iter().filter_map(|(name, unit, register)| {
            Some((name.to_owned(), unit, register.as_ref()?))
        });
        let inputs = self.input.iter();
        let inputs =
            inputs.map(|(name, register)| (format!("input.{name}"), Unit::State, register));
        fixed.chain(inputs).collect()
    }

    /// # Errors
    /// [`SettingsError`] naming the entry that makes no sense.
    pub fn check(&self) -> Result<(), SettingsError> {
        let polled = self.polled();
        if polled.is_empty() && self.switch.is_none() {
            return Err(SettingsError::new("map", "at least one value", "none"));
        }
        if self.humidity.is_some() && self.temperature.is_none() {
            let expected = "a temperature beside humidity";
            return Err(SettingsError::new("map.temperature", expected, "nothing"));
        }
        if self.left.is_some() && self.entered.is_none() {
            let expected = "a count of those who entered beside left";
            return Err(SettingsError::new("map.entered", expected, "nothing"));
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
    fn check(&self, name: &str, unit: Unit) -> Result<(), SettingsError> {
        let key = |entry: &str| format!("map.{name}.{entry}");
        if self.unit != unit {
            let (expected, found) = (unit.as_str(), self.unit.as_str());
            return Err(SettingsError::new(&key("unit"), expected, found));
        }
        if self.scale == 0.0 || !self.scale.is_finite() {
            return Err(SettingsError::new(
                &key("scale"),
                "a number but 0",
                self.scale,
            ));
        }
        if !self.offset.is_finite() {
            return Err(SettingsError::new(&key("offset"), "a number", self.offset));
        }
        if self.bit > 15 {
            return Err(SettingsError::new(&key("bit"), "0 to 15", self.bit));
        }
        let is_bit_function = matches!(self.function, Function::Coil | Function::Discrete);
        if is_bit_function && (self.encoding != Encoding::Bit || self.bit != 0) {
            let found = format!("{:?}", self.encoding).to_lowercase();
            let expected = "bit, without a bit number, for a coil or an input";
            return Err(SettingsError::new(&key("type"), expected, found));
        }
        if self
            .address
            .checked_add(self.encoding.words() - 1)
            .is_none()
        {
            let expected = "an address whose last word is at most 65535";
            return Err(SettingsError::new(&key("address"), expected, self.address));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_map_is_read_and_makes_sense() {
        for (name, text) in MAPS {
            let map: RegisterMap = toml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            map.check().unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!map.title.is_empty() && !map.source.is_empty(), "{name}");
            assert_eq!(RegisterMap::find(name), Some(map));
        }
    }

    fn check(text: &str, expected: &str) {
        let map: RegisterMap = toml::from_str(text).unwrap();
        let answer = map.check().map_or_else(|e| e.to_string(), |()| "good".into());
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_map_that_makes_no_sense_is_refused() {
        let with = |name: &str, rest: &str| format!("[{name}]\naddress = 1\n{rest}");
        let input = "function = 'discrete'\ntype = 'bit'\nunit = 'state'";
        check(&with("input.door", input), "good");
        check("title = 'x'", "at least one value");
        check("[switch]\naddress = 3", "good");
        let watts = "function = 'input'\ntype = 'f32'\nunit = 'volt'";
        check(
            &with("power", watts),
            "settings.map.power.unit: expected watt, found volt",
        );
        let wide = "function = 'coil'\ntype = 'u16'\nunit = 'state'";
        check(&with("input.door", wide), "settings.map.input.door.type");
        let alone = "function = 'input'\ntype = 'u16'\nunit = 'percent'";
        check(&with("humidity", alone), "a temperature beside humidity");
        let far = "function = 'holding'\ntype = 'bit'\nbit = 16\nunit = 'state'";
        check(&with("input.door", far), "settings.map.input.door.bit");
    }
}
