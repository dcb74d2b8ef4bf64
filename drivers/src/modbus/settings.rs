//! `settings` of a `modbus` device.

use std::time::Duration;

use serde::Deserialize;

use super::map::{self, RegisterMap};
use crate::SettingsError;
use crate::link::{Link, LinkSettings};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    unit: u8,
    map: toml::Value,
    poll_s: Option<f64>,
    timeout_ms: Option<u64>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) link: Link,
    pub(crate) unit: u8,
    pub(crate) map: RegisterMap,
    pub(crate) poll: Duration,
    pub(crate) deadline: Duration,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    if !(1..=247).contains(&written.unit) {
        return Err(SettingsError::new("unit", "1 to 247", written.unit));
    }
    let poll_s = written.poll_s.unwrap_or(30.0);
    if !(0.2..=3600.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.2 to 3600", poll_s));
    }
    let timeout_ms = written.timeout_ms.unwrap_or(500);
    if !(20..=10_000).contains(&timeout_ms) {
        return Err(SettingsError::new("timeout_ms", "20 to 10000", timeout_ms));
    }
    Ok(Settings {
        link: written.link.check()?,
        unit: written.unit,
        map: read_map(written.map)?,
        poll: Duration::from_secs_f64(poll_s),
        deadline: Duration::from_millis(timeout_ms),
    })
}

/// A shipped map by name, or one written out in place.
fn read_map(value: toml::Value) -> Result<RegisterMap, SettingsError> {
    let map = match value {
        toml::Value::String(name) => map::find(&name).ok_or_else(|| {
            let expected = format!("one of {} or a table", map::names().join(", "));
            SettingsError::new("map", expected, format!("{name:?}"))
        })?,
        toml::Value::Table(table) => crate::settings::decode(table).map_err(below_map)?,
        other => {
            let expected = "the name of a map or a table";
            return Err(SettingsError::new("map", expected, other.type_str()));
        }
    };
    map.check().map_err(|wrong| SettingsError {
        key: match wrong.key.as_str() {
            "" => "map".into(),
            key => format!("map.{key}"),
        },
        expected: wrong.expected,
        found: wrong.found,
    })?;
    Ok(map)
}

fn below_map(error: SettingsError) -> SettingsError {
    SettingsError {
        key: format!("map.{}", error.key),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { tcp = 'h:502' }\nunit = 1\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(&format!("{GOOD}map = 'srth'"), "poll: 30s, deadline: 500ms");
        check(&format!("{GOOD}map = 'srth'\npoll_s = 0.2"), "poll: 200ms");
        check(
            &format!("{GOOD}map = 'srth'\npoll_s = 0.1"),
            "settings.poll_s: expected 0.2 to 3600, found 0.1",
        );
        check(&format!("{GOOD}map = 'srth'\npol_s = 1"), "settings.pol_s");
        check(
            &format!("{GOOD}map = 'srht'"),
            "settings.map: expected one of adam-6050, ",
        );
        check(
            &format!("{GOOD}map = 3"),
            "settings.map: expected the name of a map or a table, found integer",
        );
        check(GOOD, "settings.map: expected a value, found nothing");
        check(
            &format!("{GOOD}map = 'srth'\ntimeout_ms = 5"),
            "settings.timeout_ms",
        );
        check(
            "link = { tcp = 'h:1' }\nunit = 0\nmap = 'srth'",
            "settings.unit: expected 1 to 247, found 0",
        );
        check(
            "link = { tcp = 'h' }\nunit = 1\nmap = 'srth'",
            "settings.link.tcp",
        );
    }

    #[test]
    fn a_map_may_be_written_in_place() {
        let inline = |entry: &str| {
            format!(
                "{GOOD}[map.temperature]\nfunction = 'input'\naddress = 3\nunit = 'celsius'\n{entry}"
            )
        };
        check(&inline("type = 'u16'"), "address: 3");
        check(
            &inline("type = 'i8'"),
            "settings.map.temperature.type: expected one of",
        );
        check(
            &inline("type = 'i16'\nscale = 0"),
            "settings.map.temperature.scale",
        );
        check(
            &inline("type = 'i16'\nunits = 'K'"),
            "settings.map.temperature.units",
        );
    }
}
