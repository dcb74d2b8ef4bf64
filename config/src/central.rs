//! `central.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::read::{ConfigError, Problem, parse, read};
use crate::shared::{ReplayClock, WebConfig, check_clock, check_host_and_port, check_listen};

/// Configuration of the aggregator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentralConfig {
    pub centre: Centre,
    pub web: WebConfig,
    #[serde(default)]
    pub door: Door,
    #[serde(default)]
    pub zenoh: Zenoh,
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

/// `[door]`: where halls come in, always within TLS with certificates on both sides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    pub listen: SocketAddr,
    /// What halls are told to come to from now on, as `host:port`, first choice first. None: the
    /// address they enrolled at.
    pub public: Vec<String>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7443)),
            public: Vec::new(),
        }
    }
}

/// `[zenoh]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Zenoh {
    /// Where the embedded router listens for what the door passes on, such as
    /// `tcp/127.0.0.1:7447`; only on loopback, for it is not encrypted.
    pub listen: String,
}

impl Default for Zenoh {
    fn default() -> Self {
        Self {
            listen: "tcp/127.0.0.1:7447".into(),
        }
    }
}

impl Zenoh {
    /// The address within the endpoint; `None` for one that was refused when it was read.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.strip_prefix("tcp/")?.parse().ok()
    }
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
    if jiff::tz::TimeZone::get(&config.centre.time_zone).is_err() {
        let zone = &config.centre.time_zone;
        problems.push(Problem::new(
            "centre.time_zone",
            "an IANA zone name",
            format!("{zone:?}"),
        ));
    }
    if !config
        .zenoh
        .address()
        .is_some_and(|address| address.ip().is_loopback())
    {
        problems.push(Problem::new(
            "zenoh.listen",
            "a loopback endpoint like \"tcp/127.0.0.1:7447\"; halls come to [door]",
            format!("{:?}", config.zenoh.listen),
        ));
    }
    for public in &config.door.public {
        check_host_and_port("door.public", public, &mut problems);
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
        for (from, to, key) in [
            ("tcp/", "tls/", "zenoh.listen"),
            ("tcp/127.0.0.1:", "tcp/0.0.0.0:", "zenoh.listen"),
            ("centre.example:7443", "centre.example", "door.public"),
            (
                "centre.example:7443",
                "https://centre.example:7443",
                "door.public",
            ),
        ] {
            let text = sample.replace(from, to);
            assert_ne!(text, sample, "{from}");
            let error = CentralConfig::parse(file, &text).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
