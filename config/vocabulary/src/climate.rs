//! A sample of the hall's air (S3-4.1.2-E).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A measured value in tenths of its unit. Travels as a decimal number (`22.5`), lives as an
/// integer (`225`), so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent)]
pub struct Tenths(#[schemars(with = "f64", range(min = -100_000, max = 100_000))] pub i32);

impl Tenths {
    /// `None` outside -100,000 to 100,000.
    #[must_use]
    pub fn from_number(value: f64) -> Option<Self> {
        if !(-100_000.0..=100_000.0).contains(&value) {
            return None;
        }
        // In range by the check above, so the cast only drops what rounding left.
        #[expect(clippy::cast_possible_truncation, reason = "range checked")]
        let tenths = (value * 10.0).round() as i32;
        Some(Self(tenths))
    }
}

impl Serialize for Tenths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 10.0)
    }
}

impl<'de> Deserialize<'de> for Tenths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::from_number(value).ok_or_else(|| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Float(value),
                &"a number from -100000 to 100000",
            )
        })
    }
}

/// Measurement `climate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClimateSample {
    /// °C
    pub temperature: Tenths,
    /// % relative humidity
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity: Option<Tenths>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_is_kept_in_tenths() {
        let sample: ClimateSample = serde_json::from_str(r#"{"temperature":-20.5}"#).unwrap();
        assert_eq!(sample.temperature, Tenths(-205));
        assert_eq!(
            serde_json::to_string(&sample).unwrap(),
            r#"{"temperature":-20.5}"#
        );
        assert!(serde_json::from_str::<ClimateSample>(r#"{"temperature":1e9}"#).is_err());
    }
}
