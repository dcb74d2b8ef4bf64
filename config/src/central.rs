//! `central.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::read::{ConfigError, Problem, parse, read};
use crate::shared::{ReplayClock, WebConfig, check_clock, check_listen};

/// Configuration of the aggregator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentralConfig {
    pub centre: Centre,
    /// Absent: SQLite in `centre.data`.
    #[serde(default)]
    pub database: Option<Database>,
    pub web: WebConfig,
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
    /// Directory of the database and secrets; made when missing. No two programs share one.
    pub data: PathBuf,
    /// Whether there are pages; without, the program only takes in, and says how it does.
    #[serde(default = "yes")]
    pub pages: bool,
}

fn yes() -> bool {
    true
}

/// `[database]`: a PostgreSQL server instead of SQLite.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgresql://user@host:port/name`, without a password.
    pub url: String,
    /// File whose first line is the password; a bare name is that of a systemd credential.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Allows an unencrypted connection to another machine.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// `[zenoh]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zenoh {
    /// Endpoints the embedded router listens on, such as `tcp/127.0.0.1:7447`; the links of real
    /// halls are terminated in front of it (DESIGN.md).
    #[serde(default)]
    pub listen: Vec<String>,
    /// Routers of others to answer behind instead of listening, such as `tcp/10.0.0.7:7447`; one
    /// session to each.
    #[serde(default)]
    pub routers: Vec<String>,
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
    if jiff::tz::TimeZone::get(&config.centre.time_zone).is_err() {
        let zone = &config.centre.time_zone;
        problems.push(Problem::new(
            "centre.time_zone",
            "an IANA zone name",
            format!("{zone:?}"),
        ));
    }
    check_zenoh(&config.zenoh, &mut problems);
    if let Some(database) = &config.database
        && !["postgresql://", "postgres://"]
            .iter()
            .any(|scheme| database.url.starts_with(scheme))
    {
        // Not quoted: somebody may have put a password in.
        problems.push(Problem::new(
            "database.url",
            "postgresql://user@host:port/name",
            "another kind of address",
        ));
    }
    problems
}

fn check_zenoh(zenoh: &Zenoh, problems: &mut Vec<Problem>) {
    if zenoh.listen.is_empty() == zenoh.routers.is_empty() {
        let found = if zenoh.listen.is_empty() {
            "neither"
        } else {
            "both"
        };
        problems.push(Problem::new("zenoh", "either listen or routers", found));
    }
    let plain = zenoh.allow_plaintext;
    let all = [("listen", &zenoh.listen), ("routers", &zenoh.routers)];
    for (key, endpoint) in all
        .iter()
        .flat_map(|(key, all)| all.iter().map(move |e| (key, e)))
    {
        let key = format!("zenoh.{key}");
        match endpoint.strip_prefix("tcp/").map(str::parse::<SocketAddr>) {
            Some(Ok(address)) if address.ip().is_loopback() || plain => {}
            Some(Ok(address)) => problems.push(Problem::new(
                key,
                "a loopback address, or zenoh.allow_plaintext = true",
                address,
            )),
            Some(Err(_)) | None => problems.push(Problem::new(
                key,
                "endpoints like \"tcp/127.0.0.1:7447\"",
                format!("{endpoint:?}"),
            )),
        }
    }
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
        let routers = sample.replace("\nlisten = [\"tcp/", "\nrouters = [\"tcp/");
        assert!(CentralConfig::parse(file, &routers).is_ok());
        let both = routers + "listen = [\"tcp/127.0.0.1:7447\"]\n";
        let error = CentralConfig::parse(file, &both).unwrap_err();
        assert!(
            error.to_string().contains("either listen or routers"),
            "{error}"
        );
        let open = sample.replace("tcp/127.0.0.1:", "tcp/0.0.0.0:") + "allow_plaintext = true\n";
        assert!(CentralConfig::parse(file, &open).is_ok());
    }
}
