//! `settings` of an `escpos` device.

use std::time::Duration;

use serde::Deserialize;

use crate::SettingsError;
use crate::link::{Link, LinkSettings};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    poll_s: Option<f64>,
    asb: Option<bool>,
    identity: Option<bool>,
    timeout_ms: Option<u64>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) link: Link,
    pub(crate) poll: Duration,
    /// Whether the printer is to tell of changes by itself.
    pub(crate) asb: bool,
    /// Whether the printer is asked who it is.
    pub(crate) identity: bool,
    pub(crate) timeout: Duration,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let poll_s = written.poll_s.unwrap_or(10.0);
    if !(0.2..=3600.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.2 to 3600", poll_s));
    }
    let timeout_ms = written.timeout_ms.unwrap_or(1000);
    if !(50..=10_000).contains(&timeout_ms) {
        return Err(SettingsError::new("timeout_ms", "50 to 10000", timeout_ms));
    }
    Ok(Settings {
        link: written.link.check()?,
        poll: Duration::from_secs_f64(poll_s),
        asb: written.asb.unwrap_or(false),
        identity: written.identity.unwrap_or(true),
        timeout: Duration::from_millis(timeout_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { tcp = 'h:9100' }\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "poll: 10s, asb: false, identity: true, timeout: 1s");
        check("asb = true", "settings.link: expected a value");
        check(&format!("{GOOD}pol_s = 1"), "settings.pol_s: expected");
        check(&format!("{GOOD}poll_s = 0.1"), "settings.poll_s: expected 0.2 to 3600, found 0.1");
        check(&format!("{GOOD}poll_s = nan"), "settings.poll_s");
        check(&format!("{GOOD}poll_s = 3601"), "settings.poll_s");
        check(&format!("{GOOD}timeout_ms = 49"), "settings.timeout_ms: expected 50 to 10000");
        check(&format!("{GOOD}asb = 1"), "settings.asb");
        check(&format!("{GOOD}identity = 'yes'"), "settings.identity");
    }
}
