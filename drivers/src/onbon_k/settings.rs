//! `settings` of an `onbon-k` device.

use serde::Deserialize;
use zhiban_vocabulary::command::Display;

use super::frame::{Area, Effect, Sound};
use crate::link::LinkSettings;
use crate::link::onbon::{self, Reach};
use crate::settings::within;
use crate::wording::{self, Wording, fill, names_a_ticket};
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
    pub(crate) reach: Reach,
    /// Without text and sound.
    area: Area,
    wording: Wording,
    speak_calls: bool,
    /// What is said of a call, when it is not what is shown.
    say: Option<String>,
    sound: Sound,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let area = area(&written)?;
    let sound = sound(&written)?;
    let reach = onbon::Written {
        link: written.link,
        address: written.address,
        ack_timeout_ms: written.ack_timeout_ms,
        retries: written.retries,
    };
    let wording = wording::Written {
        welcome: written.welcome,
        call: written.call,
        serving: written.serving,
        pause: written.pause,
    };
    let wording = wording.check()?;
    let sentences = [
        ("welcome", &wording.welcome),
        ("call", &wording.call),
        ("serving", &wording.serving),
        ("pause", &wording.pause),
    ];
    for (key, sentence) in sentences.into_iter().chain(written.say.iter().map(|say| ("say", say))) {
        fits(key, sentence)?;
    }
    if let Some(say) = &written.say {
        names_a_ticket("say", say)?;
    }
    Ok(Settings {
        reach: reach.check(1000)?,
        area,
        wording,
        speak_calls: written.speak_calls,
        say: written.say,
        sound,
    })
}

fn sound(written: &Written) -> Result<Sound, SettingsError> {
    let sound = Sound {
        voice: written.voice,
        repeat: written.repeat,
        volume: written.volume.unwrap_or(5),
        speed: written.voice_speed.unwrap_or(5),
        instead: None,
    };
    within("voice", sound.voice.into(), 0, 5)?;
    within("repeat", sound.repeat.into(), 0, 15)?;
    within("volume", sound.volume.into(), 0, 10)?;
    within("voice_speed", sound.speed.into(), 1, 10)?;
    Ok(sound)
}

/// The rectangle texts are shown in, in the units of the card.
fn area(written: &Written) -> Result<Area, SettingsError> {
    within("width", written.width.into(), 8, 4096)?;
    within("height", written.height.into(), 8, 1024)?;
    within("x", written.x.into(), 0, 4096)?;
    within("y", written.y.into(), 0, 1024)?;
    within("speed", written.speed.into(), 0, 24)?;
    within("hold_s", written.hold_s.unwrap_or(4).into(), 0, 127)?;
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

fn fits(key: &str, sentence: &str) -> Result<(), SettingsError> {
    let bytes = gbk::encode(sentence, usize::MAX).len();
    if bytes <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let expected = format!("at most {TEXT_BYTES_MAX} bytes in GBK");
    Err(SettingsError::new(key, expected, bytes))
}

/// A text from outside. The card takes a backslash for the beginning of a code, so a text gets
/// the wide one; rows are one row.
fn plain(text: &str) -> String {
    text.replace('\\', "＼").replace(['\n', '\r', '\t'], " ")
}

impl Settings {
    /// What the board shows and says; without text when it is to be dark.
    pub(crate) fn area(&self, display: &Display) -> Area {
        let text = match display {
            Display::Text { text, .. } => plain(text),
            other => self.wording.text(other),
        };
        let mut area = self.area.clone();
        area.text = gbk::encode(&text, TEXT_BYTES_MAX);
        area.sound = match display {
            Display::Call { .. } if self.speak_calls => Some(self.call_sound(display)),
            Display::Text { speak: true, .. } => Some(self.sound.clone()),
            _ => None,
        };
        area
    }

    fn call_sound(&self, call: &Display) -> Sound {
        let say = self.say.as_ref();
        let instead = say.map(|say| gbk::encode(&fill(say, call), TEXT_BYTES_MAX));
        Sound {
            instead,
            ..self.sound.clone()
        }
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
        let text = Display::Text {
            text: "\\C2红\n灯".into(),
            speak: false,
        };
        assert_eq!(gbk::decode(&settings.area(&text).text), "＼C2红 灯");
    }
}
