//! Sections both programs have.

use std::net::SocketAddr;

use jiff::Timestamp;
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
