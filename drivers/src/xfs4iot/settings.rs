//! `settings` of an `xfs4iot` device.

use std::time::Duration;

use serde::Deserialize;

use super::socket::Place;
use crate::SettingsError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    poll_s: Option<f64>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The service publisher.
    pub(crate) publisher: Place,
    pub(crate) poll: Duration,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let publisher = Place::read(&written.url).ok_or_else(|| {
        let expected = "ws://host:port/xfs4iot/v1.0 (TLS is not supported yet)";
        SettingsError::new("url", expected, &written.url)
    })?;
    let poll_s = written.poll_s.unwrap_or(30.0);
    if !(0.5..=60.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.5 to 60", poll_s));
    }
    Ok(Settings {
        publisher,
        poll: Duration::from_secs_f64(poll_s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_setting_is_named() {
        let check = |text: &str, expected: &str| {
            let answer = match decode(toml::from_str(text).unwrap()) {
                Ok(settings) => format!("{settings:?}"),
                Err(error) => error.to_string(),
            };
            assert!(answer.contains(expected), "{text}\n gave {answer}");
        };
        check("url = 'ws://k:5846/xfs4iot/v1.0'", "poll: 30s");
        check("url = 'ws://k/xfs4iot/v1.0'", "k:80");
        check("", "settings.url: expected a value");
        check("url = 'wss://k/xfs4iot/v1.0'", "settings.url: expected ws://host:port");
        check("url = 'k:5846'", "settings.url");
        check("url = 'ws://k'\npoll_s = 0", "settings.poll_s: expected 0.5 to 60");
        check("url = 'ws://k'\npol_s = 1", "settings.pol_s");
    }
}
