//! A value no other word of ours fits: what a foreign device measures, shown as it said it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `measurement`: one value of one part of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// What was measured, as the device calls it, such as `hall-1.pressure`.
    pub name: String,
    pub value: Reading,
    /// As the device writes it; absent for a text or a plain number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reading {
    Number(serde_json::Number),
    Text(String),
}

/// Longest text that is kept of a foreign device's value, in bytes: one message may be the value of
/// hundreds of its parts.
pub const TEXT_BYTES_MAX: usize = 256;

impl Reading {
    /// A text, cut to [`TEXT_BYTES_MAX`].
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned())
    }

    /// A number where the text is one, else as [`Self::text`].
    ///
    /// ```
    /// use zhiban_vocabulary::measurement::Reading;
    /// assert_eq!(Reading::of("21.5").number(), Some(21.5));
    /// assert_eq!(Reading::of("open"), Reading::Text("open".into()));
    /// assert_eq!(Reading::of("nan").number(), None);
    /// assert_eq!(Reading::of(&"纸".repeat(999)), Reading::Text("纸".repeat(85)));
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        if let Ok(whole) = text.parse::<i64>() {
            return Self::Number(whole.into());
        }
        let number = text.parse().ok().and_then(serde_json::Number::from_f64);
        number.map_or_else(|| Self::text(text), Self::Number)
    }

    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(_) => None,
        }
    }
}
