//! `settings` of an `alpha-sign` device.

use std::time::Duration;

use serde::Deserialize;
use zhiban_vocabulary::command::Display;

use super::frame::{Frame, Mode, Position, TEXT_BYTES_MAX, is_file, to_ascii};
use crate::SettingsError;
use crate::link::serial::Parity;
use crate::link::{Link, LinkSettings};
use crate::wording::Wording;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    kind: Option<char>,
    address: Option<String>,
    file: Option<char>,
    #[serde(default)]
    position: Position,
    #[serde(default)]
    mode: Mode,
    welcome: Option<String>,
    call: Option<String>,
    serving: Option<String>,
    pause: Option<String>,
    pause_ms: Option<u64>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) link: Link,
    /// Without text.
    frame: Frame,
    wording: Wording,
    /// What a sign needs between two texts.
    pub(crate) rest: Duration,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let byte = |key: &str, c: char, expected: &str, is_one: fn(u8) -> bool| {
        let byte = u8::try_from(c).ok().filter(|byte| is_one(*byte));
        byte.ok_or_else(|| SettingsError::new(key, expected, c))
    };
    let kind = written.kind.unwrap_or('Z');
    let kind = byte("kind", kind, "a type code such as Z", |byte| byte.is_ascii_graphic())?;
    let file = byte("file", written.file.unwrap_or('A'), "A to Z or 0", is_file)?;
    let rest = written.pause_ms.unwrap_or(200);
    if rest > 10_000 {
        return Err(SettingsError::new("pause_ms", "0 to 10000", rest));
    }
    Ok(Settings {
        link: written.link.usually(7, Parity::Even).check()?,
        frame: Frame {
            kind,
            address: address(written.address)?,
            file,
            position: written.position,
            mode: written.mode,
            text: Vec::new(),
        },
        wording: Wording {
            welcome: text("welcome", written.welcome, "WELCOME")?,
            call: text("call", written.call, "{ticket} -> {counter}")?,
            serving: text("serving", written.serving, "{ticket}")?,
            pause: text("pause", written.pause, "CLOSED")?,
        },
        rest: Duration::from_millis(rest),
    })
}

fn address(written: Option<String>) -> Result<[u8; 2], SettingsError> {
    let written = written.unwrap_or_else(|| "00".into());
    match *written.to_ascii_uppercase().as_bytes() {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => Ok([high, low]),
        _ => Err(SettingsError::new("address", "two hex digits such as 01", written)),
    }
}

/// A sign without Chinese must not be set up as if it had it.
fn text(key: &str, written: Option<String>, default: &str) -> Result<String, SettingsError> {
    let text = written.unwrap_or_else(|| default.into());
    if to_ascii(&text) == text.as_bytes() {
        return Ok(text);
    }
    let expected = format!("at most {TEXT_BYTES_MAX} printable characters of ASCII");
    Err(SettingsError::new(key, expected, text))
}

impl Settings {
    /// As people write numbers, like those of other devices; on the wire it is two hex digits.
    pub(crate) fn address(&self) -> String {
        let digits = self.frame.address.map(char::from);
        let number = digits.iter().filter_map(|digit| digit.to_digit(16));
        number.fold(0, |number, digit| number * 16 + digit).to_string()
    }

    pub(crate) fn frame(&self, display: &Display) -> Frame {
        Frame {
            text: to_ascii(&self.wording.text(display)),
            ..self.frame.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { serial = '/dev/ttyS0' }\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "baud: 9600, data_bits: 7, parity: Even, stop_bits: 1");
        let with = |line: &str| format!("{GOOD}{line}");
        check(&with("addres = '01'"), "settings.addres");
        check(&with("address = '1'"), "settings.address: expected two hex digits such as 01, found 1");
        check(&with("address = '0g'"), "settings.address");
        check(&with("file = '1'"), "settings.file: expected A to Z or 0, found 1");
        check(&with("kind = ' '"), "settings.kind");
        check(&with("mode = 'spin'"), "settings.mode");
        check(&with("position = 'left'"), "settings.position");
        check(&with("pause_ms = 10001"), "settings.pause_ms: expected 0 to 10000");
        check(
            &with("welcome = '欢迎'"),
            "settings.welcome: expected at most 125 printable characters of ASCII, found 欢迎",
        );
        check("address = '01'", "settings.link: expected a value, found nothing");
    }
}
