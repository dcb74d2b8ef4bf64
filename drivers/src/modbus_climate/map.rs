//! Register maps: where a device keeps its values and what they mean, as data.

use serde::Deserialize;

use crate::SettingsError;
use crate::link::modbus::Function;

/// The maps we ship, one file each.
pub const MAPS: &[(&str, &str)] = &[
    ("qfa3150", include_str!("maps/qfa3150.toml")),
    ("querx", include_str!("maps/querx.toml")),
    ("srth", include_str!("maps/srth.toml")),
    ("th332", include_str!("maps/th332.toml")),
    ("xy-md02", include_str!("maps/xy-md02.toml")),
];

/// The map of one model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterMap {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Where the numbers come from.
    #[serde(default)]
    pub source: String,
    pub temperature: Register,
    pub humidity: Option<Register>,
}

/// One value: `raw × scale + offset`, unless `raw` is the marker for "not measured".
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    pub function: Function,
    /// As on the wire, from 0.
    pub address: u16,
    #[serde(rename = "type")]
    pub encoding: Encoding,
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

fn one() -> f64 {
    1.0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
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
            Self::I16 | Self::U16 => 1,
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
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Celsius,
    Percent,
}

impl RegisterMap {
    /// A shipped map.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let (_, text) = MAPS.iter().find(|(known, _)| *known == name)?;
        // Every shipped map is read by a test.
        toml::from_str(text).ok()
    }

    /// # Errors
    /// [`SettingsError`] naming the entry that makes no sense.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.temperature.check("temperature", Unit::Celsius)?;
        match &self.humidity {
            Some(humidity) => humidity.check("humidity", Unit::Percent),
            None => Ok(()),
        }
    }
}

impl Register {
    fn check(&self, name: &str, unit: Unit) -> Result<(), SettingsError> {
        let key = |entry: &str| format!("map.{name}.{entry}");
        if self.unit != unit {
            let found = format!("{:?}", self.unit).to_lowercase();
            let expected = format!("{unit:?}").to_lowercase();
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

    #[test]
    fn every_map_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/modbus_climate/maps");
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let name = file.strip_suffix(".toml").unwrap();
            assert!(RegisterMap::find(name).is_some(), "{file}");
        }
    }
}
