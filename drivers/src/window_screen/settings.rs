//! `settings` of a `window-screen` device.

use std::time::Duration;

use serde::Deserialize;
use zhiban_vocabulary::command::Display;

use super::family::{
    Colour, Content, Family, Kuiwen, Reply, Ruize, TEXT_BYTES_MAX, Tally, Yinda, Yongtai, Zhongyi,
};
use crate::SettingsError;
use crate::gbk;
use crate::link::{Link, LinkSettings};
use crate::wording::Wording;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    family: Name,
    link: LinkSettings,
    address: u32,
    colour: Option<Colour>,
    #[serde(default)]
    texts: Texts,
    ack_timeout_ms: Option<u64>,
    retries: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    Zhongyi,
    Ruize,
    Yinda,
    Yongtai,
    Kuiwen,
    Tally,
}

/// What is shown, shorter than on boards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Texts {
    call: String,
    serving: String,
    welcome: String,
    pause: String,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            call: "请{ticket}到{counter}号窗口".into(),
            serving: "正在办理{ticket}".into(),
            welcome: "欢迎光临".into(),
            pause: "暂停服务".into(),
        }
    }
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) family: Name,
    pub(crate) link: Link,
    pub(crate) address: u32,
    colour: Option<Colour>,
    wording: Wording,
    pub(crate) ack_timeout: Duration,
    /// Times a command is sent again when it is not answered.
    pub(crate) retries: u32,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    match written.family {
        Name::Zhongyi => check::<Zhongyi>(written),
        Name::Ruize => check::<Ruize>(written),
        Name::Yinda => check::<Yinda>(written),
        Name::Yongtai => check::<Yongtai>(written),
        Name::Kuiwen => check::<Kuiwen>(written),
        Name::Tally => check::<Tally>(written),
    }
}

fn check<F: Family>(written: Written) -> Result<Settings, SettingsError> {
    if !F::ADDRESSES.contains(&written.address) {
        let expected = format!("{} to {}", F::ADDRESSES.start(), F::ADDRESSES.end());
        return Err(SettingsError::new("address", expected, written.address));
    }
    let is_deaf = F::REPLY == Reply::None;
    let not_of_family = [
        ("colour", written.colour.is_some() && !F::HAS_COLOURS),
        ("ack_timeout_ms", written.ack_timeout_ms.is_some() && is_deaf),
        ("retries", written.retries.is_some() && is_deaf),
    ];
    if let Some((key, _)) = not_of_family.iter().find(|(_, given)| *given) {
        let expected = format!("nothing for {}", F::NAME);
        return Err(SettingsError::new(key, expected, "a value"));
    }
    let ack_timeout_ms = written.ack_timeout_ms.unwrap_or(500);
    if !(20..=10_000).contains(&ack_timeout_ms) {
        let key = "ack_timeout_ms";
        return Err(SettingsError::new(key, "20 to 10000", ack_timeout_ms));
    }
    let retries = written.retries.unwrap_or(2);
    if retries > 10 {
        return Err(SettingsError::new("retries", "0 to 10", retries));
    }
    Ok(Settings {
        family: written.family,
        link: written.link.check()?,
        address: written.address,
        colour: written.colour,
        wording: written.texts.check()?,
        ack_timeout: Duration::from_millis(ack_timeout_ms),
        retries,
    })
}

impl Texts {
    fn check(self) -> Result<Wording, SettingsError> {
        let (ticket, counter) = ("{ticket}", "{counter}");
        let texts = [
            ("texts.call", &self.call, &[ticket, counter][..]),
            ("texts.serving", &self.serving, &[ticket]),
            ("texts.welcome", &self.welcome, &[]),
            ("texts.pause", &self.pause, &[]),
        ];
        for (key, text, places) in texts {
            let rest = places.iter().fold(text.clone(), |rest, place| rest.replace(place, ""));
            if text.is_empty() || rest.contains(['{', '}']) {
                let expected = format!("a text with no places but {}", places.join(" "));
                return Err(SettingsError::new(key, expected, text));
            }
        }
        Ok(Wording {
            welcome: self.welcome,
            call: self.call,
            serving: self.serving,
            pause: self.pause,
        })
    }
}

impl Settings {
    /// What a screen of text or of digits shows for a command.
    pub(crate) fn content(&self, display: &Display) -> Content {
        let ticket = match display {
            Display::Serving { ticket } | Display::Call { ticket, .. } => Some(ticket),
            Display::Welcome | Display::Pause | Display::Text { .. } => None,
        };
        Content {
            gbk: gbk::encode(&self.wording.text(display), TEXT_BYTES_MAX),
            number: ticket.and_then(|ticket| number(ticket.as_str())),
            colour: self.colour,
        }
    }
}

/// The digits at the end of a ticket.
fn number(ticket: &str) -> Option<u16> {
    let before = ticket.trim_end_matches(|c: char| c.is_ascii_digit());
    ticket[before.len()..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "family = 'zhongyi'\nlink = { tcp = 'h:4001' }\naddress = 1\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    fn of(family: &str, more: &str) -> String {
        format!("family = '{family}'\nlink = {{ tcp = 'h:1' }}\n{more}")
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "ack_timeout: 500ms, retries: 2");
        check(&of("lihe", "address = 1"), "settings.family: expected one of");
        check(&of("zhongyi", "address = 0"), "settings.address: expected 1 to 255, found 0");
        check(&of("kuiwen", "address = 1000000"), "expected 0 to 999999");
        check(&of("tally", "address = 100"), "expected 1 to 99");
        check(&of("yinda", "address = 254"), "expected 1 to 253");
        check(&format!("{GOOD}retries = 11"), "settings.retries: expected 0 to 10");
        check(&format!("{GOOD}ack_timeout_ms = 1"), "settings.ack_timeout_ms");
        check(&format!("{GOOD}color = 'red'"), "settings.color");
        check(&format!("{GOOD}colour = 'blue'"), "settings.colour");
        check(&format!("{GOOD}texts = {{ hello = 'x' }}"), "settings.texts.hello");
        check("family = 'tally'\naddress = 1", "settings.link: expected a value");
    }

    #[test]
    fn what_a_family_cannot_do_is_not_asked_of_it() {
        let yongtai = |more: &str| of("yongtai", &format!("address = 1\n{more}"));
        check(&yongtai("retries = 1"), "settings.retries: expected nothing for yongtai");
        check(&yongtai("ack_timeout_ms = 100"), "settings.ack_timeout_ms: expected nothing");
        check(&yongtai("colour = 'red'"), "settings.colour: expected nothing for yongtai");
        check(&of("ruize", "address = 0\nretries = 1\ncolour = 'green'"), "Some(Green)");
    }

    #[test]
    fn a_text_has_no_places_nobody_fills() {
        let texts = |text: &str| format!("{GOOD}texts = {{ {text} }}");
        check(&texts("call = '{ticket} 到 {counter}'"), "到");
        check(&texts("call = '{window}'"), "settings.texts.call");
        check(&texts("serving = '{counter}'"), "settings.texts.serving");
        check(&texts("pause = '{ticket}'"), "settings.texts.pause");
        check(&texts("welcome = ''"), "settings.texts.welcome");
    }

    #[test]
    fn a_board_of_digits_shows_those_at_the_end() {
        for (ticket, expected) in [
            ("B016", Some(16)),
            ("999", Some(999)),
            ("贵宾001", Some(1)),
            ("A1B", None),
            ("70000", None),
            ("VIP", None),
        ] {
            assert_eq!(number(ticket), expected, "{ticket}");
        }
    }
}
