//! `settings` of a `nut` device.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::SettingsError;
use crate::link::check_peer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    peer: String,
    ups: String,
    username: Option<String>,
    password: Option<String>,
    poll_s: Option<f64>,
    timeout_ms: Option<u64>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// `host:port`
    pub(crate) peer: String,
    /// As in `ups.conf` of the server.
    pub(crate) ups: String,
    pub(crate) user: Option<User>,
    pub(crate) poll: Duration,
    pub(crate) timeout: Duration,
}

/// Whom the server knows us as.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.name)
    }
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !(1..=64).contains(&written.ups.len()) || !written.ups.chars().all(is_name) {
        let expected = "1 to 64 letters, digits, - _ .";
        return Err(SettingsError::new("ups", expected, written.ups));
    }
    let poll_s = written.poll_s.unwrap_or(10.0);
    if !(0.2..=3600.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.2 to 3600", poll_s));
    }
    let timeout_ms = written.timeout_ms.unwrap_or(5000);
    if !(50..=60_000).contains(&timeout_ms) {
        return Err(SettingsError::new("timeout_ms", "50 to 60000", timeout_ms));
    }
    Ok(Settings {
        peer: check_peer("peer", written.peer)?,
        ups: written.ups,
        user: user(written.username, written.password)?,
        poll: Duration::from_secs_f64(poll_s),
        timeout: Duration::from_millis(timeout_ms),
    })
}

fn user(name: Option<String>, password: Option<String>) -> Result<Option<User>, SettingsError> {
    let (name, password) = match (name, password) {
        (Some(name), Some(password)) => (name, password),
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return Err(SettingsError::new("password", "a value beside username", "nothing"));
        }
        (None, Some(_)) => {
            return Err(SettingsError::new("username", "a value beside password", "nothing"));
        }
    };
    // A line break would begin another command.
    let is_word = |word: &str| !word.is_empty() && !word.chars().any(char::is_control);
    for (key, word) in [("username", &name), ("password", &password)] {
        if !is_word(word) || word.len() > 200 {
            let expected = "1 to 200 printable characters";
            return Err(SettingsError::new(key, expected, "something else"));
        }
    }
    Ok(Some(User { name, password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "peer = 'h:3493'\nups = 'hall'\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
        assert!(!answer.contains("sesame"), "{answer}");
    }

    #[test]
    fn a_bad_setting_is_named_and_the_password_never_shown() {
        check(GOOD, "user: None, poll: 10s, timeout: 5s");
        let user = format!("{GOOD}username = 'zhiban'\npassword = 'sesame'");
        check(&user, "user: Some(User(zhiban))");
        check("peer = 'h:3493'", "settings.ups: expected a value, found nothing");
        check("peer = 'h'\nups = 'a'", "settings.peer: expected host:port, found h");
        check("peer = 'h:1'\nups = 'a b'", "settings.ups: expected 1 to 64 letters");
        check("peer = 'h:1'\nups = \"a\\nFSD a\"", "settings.ups");
        check(&format!("{GOOD}username = 'u'"), "settings.password: expected a value");
        check(&format!("{GOOD}password = 'sesame'"), "settings.username: expected a value");
        let breaks = format!("{GOOD}username = 'u'\npassword = \"sesame\\nFSD\"");
        check(&breaks, "settings.password: expected 1 to 200 printable");
        check(&format!("{GOOD}upss = 'a'"), "settings.upss");
        check(&format!("{GOOD}poll_s = 0"), "settings.poll_s");
        check(&format!("{GOOD}timeout_ms = 49"), "settings.timeout_ms");
    }
}
