//! `settings` of an `onbon-bx6` device.

use std::time::Duration;

use serde::Deserialize;

use super::frame::ANY_CARD;
use crate::SettingsError;
use crate::link::{Link, LinkSettings};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    address: Option<u16>,
    remove_at_start: Option<bool>,
    ack_timeout_ms: Option<u64>,
    retries: Option<u32>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) link: Link,
    pub(crate) address: u16,
    /// Whether dynamic areas another program left behind are taken away at the start.
    pub(crate) remove_at_start: bool,
    pub(crate) ack_timeout: Duration,
    /// Times a frame is sent again when it is not answered.
    pub(crate) retries: u32,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let address = written.address.unwrap_or(ANY_CARD);
    if !(1..=ANY_CARD).contains(&address) {
        return Err(SettingsError::new("address", "1 to 65534", address));
    }
    let ack_timeout_ms = written.ack_timeout_ms.unwrap_or(2000);
    if !(20..=10_000).contains(&ack_timeout_ms) {
        let expected = "20 to 10000";
        return Err(SettingsError::new("ack_timeout_ms", expected, ack_timeout_ms));
    }
    let retries = written.retries.unwrap_or(2);
    if retries > 10 {
        return Err(SettingsError::new("retries", "0 to 10", retries));
    }
    Ok(Settings {
        link: written.link.check()?,
        address,
        remove_at_start: written.remove_at_start.unwrap_or(false),
        ack_timeout: Duration::from_millis(ack_timeout_ms),
        retries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { tcp = 'h:5005' }\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "address: 65534, remove_at_start: false, ack_timeout: 2s, retries: 2");
        let with = |line: &str| format!("{GOOD}{line}");
        check(&with("addres = 1"), "settings.addres");
        check(&with("address = 0"), "settings.address: expected 1 to 65534, found 0");
        check(&with("address = 65535"), "settings.address");
        check(&with("ack_timeout_ms = 5"), "settings.ack_timeout_ms: expected 20 to 10000");
        check(&with("retries = 11"), "settings.retries: expected 0 to 10, found 11");
        check("address = 1", "settings.link: expected a value, found nothing");
    }
}
