//! `settings` of a `legacy-text` device.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use toml::Value;
use zhiban_vocabulary::CounterId;

use super::frame::Encoding;
use crate::SettingsError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    listen: Option<String>,
    peers: Option<Value>,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default)]
    calls: Calls,
    #[serde(default)]
    windows: BTreeMap<String, String>,
    #[serde(default)]
    screens: BTreeMap<String, String>,
    silence_ms: Option<u64>,
    idle_s: Option<u64>,
    connections: Option<usize>,
}

/// Which of the two lines a host sends for a call is the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Calls {
    #[default]
    Screen,
    Voice,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    /// Who may connect; empty on loopback, where anybody on this machine may.
    pub(crate) peers: Vec<IpAddr>,
    pub(crate) encoding: Encoding,
    pub(crate) calls: Calls,
    windows: BTreeMap<String, CounterId>,
    /// `None` is the summary board.
    screens: BTreeMap<String, Option<CounterId>>,
    /// What ends a line that has no newline.
    pub(crate) silence: Duration,
    pub(crate) idle: Duration,
    pub(crate) connections: usize,
}

/// What stands for the summary board in `screens`.
const BOARD: &str = "board";

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let listen = listen(written.listen)?;
    let peers = peers(written.peers, listen)?;
    let counter = |key: &str, text: &str| -> Result<CounterId, SettingsError> {
        let bad = |error| SettingsError::new(key, "a counter id", error);
        text.parse().map_err(bad)
    };
    let screen = |key: &str, text: &str| match text {
        BOARD => Ok(None),
        text => counter(key, text).map(Some),
    };
    Ok(Settings {
        listen,
        peers,
        encoding: written.encoding,
        calls: written.calls,
        windows: names("windows", written.windows, counter)?,
        screens: names("screens", written.screens, screen)?,
        silence: Duration::from_millis(number("silence_ms", written.silence_ms, 100, 10, 5_000)?),
        // A queue host may say nothing all morning and is not asked to connect again.
        idle: Duration::from_secs(number("idle_s", written.idle_s, 43_200, 10, 604_800)?),
        connections: number("connections", written.connections, 16, 1, 256)?,
    })
}

fn listen(written: Option<String>) -> Result<SocketAddr, SettingsError> {
    let written = written.unwrap_or_else(|| "127.0.0.1:6000".into());
    let expected = "address:port such as 127.0.0.1:6000";
    let listen: Option<SocketAddr> = written.parse().ok();
    let listen = listen.filter(|listen| listen.port() != 0);
    listen.ok_or_else(|| SettingsError::new("listen", expected, written))
}

/// A list, or a text with commas as forms give it.
fn peers(written: Option<Value>, listen: SocketAddr) -> Result<Vec<IpAddr>, SettingsError> {
    let expected = "addresses of queue hosts such as 192.0.2.7";
    let bad = |found: &dyn std::fmt::Display| SettingsError::new("peers", expected, found);
    let texts: Vec<String> = match written {
        None => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(str::to_owned).collect(),
        Some(Value::Array(items)) => {
            let text = |item: Value| match item {
                Value::String(text) => Ok(text),
                other => Err(bad(&other)),
            };
            items.into_iter().map(text).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(bad(&other)),
    };
    let address = |text: &String| text.trim().parse().map_err(|_| bad(text));
    let texts = texts.iter().filter(|text| !text.trim().is_empty());
    let peers: Vec<IpAddr> = texts.map(address).collect::<Result<_, _>>()?;
    if peers.is_empty() && !listen.ip().is_loopback() {
        return Err(bad(&format!("none, and listen = \"{listen}\"")));
    }
    Ok(peers)
}

fn number<N: PartialOrd + Copy + std::fmt::Display>(
    key: &str,
    written: Option<N>,
    default: N,
    min: N,
    max: N,
) -> Result<N, SettingsError> {
    let value = written.unwrap_or(default);
    if value < min || value > max {
        return Err(SettingsError::new(key, format!("{min} to {max}"), value));
    }
    Ok(value)
}

/// Reads a table of names; two that the host would mean alike are an error.
fn names<T>(
    table: &str,
    written: BTreeMap<String, String>,
    read: impl Fn(&str, &str) -> Result<T, SettingsError>,
) -> Result<BTreeMap<String, T>, SettingsError> {
    let mut names = BTreeMap::new();
    for (name, value) in written {
        let key = format!("{table}.{name}");
        let value = read(&key, &value)?;
        if names.insert(plain(&name).to_owned(), value).is_some() {
            return Err(SettingsError::new(&key, "each number once", "it twice"));
        }
    }
    Ok(names)
}

/// `01` and `1` are the same window: the old service reads both as numbers.
fn plain(name: &str) -> &str {
    if !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name;
    }
    let digits = name.trim_start_matches('0');
    if digits.is_empty() && !name.is_empty() {
        return "0";
    }
    digits
}

impl Settings {
    /// The counter of a window; the one of the same number unless the table says otherwise.
    pub(crate) fn window(&self, window: &str) -> Option<CounterId> {
        let window = plain(window);
        let mapped = self.windows.get(window).cloned();
        mapped.or_else(|| window.parse().ok())
    }

    /// Whose screen an address is; `Some(None)` is the summary board.
    pub(crate) fn screen(&self, address: &str) -> Option<Option<CounterId>> {
        let address = plain(address);
        let mapped = self.screens.get(address).cloned();
        mapped.or_else(|| self.window(address).map(Some))
    }

    pub(crate) fn welcomes(&self, peer: IpAddr) -> bool {
        self.peers.is_empty() || self.peers.contains(&peer.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check("", "listen: 127.0.0.1:6000, peers: []");
        check("listen = ':6000'", "settings.listen: expected address:port");
        check("listen = '127.0.0.1:0'", "settings.listen");
        check("peers = 'queue.lan'", "settings.peers: expected addresses");
        check("peers = [1]", "settings.peers: expected addresses");
        check("encoding = 'big5'", "settings.encoding");
        check("calls = 'both'", "settings.calls");
        check("port = 6000", "settings.port");
        check("silence_ms = 0", "settings.silence_ms: expected 10 to 5000");
        check("idle_s = 1", "settings.idle_s");
        check("connections = 0", "settings.connections");
        check("windows = { 1 = 'a b' }", "settings.windows.1: expected a counter id");
        check(
            "windows = { 01 = '3', 1 = '4' }",
            "settings.windows.1: expected each number once",
        );
        check("screens = { 9 = '' }", "settings.screens.9");
    }

    #[test]
    fn who_listens_beyond_this_machine_says_to_whom() {
        let refused = "settings.peers: expected addresses of queue hosts such as 192.0.2.7, found none";
        check("listen = '0.0.0.0:6000'", refused);
        check("listen = '0.0.0.0:6000'\npeers = []", refused);
        check("listen = '0.0.0.0:6000'\npeers = ' , '", refused);
        let text = "listen = '[::]:6000'\npeers = '192.0.2.7, 192.0.2.8'";
        let settings = decode(toml::from_str(text).unwrap()).unwrap();
        assert!(settings.welcomes("::ffff:192.0.2.8".parse().unwrap()));
        assert!(!settings.welcomes("192.0.2.9".parse().unwrap()));
    }

    #[test]
    fn a_window_is_the_counter_of_its_number_unless_the_table_says_otherwise() {
        let text = "windows = { 5771 = '3' }\nscreens = { 128 = 'board', 012 = '4' }";
        let settings = decode(toml::from_str(text).unwrap()).unwrap();
        let window = |name| settings.window(name).map(|counter| counter.to_string());
        assert_eq!(window("5771").as_deref(), Some("3"));
        assert_eq!(window("05771").as_deref(), Some("3"));
        assert_eq!(window("01").as_deref(), Some("1"));
        assert_eq!(window("00").as_deref(), Some("0"));
        assert_eq!(window("东1").as_deref(), Some("东1"));
        assert_eq!(window("a b"), None);
        assert_eq!(settings.screen("128"), Some(None));
        assert_eq!(settings.screen("12"), Some(Some("4".parse().unwrap())));
        assert_eq!(settings.screen("5771"), Some(Some("3".parse().unwrap())));
    }
}
