//! `settings` of a `lihe-screen` device.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use zhiban_vocabulary::CounterId;

use super::frame::{ADDRESSES, WINDOWS};
use crate::SettingsError;
use crate::link::{Link, LinkSettings};
use crate::settings::Small;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    address: u8,
    #[serde(default)]
    windows: BTreeMap<String, Small>,
    ack_timeout_ms: Option<u64>,
    retries: Option<u32>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) link: Link,
    pub(crate) address: u8,
    /// Numbers for counters whose sign is not a number.
    pub(crate) windows: BTreeMap<CounterId, u8>,
    pub(crate) ack_timeout: Duration,
    /// Times a frame is sent again when it is not acknowledged.
    pub(crate) retries: u32,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    if !ADDRESSES.contains(&written.address) {
        return Err(SettingsError::new("address", "1 to 99", written.address));
    }
    let ack_timeout_ms = written.ack_timeout_ms.unwrap_or(300);
    if !(20..=10_000).contains(&ack_timeout_ms) {
        let expected = "20 to 10000";
        return Err(SettingsError::new(
            "ack_timeout_ms",
            expected,
            ack_timeout_ms,
        ));
    }
    let retries = written.retries.unwrap_or(2);
    if retries > 10 {
        return Err(SettingsError::new("retries", "0 to 10", retries));
    }
    Ok(Settings {
        link: written.link.check()?,
        address: written.address,
        windows: windows(written.windows)?,
        ack_timeout: Duration::from_millis(ack_timeout_ms),
        retries,
    })
}

fn windows(written: BTreeMap<String, Small>) -> Result<BTreeMap<CounterId, u8>, SettingsError> {
    let check = |(counter, Small(window)): (String, Small)| {
        let key = format!("windows.{counter}");
        if !WINDOWS.contains(&window) {
            return Err(SettingsError::new(&key, "1 to 99", window));
        }
        let counter: CounterId = counter
            .parse()
            .map_err(|error| SettingsError::new(&key, "a counter id", error))?;
        Ok((counter, window))
    };
    written.into_iter().map(check).collect()
}

impl Settings {
    /// The number a standard call shows for a counter; `None` when it has none.
    pub(crate) fn window(&self, counter: &CounterId) -> Option<u8> {
        let mapped = self.windows.get(counter).copied();
        let number = mapped.or_else(|| counter.as_str().parse().ok());
        number.filter(|number| WINDOWS.contains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { tcp = 'h:4001' }\naddress = 3\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "ack_timeout: 300ms, retries: 2");
        check(
            "link = { tcp = 'h:1' }\naddress = 100",
            "settings.address: expected 1 to 99, found 100",
        );
        check(&format!("{GOOD}retrys = 1"), "settings.retrys");
        check(
            &format!("{GOOD}retries = 11"),
            "settings.retries: expected 0 to 10, found 11",
        );
        check(
            &format!("{GOOD}ack_timeout_ms = 0"),
            "settings.ack_timeout_ms",
        );
        check(
            &format!("{GOOD}windows = {{ VIP = 0 }}"),
            "settings.windows.VIP: expected 1 to 99",
        );
        check(
            &format!("{GOOD}windows = {{ 'a b' = 1 }}"),
            "settings.windows.a b: expected a counter id",
        );
        check(
            "address = 1",
            "settings.link: expected a value, found nothing",
        );
    }

    #[test]
    fn a_counter_has_the_number_on_its_sign_unless_the_map_says_otherwise() {
        let text = format!("{GOOD}windows = {{ VIP = '12', '4' = 5 }}");
        let settings = decode(toml::from_str(&text).unwrap()).unwrap();
        let window = |counter: &str| settings.window(&counter.parse().unwrap());
        assert_eq!(window("3"), Some(3));
        assert_eq!(window("03"), Some(3));
        assert_eq!(window("4"), Some(5));
        assert_eq!(window("VIP"), Some(12));
        assert_eq!(window("贵宾"), None);
        assert_eq!(window("100"), None);
    }
}
