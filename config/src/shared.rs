//! Sections both programs have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use crate::read::Problem;

/// `[web]`: where the panel listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Allows plain HTTP on an address other than loopback.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// The encrypted panel; absent: there is none.
    #[serde(default)]
    pub tls: Option<WebTls>,
}

/// `[web.tls]`: the same pages within TLS 1.2 or 1.3.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebTls {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host names people call this machine by, besides the address they reach it at.
    #[serde(default)]
    pub names: Vec<String>,
    /// A certificate of the company's own authority and what leads to it (PEM), read anew every hour.
    /// Absent: one of our own authority.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// `[clock]`: the program lives at another time, for replays of recorded days. Shown on every
/// page. Absent in a real hall.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayClock {
    /// Replayed time at the instant `at`.
    pub start: Timestamp,
    /// Real time at which the replay stands at `start`; the same for all programs of a replay.
    pub at: Timestamp,
    /// Replayed seconds per real second, 1..=3600.
    pub speed: u32,
}

/// Folder of the nightly backups in the data folder, where no other is named.
pub const BACKUP_FOLDER: &str = "backups";

/// `[backup]`: the nightly backup.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// By the clock on the wall.
    pub at: Time,
    /// An existing folder on a second disk; absent: `backups` in the data folder.
    pub folder: Option<PathBuf>,
    /// How many are kept, 1..=366.
    pub keep: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            at: jiff::civil::time(3, 30, 0, 0),
            folder: None,
            keep: 7,
        }
    }
}

impl Backup {
    /// Where backups go, for a program with this data folder.
    #[must_use]
    pub fn folder_of(&self, data: &Path) -> PathBuf {
        let own = || data.join(BACKUP_FOLDER);
        self.folder.clone().unwrap_or_else(own)
    }
}

pub(crate) fn check_backup(backup: &Backup, data: &Path, problems: &mut Vec<Problem>) {
    if !(1..=366).contains(&backup.keep) {
        problems.push(Problem::new(
            "backup.keep",
            "a number from 1 to 366",
            backup.keep,
        ));
    }
    if let Some(folder) = backup
        .folder
        .as_ref()
        .filter(|folder| !folder.is_absolute())
    {
        let expected = "an absolute path";
        problems.push(Problem::new("backup.folder", expected, folder.display()));
    }
    // It would hold itself, and double each night.
    let folder = backup.folder_of(data);
    if folder.starts_with(data) && folder != data.join(BACKUP_FOLDER) {
        let expected = format!("a folder outside {}", data.display());
        problems.push(Problem::new("backup.folder", expected, folder.display()));
    }
}

pub(crate) fn check_web(web: &WebConfig, problems: &mut Vec<Problem>) {
    check_listen("web", web.listen, web.allow_plaintext, problems);
    let Some(tls) = &web.tls else { return };
    if tls.certificate.is_some() != tls.key.is_some() {
        let expected = "web.tls.certificate and web.tls.key, or neither";
        problems.push(Problem::new("web.tls", expected, "one of them"));
    }
    for (key, file) in [("certificate", &tls.certificate), ("key", &tls.key)] {
        if let Some(file) = file.as_ref().filter(|file| !file.is_absolute()) {
            let key = format!("web.tls.{key}");
            problems.push(Problem::new(key, "an absolute path", file.display()));
        }
    }
}

pub(crate) fn check_listen(
    key: &str,
    listen: SocketAddr,
    allow_plaintext: bool,
    problems: &mut Vec<Problem>,
) {
    if !listen.ip().is_loopback() && !allow_plaintext {
        problems.push(Problem::new(
            format!("{key}.listen"),
            format!("a loopback address, or {key}.allow_plaintext = true"),
            listen,
        ));
    }
}

/// `host:port`, without a scheme.
pub(crate) fn check_host_and_port(key: &str, text: &str, problems: &mut Vec<Problem>) {
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = !host.is_empty() && !host.contains(['/', ' ', '@']);
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !is_one {
        let expected = "addresses like \"centre.example:7443\"";
        problems.push(Problem::new(key, expected, format!("{text:?}")));
    }
}

pub(crate) fn check_clock(clock: Option<&ReplayClock>, problems: &mut Vec<Problem>) {
    if let Some(clock) = clock
        && !(1..=3600).contains(&clock.speed)
    {
        problems.push(Problem::new(
            "clock.speed",
            "a number from 1 to 3600",
            clock.speed,
        ));
    }
}
