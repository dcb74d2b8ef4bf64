//! `central.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::read::{ConfigError, Problem, parse, read};
use crate::shared::{Backup, ReplayClock, WebConfig, check_backup, check_clock, check_listen};

/// Configuration of the aggregator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentralConfig {
    pub centre: Centre,
    pub web: WebConfig,
    pub zenoh: Zenoh,
    #[serde(default)]
    pub backup: Backup,
    #[serde(default)]
    pub clock: Option<ReplayClock>,
}

/// `[centre]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centre {
    /// Shown in the title of every page.
    pub name: String,
    /// IANA name of the zone days are shown in, such as `Asia/Shanghai`.
    pub time_zone: String,
    /// Directory of the database and secrets; made when missing.
    pub data: PathBuf,
}

/// `[zenoh]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zenoh {
    /// Endpoints the embedded router listens on, such as `tcp/127.0.0.1:7447`; the links of real
    /// halls are terminated in front of it (DESIGN.md).
    pub listen: Vec<String>,
    /// Allows unencrypted links on an address other than loopback.
    #[serde(default)]
    pub allow_plaintext: bool,
}

impl CentralConfig {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigError`] names file, key, expected and found.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        read(file, check)
    }

    /// As [`CentralConfig::read`], from text; `file` is for messages.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        parse(file, text, check)
    }
}

fn check(config: &CentralConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_listen(
        "web",
        config.web.listen,
        config.web.allow_plaintext,
        &mut problems,
    );
    check_clock(config.clock.as_ref(), &mut problems);
    check_backup(&config.backup, &mut problems);
    if jiff::tz::TimeZone::get(&config.centre.time_zone).is_err() {
        let zone = &config.centre.time_zone;
        problems.push(Problem::new(
            "centre.time_zone",
            "an IANA zone name",
            format!("{zone:?}"),
        ));
    }
    let plain = config.zenoh.allow_plaintext;
    for endpoint in &config.zenoh.listen {
        match endpoint.strip_prefix("tcp/").map(str::parse) {
            Some(Ok(address)) => check_listen("zenoh", address, plain, &mut problems),
            Some(Err(_)) | None => problems.push(Problem::new(
                "zenoh.listen",
                "endpoints like \"tcp/127.0.0.1:7447\"",
                format!("{endpoint:?}"),
            )),
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_accepted_and_other_endpoints_are_not() {
        let sample = include_str!("../samples/central.toml");
        let file = Path::new("central.toml");
        assert!(CentralConfig::parse(file, sample).is_ok());
        for (from, to) in [("tcp/", "tls/"), ("tcp/127.0.0.1:", "tcp/0.0.0.0:")] {
            let error = CentralConfig::parse(file, &sample.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains("zenoh.listen"), "{error}");
        }
        let open = sample.replace("tcp/127.0.0.1:", "tcp/0.0.0.0:") + "allow_plaintext = true\n";
        assert!(CentralConfig::parse(file, &open).is_ok());
    }
}
