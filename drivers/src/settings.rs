//! Decoding the free `settings` table of a device in `gateway.toml`.

use std::fmt;

use serde::de::{self, DeserializeOwned, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A setting that cannot be used: which one, what it should be, what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings.{key}: expected {expected}, found {found}")]
pub struct SettingsError {
    /// Path below `settings`, such as `link.baud`.
    pub key: String,
    pub expected: String,
    pub found: String,
}

impl SettingsError {
    pub(crate) fn new(
        key: &str,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self {
            key: key.to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// Reads a table into a settings struct.
pub(crate) fn decode<T: DeserializeOwned>(table: toml::Table) -> Result<T, SettingsError> {
    table.try_into().map_err(|error: toml::de::Error| {
        // The path is only in the rendered error, as a second line: "in `link.baud`".
        let rendered = error.to_string();
        let path = rendered
            .lines()
            .find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        explain(path, error.message())
    })
}

/// A number from 0 to 255 that may be written as text, as forms write pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Small(pub(crate) u8);

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SmallVisitor)
    }
}

struct SmallVisitor;

impl Visitor<'_> for SmallVisitor {
    type Value = Small;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 255")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Small, E> {
        let small = u8::try_from(number).map(Small);
        small.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Small, E> {
        let small = text.trim().parse().map(Small);
        small.map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// # Errors
/// Names the setting when its value is not from `low` to `high`.
pub(crate) fn within(key: &str, value: u64, low: u64, high: u64) -> Result<(), SettingsError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SettingsError::new(key, format!("{low} to {high}"), value))
}

/// Checks `hook_key`, which stands in the address that a program of the hall calls. The gateway's
/// door reads it; without one the device has no such address.
pub(crate) fn check_hook_key(key: Option<&str>) -> Result<(), SettingsError> {
    let Some(key) = key else { return Ok(()) };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if (16..=128).contains(&key.len()) && key.chars().all(plain) {
        return Ok(());
    }
    let expected = "16 to 128 letters, digits, - or _";
    Err(SettingsError::new("hook_key", expected, "something else"))
}

/// Splits what serde says into key, expected and found.
fn explain(path: Option<&str>, message: &str) -> SettingsError {
    let quoted = || message.split('`').nth(1).unwrap_or_default();
    let below = |name: &str| match path {
        Some(path) => format!("{path}.{name}"),
        None => name.to_owned(),
    };
    let (said, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    if message.starts_with("unknown field") {
        return SettingsError::new(&below(quoted()), expected, "an unknown key");
    }
    if message.starts_with("missing field") {
        return SettingsError::new(&below(quoted()), "a value", "nothing");
    }
    let found = said.split_once(": ").map_or(said, |(_, found)| found);
    let expected = if expected.is_empty() {
        "a usable value"
    } else {
        expected
    };
    SettingsError::new(path.unwrap_or("?"), expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoded")]
    struct Sample {
        unit: u8,
        link: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoded")]
    struct Inner {
        parity: Parity,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Parity {
        None,
        Even,
    }

    #[test]
    fn a_small_number_may_be_written_as_text() {
        #[derive(Debug, Deserialize)]
        struct Windows {
            windows: std::collections::BTreeMap<String, Small>,
        }
        let read = |text: &str| decode::<Windows>(toml::from_str(text).unwrap());
        let good = read("windows = { A = 12, B = '012', C = ' 3 ' }").unwrap();
        let numbers: Vec<u8> = good.windows.values().map(|small| small.0).collect();
        assert_eq!(numbers, [12, 12, 3]);
        for (wrong, found) in [
            ("'x'", "string \"x\""),
            ("''", "string \"\""),
            ("256", "integer `256`"),
            ("'-1'", "string \"-1\""),
            ("true", "boolean `true`"),
        ] {
            let error = read(&format!("windows = {{ VIP = {wrong} }}")).unwrap_err();
            let expected =
                format!("settings.windows.VIP: expected a number from 0 to 255, found {found}");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    fn check(text: &str, expected: &str) {
        let error = decode::<Sample>(toml::from_str(text).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn an_error_names_key_expected_and_found() {
        check(
            "unit = 1\nlink = { parity = 'odd' }",
            "settings.link.parity: expected `none` or `even`, found unknown variant `odd`",
        );
        check(
            "unit = 'one'\nlink = { parity = 'none' }",
            "settings.unit: expected u8, found string \"one\"",
        );
        check(
            "unit = 300\nlink = { parity = 'none' }",
            "settings.unit: expected u8, found integer `300`",
        );
        check(
            "unti = 1\nlink = { parity = 'none' }",
            "settings.unti: expected `unit` or `link`, found an unknown key",
        );
        check(
            "unit = 1\nlink = { parity = 'none', baud = 1 }",
            "settings.link.baud: expected `parity`, found an unknown key",
        );
        check(
            "link = { parity = 'even' }",
            "settings.unit: expected a value, found nothing",
        );
    }
}
