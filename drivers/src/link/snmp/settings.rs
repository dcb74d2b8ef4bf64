//! `settings` of every device that is read by SNMP.

use std::time::Duration;

use serde::Deserialize;

use super::{Access, Community, Version};
use crate::SettingsError;
use crate::link::check_peer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    peer: String,
    community: String,
    version: Option<String>,
    poll_s: Option<f64>,
    timeout_ms: Option<u64>,
    retries: Option<u32>,
}

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct AgentSettings {
    pub(crate) access: Access,
    pub(crate) poll: Duration,
}

impl AgentSettings {
    /// How long a poll may take whose every request is answered at the last attempt, and more.
    pub(crate) fn patience(&self) -> Duration {
        let exchange = self.access.timeout * (self.access.retries + 1);
        self.poll + 10 * exchange + Duration::from_secs(120)
    }
}

pub(crate) fn decode(table: toml::Table) -> Result<AgentSettings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    if !(1..=64).contains(&written.community.len()) {
        let found = format!("{} characters", written.community.len());
        let expected = "1 to 64 characters";
        return Err(SettingsError::new("community", expected, found));
    }
    let version = match written.version.as_deref() {
        None | Some("2c") => Version::V2c,
        Some("1") => Version::V1,
        Some(other) => return Err(SettingsError::new("version", "1 or 2c", other)),
    };
    let poll_s = written.poll_s.unwrap_or(30.0);
    if !(0.2..=3600.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.2 to 3600", poll_s));
    }
    let timeout_ms = written.timeout_ms.unwrap_or(2000);
    if !(50..=10_000).contains(&timeout_ms) {
        return Err(SettingsError::new("timeout_ms", "50 to 10000", timeout_ms));
    }
    let retries = written.retries.unwrap_or(2);
    if retries > 10 {
        return Err(SettingsError::new("retries", "0 to 10", retries));
    }
    Ok(AgentSettings {
        access: Access {
            peer: check_peer("peer", written.peer)?,
            version,
            community: Community(written.community),
            timeout: Duration::from_millis(timeout_ms),
            retries,
        },
        poll: Duration::from_secs_f64(poll_s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "peer = 'h:161'\ncommunity = 'hall secret'\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
        assert!(!answer.contains("hall secret"), "{answer}");
    }

    #[test]
    fn a_bad_setting_is_named_and_the_community_never_shown() {
        check(GOOD, "version: V2c");
        check(GOOD, "timeout: 2s, retries: 2 }, poll: 30s");
        check(&format!("{GOOD}version = '1'"), "version: V1");
        check(
            &format!("{GOOD}version = '3'"),
            "settings.version: expected 1 or 2c, found 3",
        );
        check("peer = 'h:161'", "settings.community: expected a value");
        check(
            "peer = 'h:161'\ncommunity = ''",
            "settings.community: expected 1 to 64",
        );
        check(
            "peer = 'h'\ncommunity = 'c'",
            "settings.peer: expected host:port, found h",
        );
        check(&format!("{GOOD}comunity = 'x'"), "settings.comunity");
        check(&format!("{GOOD}poll_s = 0"), "settings.poll_s");
        check(&format!("{GOOD}timeout_ms = 10001"), "settings.timeout_ms");
        check(
            &format!("{GOOD}retries = 11"),
            "settings.retries: expected 0 to 10",
        );
    }
}
