//! The window, the key, and what a device says when it asks.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zhiban_kernel::authority;
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};

/// How long devices may ask after a person has opened the window.
pub(super) const OPEN_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Wrong keys that close it.
pub(super) const WRONG_MAX: u32 = 5;
/// Letters that cannot be taken for others, also when read aloud: 32, so 5 bits each.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 50 bits.
const KEY_LETTERS: usize = 10;
/// Shortest token, so that nobody guesses it.
pub(super) const TOKEN_MIN: usize = 16;
const TEXT_MAX: usize = DeviceIdentity::CHARS_MAX;

/// The time in which devices may ask.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) key: String,
    pub(super) until: Timestamp,
    pub(super) wrong: u32,
}

impl Window {
    pub(super) fn open(now: Timestamp) -> Self {
        Self {
            key: new_key(),
            until: now + OPEN_FOR,
            wrong: 0,
        }
    }

    /// Whether this is the key, as [`plain`] gives it.
    pub(super) fn is_key(&self, key: &str) -> bool {
        bool::from(key.as_bytes().ct_eq(self.key.as_bytes()))
    }

    /// The key as a person reads it: `ABCDE-FGHJK`.
    pub(super) fn shown_key(&self) -> String {
        let (first, second) = self.key.split_at(KEY_LETTERS / 2);
        format!("{first}-{second}")
    }

    /// A key is good for one device: the next one gets another. Gives the old one.
    pub(super) fn rotate(&mut self) -> String {
        std::mem::replace(&mut self.key, new_key())
    }
}

/// A key as it is kept, however it was typed.
pub(super) fn plain(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

fn new_key() -> String {
    let mut random = rand::rng();
    let letter = || char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    std::iter::repeat_with(letter).take(KEY_LETTERS).collect()
}

/// Six digits for the device's display.
pub(super) fn new_code() -> String {
    format!("{:06}", rand::rng().random_range(0..1_000_000))
}

/// What a device says when it asks to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Printed on the device.
    pub serial: String,
    /// Something only this device knows, at least 16 characters; it proves later that it is the one
    /// that asked. Not kept but as a hash.
    #[serde(skip_serializing)]
    pub token: String,
    pub kind: DeviceKind,
    /// The id it would like.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub vendor: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub firmware: Option<String>,
    #[serde(default)]
    pub hardware: Option<String>,
    #[serde(default)]
    pub mac: Option<String>,
    /// A PEM certificate signing request: the device wants a certificate instead of a password.
    /// Its key is all that is taken from it.
    #[serde(default, skip_serializing)]
    pub csr: Option<String>,
}

impl Ask {
    /// # Errors
    /// Which field is wrong and what was expected.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let mut ask: Self = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        ask.serial = ask.serial.trim().to_owned();
        if ask.token.len() < TOKEN_MIN {
            return Err(format!("token: expected at least {TOKEN_MIN} characters"));
        }
        let texts = [
            ("serial", Some(&ask.serial)),
            ("id", ask.id.as_ref()),
            ("vendor", ask.vendor.as_ref()),
            ("model", ask.model.as_ref()),
            ("firmware", ask.firmware.as_ref()),
            ("hardware", ask.hardware.as_ref()),
            ("mac", ask.mac.as_ref()),
        ];
        let bad = |text: &String| {
            text.trim().is_empty()
                || text.chars().count() > TEXT_MAX
                || text.chars().any(char::is_control)
        };
        let found = texts.into_iter().find(|(_, text)| text.is_some_and(bad));
        if let Some((name, _)) = found {
            return Err(format!("{name}: expected 1 to {TEXT_MAX} plain characters"));
        }
        if let Some(csr) = &ask.csr {
            authority::check_request(csr).map_err(|error| format!("csr: {error}"))?;
        }
        Ok(ask)
    }

    pub(super) fn identity(&self) -> DeviceIdentity {
        DeviceIdentity {
            vendor: self.vendor.clone(),
            model: self.model.clone(),
            serial: Some(self.serial.clone()),
            firmware: self.firmware.clone(),
            hardware: self.hardware.clone(),
            mac: self.mac.clone(),
        }
    }
}

/// What a device that asks is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Answer {
    /// A person must type this code, which the device shows.
    Pending {
        code: String,
    },
    /// From now on it signs in as `device`, with the one or the other.
    Approved {
        device: String,
        #[serde(flatten)]
        credential: Credential,
        /// PEM of the hall's authority, which signs the hall's doors: what to trust from now on.
        authority: String,
    },
    Refused {
        reason: String,
    },
}

/// What a device that was let in proves itself with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    Password(String),
    /// PEM, for the key of its request.
    Certificate(String),
}

impl Answer {
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Pending { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_however_it_is_typed() {
        let now = Timestamp::UNIX_EPOCH;
        let window = Window::open(now);
        let shown = window.shown_key();
        for typed in [&shown, &shown.to_lowercase(), &shown.replace('-', " ")] {
            assert!(window.is_key(&plain(typed)), "{typed}");
        }
        assert!(window.is_key(&window.key) && !window.is_key("") && !window.is_key("AAAAAAAAAA"));
        assert_ne!(window.key, Window::open(now).key);
        assert_eq!(window.key.len(), KEY_LETTERS);
        let mut window = window;
        let old = window.rotate();
        assert!(!window.is_key(&old) && window.key.len() == KEY_LETTERS);
    }

    #[test]
    fn a_request_names_what_is_wrong_with_it() {
        let check = |text: &str, expected: &str| {
            let answer = Ask::read(text.as_bytes()).map_or_else(|e| e, |ask| ask.serial);
            assert!(answer.contains(expected), "{text} gave {answer}");
        };
        let good = r#"{"serial":"S1","token":"0123456789abcdef","kind":"kiosk"}"#;
        check(good, "S1");
        check(
            &good.replace("0123456789abcdef", "short"),
            "token: expected at least 16",
        );
        check(&good.replace("S1", " "), "serial: expected 1 to 128");
        check(&good.replace("S1", &"x".repeat(200)), "serial");
        check(
            &good.replace("kiosk", "spaceship"),
            "unknown variant `spaceship`",
        );
        check(&good.replace("serial", "seriel"), "unknown field `seriel`");
        let csr = good.replace('}', r#","csr":"none"}"#);
        check(&csr, "csr: expected a PEM certificate signing request");
        check("[]", "invalid");
    }
}
