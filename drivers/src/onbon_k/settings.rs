//! `settings` of an `onbon-k` device.

use std::time::Duration;

use serde::Deserialize;
use zhiban_vocabulary::{CounterId, TicketNumber};

use super::frame::{ANY_CARD, Area, Effect, Sound};
use crate::link::{Link, LinkSettings};
use crate::{SettingsError, gbk};

/// Longest text in bytes: with a second one to say, a frame still fits the cards' buffers.
pub(crate) const TEXT_BYTES_MAX: usize = 480;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    card: Card,
    address: Option<u16>,
    #[serde(default)]
    x: u16,
    #[serde(default)]
    y: u16,
    width: u16,
    height: u16,
    #[serde(default)]
    wrap: bool,
    #[serde(default)]
    effect: Effect,
    #[serde(default)]
    speed: u8,
    hold_s: Option<u8>,
    welcome: Option<String>,
    call: Option<String>,
    serving: Option<String>,
    pause: Option<String>,
    #[serde(default)]
    speak_calls: bool,
    say: Option<String>,
    #[serde(default)]
    voice: u8,
    #[serde(default)]
    repeat: u8,
    volume: Option<u8>,
    voice_speed: Option<u8>,
    ack_timeout_ms: Option<u64>,
    retries: Option<u32>,
}

/// Series of cards; they measure differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Card {
    #[serde(rename = "5k")]
    Fifth,
    #[serde(rename = "6k")]
    Sixth,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) link: Link,
    pub(crate) address: u16,
    /// Without text and sound.
    area: Area,
    welcome: String,
    call: String,
    serving: String,
    pause: String,
    speak_calls: bool,
    /// What is said of a call, when it is not what is shown.
    say: Option<String>,
    sound: Sound,
    pub(crate) ack_timeout: Duration,
    /// Times a frame is sent again when it is not acknowledged.
    pub(crate) retries: u32,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let address = written.address.unwrap_or(ANY_CARD);
    within("address", address.into(), 1, ANY_CARD.into())?;
    within("speed", written.speed.into(), 0, 24)?;
    within("hold_s", written.hold_s.unwrap_or(4).into(), 0, 127)?;
    within("voice", written.voice.into(), 0, 5)?;
    within("repeat", written.repeat.into(), 0, 15)?;
    within("volume", written.volume.unwrap_or(5).into(), 0, 10)?;
    within("voice_speed", written.voice_speed.unwrap_or(5).into(), 1, 10)?;
    within("retries", written.retries.unwrap_or(2).into(), 0, 10)?;
    let ack_timeout_ms = written.ack_timeout_ms.unwrap_or(1000);
    within("ack_timeout_ms", ack_timeout_ms, 20, 10_000)?;
    let area = area(&written)?;
    Ok(Settings {
        link: written.link.check()?,
        address,
        area,
        welcome: text("welcome", written.welcome, "欢迎光临")?,
        call: template("call", written.call, "请{ticket}号到{counter}号窗口")?,
        serving: text("serving", written.serving, "正在办理{ticket}号")?,
        pause: text("pause", written.pause, "暂停服务")?,
        speak_calls: written.speak_calls,
        say: written
            .say
            .map(|say| template("say", Some(say), ""))
            .transpose()?,
        sound: Sound {
            voice: written.voice,
            repeat: written.repeat,
            volume: written.volume.unwrap_or(5),
            speed: written.voice_speed.unwrap_or(5),
            instead: None,
        },
        ack_timeout: Duration::from_millis(ack_timeout_ms),
        retries: written.retries.unwrap_or(2),
    })
}

fn within(key: &str, value: u64, low: u64, high: u64) -> Result<(), SettingsError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let expected = format!("{low} to {high}");
    Err(SettingsError::new(key, expected, value))
}

/// The rectangle texts are shown in, in the units of the card.
fn area(written: &Written) -> Result<Area, SettingsError> {
    within("width", written.width.into(), 8, 4096)?;
    within("height", written.height.into(), 8, 1024)?;
    within("x", written.x.into(), 0, 4096)?;
    within("y", written.y.into(), 0, 1024)?;
    let unit = match written.card {
        Card::Fifth => 8,
        Card::Sixth => 1,
    };
    for (key, value) in [("x", written.x), ("width", written.width)] {
        if value % unit != 0 {
            let expected = "a multiple of 8 pixels, as a 5K card measures";
            return Err(SettingsError::new(key, expected, value));
        }
    }
    Ok(Area {
        id: 0,
        x: written.x / unit,
        y: written.y,
        width: written.width / unit,
        height: written.height,
        sound: None,
        wrap: written.wrap,
        effect: written.effect,
        speed: written.speed,
        hold: 2 * written.hold_s.unwrap_or(4),
        text: Vec::new(),
    })
}

fn text(key: &str, written: Option<String>, default: &str) -> Result<String, SettingsError> {
    let text = written.unwrap_or_else(|| default.to_owned());
    let bytes = gbk::encode(&text, usize::MAX).len();
    if bytes > TEXT_BYTES_MAX {
        let expected = format!("at most {TEXT_BYTES_MAX} bytes in GBK");
        return Err(SettingsError::new(key, expected, bytes));
    }
    Ok(text)
}

fn template(key: &str, written: Option<String>, default: &str) -> Result<String, SettingsError> {
    let text = text(key, written, default)?;
    if text.contains("{ticket}") {
        return Ok(text);
    }
    let expected = "a text with {ticket} and perhaps {counter} in it";
    Err(SettingsError::new(key, expected, text))
}

/// A text from outside. The card takes a backslash for the beginning of a code, so a text gets
/// the wide one; rows are one row.
fn plain(text: &str) -> String {
    text.replace('\\', "＼").replace(['\n', '\r', '\t'], " ")
}

impl Settings {
    /// The text of a greeting; empty for a board that is dark when nobody is called.
    pub(crate) fn welcome(&self) -> Area {
        self.showing(&self.welcome)
    }

    pub(crate) fn pause(&self) -> Area {
        self.showing(&self.pause)
    }

    pub(crate) fn serving(&self, ticket: &TicketNumber) -> Area {
        self.showing(&self.serving.replace("{ticket}", ticket.as_str()))
    }

    pub(crate) fn call(&self, ticket: &TicketNumber, counter: &CounterId) -> Area {
        let fill = |template: &str| {
            template
                .replace("{counter}", counter.as_str())
                .replace("{ticket}", ticket.as_str())
        };
        let mut area = self.showing(&fill(&self.call));
        if self.speak_calls {
            let say = self.say.as_ref();
            let instead = say.map(|say| gbk::encode(&fill(say), TEXT_BYTES_MAX));
            area.sound = Some(Sound {
                instead,
                ..self.sound.clone()
            });
        }
        area
    }

    pub(crate) fn text(&self, text: &str, speak: bool) -> Area {
        let mut area = self.showing(&plain(text));
        area.sound = speak.then(|| self.sound.clone());
        area
    }

    fn showing(&self, text: &str) -> Area {
        let mut area = self.area.clone();
        area.text = gbk::encode(text, TEXT_BYTES_MAX);
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { tcp = 'h:5005' }\ncard = '5k'\nwidth = 64\nheight = 16\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "width: 8, height: 16");
        check(&GOOD.replace("5k", "6k"), "width: 64, height: 16");
        check(&GOOD.replace("5k", "5E"), "settings.card: expected `5k` or `6k`");
        check(
            &GOOD.replace("64", "60"),
            "settings.width: expected a multiple of 8 pixels",
        );
        let with = |line: &str| format!("{GOOD}{line}");
        check(&with("addres = 1"), "settings.addres");
        check(&with("address = 0"), "settings.address: expected 1 to 65534");
        check(&with("x = 4"), "settings.x: expected a multiple of 8");
        check(&with("y = 2000"), "settings.y: expected 0 to 1024");
        check(&with("effect = 'spin'"), "settings.effect");
        check(&with("volume = 11"), "settings.volume: expected 0 to 10");
        check(&with("voice = 6"), "settings.voice: expected 0 to 5");
        check(&with("voice_speed = 0"), "settings.voice_speed");
        check(&with("repeat = 16"), "settings.repeat");
        check(&with("speed = 25"), "settings.speed");
        check(&with("hold_s = 128"), "settings.hold_s");
        check(&with("retries = 11"), "settings.retries");
        check(&with("ack_timeout_ms = 5"), "settings.ack_timeout_ms");
        check(&with("call = '请到窗口'"), "settings.call: expected a text with {ticket}");
        check(&with("say = '请'"), "settings.say");
        let long = "请".repeat(241);
        check(
            &with(&format!("pause = '{long}'")),
            "settings.pause: expected at most 480 bytes in GBK, found 482",
        );
        check("card = '5k'\nwidth = 8\nheight = 8", "settings.link: expected a value");
    }

    #[test]
    fn a_text_from_outside_cannot_give_codes_to_the_card() {
        let settings = decode(toml::from_str(GOOD).unwrap()).unwrap();
        let shown = gbk::decode(&settings.text("\\C2红\n灯", false).text);
        assert_eq!(shown, "＼C2红 灯");
    }
}
