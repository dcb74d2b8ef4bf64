//! `central.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::read::{ConfigError, Problem, parse, read};
use crate::shared::{
    Backup, ReplayClock, WebConfig, check_backup, check_clock, check_host_and_port, check_web,
};

/// Configuration of the aggregator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentralConfig {
    pub centre: Centre,
    /// Absent: SQLite in `centre.data`.
    #[serde(default)]
    pub database: Option<Database>,
    pub web: WebConfig,
    #[serde(default)]
    pub door: Door,
    #[serde(default)]
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
    /// File of the authorities (PEM) the server's certificate must come from, for the name in the
    /// address; then the connection is encrypted.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// Allows an unencrypted connection to another machine.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// `[door]`: where halls come in, always within TLS with certificates on both sides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    pub listen: SocketAddr,
    /// What halls are told to come to from now on, as `host:port`, first choice first. None: the
    /// address they enrolled at.
    pub public: Vec<String>,
    /// Where halls are passed on to, such as `tcp/127.0.0.1:7447`: a router of this machine, which
    /// tells what comes by loopback from intakes and other routers. None: the first of `[zenoh]`.
    pub router: Option<String>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7443)),
            public: Vec::new(),
            router: None,
        }
    }
}

/// `[zenoh]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Zenoh {
    /// Where the embedded router listens for what the door passes on; only on loopback, for it is
    /// not encrypted. Absent: `tcp/127.0.0.1:7447`.
    pub listen: Option<String>,
    /// Routers of others to answer behind instead of listening, such as `tcp/10.0.0.7:7447`; one
    /// session to each.
    pub routers: Vec<String>,
    /// Allows unencrypted links to routers on other machines.
    pub allow_plaintext: bool,
}

const OWN_ROUTER: &str = "tcp/127.0.0.1:7447";

impl Zenoh {
    /// The routers that carry what halls send: the own one, or those of others.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        if self.routers.is_empty() {
            vec![self.listen.clone().unwrap_or_else(|| OWN_ROUTER.into())]
        } else {
            self.routers.clone()
        }
    }
}

impl CentralConfig {
    /// Where the door passes halls on to; `None` for what was refused when it was read.
    #[must_use]
    pub fn router_of_door(&self) -> Option<SocketAddr> {
        let own = self.door.router.clone();
        address(&own.or_else(|| self.zenoh.endpoints().into_iter().next())?)
    }

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
    check_web(&config.web, &mut problems);
    check_clock(config.clock.as_ref(), &mut problems);
    check_backup(&config.backup, &config.centre.data, &mut problems);
    if jiff::tz::TimeZone::get(&config.centre.time_zone).is_err() {
        let zone = &config.centre.time_zone;
        problems.push(Problem::new(
            "centre.time_zone",
            "an IANA zone name",
            format!("{zone:?}"),
        ));
    }
    check_zenoh(&config.zenoh, &mut problems);
    if !config
        .router_of_door()
        .is_some_and(|router| router.ip().is_loopback())
    {
        problems.push(Problem::new(
            "door.router",
            "a router of this machine like \"tcp/127.0.0.1:7447\"",
            format!("{:?}", config.door.router),
        ));
    }
    for public in &config.door.public {
        check_host_and_port("door.public", public, &mut problems);
    }
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

fn address(endpoint: &str) -> Option<SocketAddr> {
    endpoint.strip_prefix("tcp/")?.parse().ok()
}

fn check_zenoh(zenoh: &Zenoh, problems: &mut Vec<Problem>) {
    if zenoh.listen.is_some() && !zenoh.routers.is_empty() {
        problems.push(Problem::new("zenoh", "either listen or routers", "both"));
    }
    let (key, loopback_only) = if zenoh.routers.is_empty() {
        ("zenoh.listen", true)
    } else {
        ("zenoh.routers", !zenoh.allow_plaintext)
    };
    for endpoint in zenoh.endpoints() {
        match address(&endpoint) {
            Some(found) if found.ip().is_loopback() || !loopback_only => {}
            Some(found) => problems.push(Problem::new(
                key,
                "a loopback address (halls come to [door]); for routers also zenoh.allow_plaintext = true",
                found,
            )),
            None => problems.push(Problem::new(
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
        let routers = sample.replace(
            "\nlisten = \"tcp/127.0.0.1:7447\"",
            "\nrouters = [\"tcp/127.0.0.1:7447\"]",
        );
        assert!(CentralConfig::parse(file, &routers).is_ok());
        let both = format!("{routers}listen = \"tcp/127.0.0.1:7447\"\n");
        let error = CentralConfig::parse(file, &both).unwrap_err().to_string();
        assert!(error.contains("either listen or routers"), "{error}");
        let far = routers.replace("[\"tcp/127.0.0.1:", "[\"tcp/10.0.0.7:");
        assert!(CentralConfig::parse(file, &far).is_err());
        let far = far + "allow_plaintext = true\n";
        let error = CentralConfig::parse(file, &far).unwrap_err().to_string();
        assert!(error.contains("door.router"), "{error}");
        let near = "\n[door]\nrouter = \"tcp/127.0.0.1:7447\"\n";
        assert!(
            CentralConfig::parse(file, &far.replace("\n[door] ", &(near.to_owned() + "#"))).is_ok()
        );
    }
}
