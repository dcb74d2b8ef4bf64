//! `settings` of a `hid-pad` device.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::SettingsError;
use crate::settings::Small;
use crate::scale::Best;

/// `KEY_1` to `KEY_5` and `KEY_KP1` to `KEY_KP5` of the kernel's `input-event-codes.h`.
const DIGITS: [(u16, u8); 10] = [
    (2, 1),
    (3, 2),
    (4, 3),
    (5, 4),
    (6, 5),
    (79, 1),
    (80, 2),
    (81, 3),
    (75, 4),
    (76, 5),
];
/// Highest code of a key.
const KEY_MAX: u16 = 0x2FF;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    best: Best,
    keys: Option<BTreeMap<String, Small>>,
    grab: Option<bool>,
    repeat_s: Option<u64>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) path: String,
    pub(super) best: Best,
    /// What the pad means by each key, 1 to 5.
    pub(super) keys: BTreeMap<u16, u8>,
    /// Whether nobody else gets the keys.
    pub(super) grab: bool,
    /// The same key again within this time is one rating.
    pub(super) repeat: Duration,
}

pub(super) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    if !written.path.starts_with('/') {
        let expected = "an absolute path such as /dev/input/by-path/…";
        return Err(SettingsError::new("path", expected, written.path));
    }
    let repeat_s = written.repeat_s.unwrap_or(5);
    if repeat_s > 3_600 {
        return Err(SettingsError::new("repeat_s", "0 to 3600", repeat_s));
    }
    Ok(Settings {
        path: written.path,
        best: written.best,
        keys: match written.keys {
            Some(keys) => checked(keys)?,
            None => BTreeMap::from(DIGITS),
        },
        grab: written.grab.unwrap_or(true),
        repeat: Duration::from_secs(repeat_s),
    })
}

fn checked(written: BTreeMap<String, Small>) -> Result<BTreeMap<u16, u8>, SettingsError> {
    if written.is_empty() {
        return Err(SettingsError::new("keys", "at least one", "none"));
    }
    let key = |(code, Small(digit)): (String, Small)| {
        let key = format!("keys.{code}");
        let number = code.parse().ok().filter(|code| (1..=KEY_MAX).contains(code));
        let expected = "a key code from 1 to 767";
        let number = number.ok_or_else(|| SettingsError::new(&key, expected, &code))?;
        if !(1..=5).contains(&digit) {
            return Err(SettingsError::new(&key, "1 to 5", digit));
        }
        Ok((number, digit))
    };
    written.into_iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        let with = |more: &str| format!("path = '/dev/input/by-path/pad'\nbest = 5\n{more}");
        check(&with(""), "76: 5, 79: 1, 80: 2, 81: 3}, grab: true, repeat: 5s");
        check(&with("keys = { 30 = 1 }"), "keys: {30: 1}");
        check(&with("keys = { 30 = '1' }"), "keys: {30: 1}");
        check(&with("keys = { a = 1 }"), "settings.keys.a: expected a key code from 1 to 767, found a");
        check(&with("keys = { 0 = 1 }"), "settings.keys.0");
        check(&with("keys = { 30 = 6 }"), "settings.keys.30: expected 1 to 5, found 6");
        check(&with("keys = {}"), "settings.keys: expected at least one");
        check(&with("repeat_s = 3601"), "settings.repeat_s: expected 0 to 3600");
        check(&with("debounce = 1"), "settings.debounce");
        check("path = 'pad'\nbest = 1", "settings.path: expected an absolute path");
        check("path = '/dev/x'", "settings.best: expected a value, found nothing");
    }
}
