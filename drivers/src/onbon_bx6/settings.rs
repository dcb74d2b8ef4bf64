//! `settings` of an `onbon-bx6` device.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::frame::lamps::Colour;
use crate::SettingsError;
use crate::link::LinkSettings;
use crate::link::onbon::{self, Reach};
use crate::picture::Font;
use crate::settings::within;
use crate::wording::{self, Wording};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    address: Option<u16>,
    #[serde(default)]
    x: u16,
    #[serde(default)]
    y: u16,
    width: Option<u16>,
    height: Option<u16>,
    #[serde(default)]
    colour: Colour,
    font: Option<PathBuf>,
    #[serde(default)]
    keep_programme: bool,
    welcome: Option<String>,
    call: Option<String>,
    serving: Option<String>,
    pause: Option<String>,
    remove_at_start: Option<bool>,
    ack_timeout_ms: Option<u64>,
    retries: Option<u32>,
}

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) reach: Reach,
    /// Where texts are shown, in pixels.
    pub(crate) x: u16,
    pub(crate) y: u16,
    /// To the edge of the screen when not given; so is `height`.
    pub(crate) width: Option<u16>,
    pub(crate) height: Option<u16>,
    pub(crate) colour: Colour,
    /// One of those installed when not given.
    pub(crate) font: Option<Font>,
    /// Whether the board's own programme goes on around texts.
    pub(crate) keep_programme: bool,
    pub(crate) wording: Wording,
    /// Whether dynamic areas another program left behind are taken away at the start.
    pub(crate) remove_at_start: bool,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    within("x", written.x.into(), 0, 4096)?;
    within("y", written.y.into(), 0, 1024)?;
    within("width", written.width.unwrap_or(8).into(), 8, 4096)?;
    within("height", written.height.unwrap_or(8).into(), 8, 1024)?;
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
    Ok(Settings {
        reach: reach.check(2000)?,
        x: written.x,
        y: written.y,
        width: written.width,
        height: written.height,
        colour: written.colour,
        font: written.font.map(|path| font(&path)).transpose()?,
        keep_programme: written.keep_programme,
        wording: wording.check()?,
        remove_at_start: written.remove_at_start.unwrap_or(false),
    })
}

fn font(path: &Path) -> Result<Font, SettingsError> {
    let expected = "a TrueType or OpenType font of this machine";
    Font::open(path, 0).map_err(|error| SettingsError::new("font", expected, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "link = { tcp = 'h:5005' }\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "address: 65534, ack_timeout: 2s, retries: 2 }, x: 0, y: 0, width: None");
        check(GOOD, "colour: Red, font: None, keep_programme: false");
        let with = |line: &str| format!("{GOOD}{line}");
        check(&with("addres = 1"), "settings.addres");
        check(&with("address = 0"), "settings.address: expected 1 to 65534, found 0");
        check(&with("address = 65535"), "settings.address");
        check(&with("ack_timeout_ms = 5"), "settings.ack_timeout_ms: expected 20 to 10000");
        check(&with("retries = 11"), "settings.retries: expected 0 to 10, found 11");
        check(&with("x = 4097"), "settings.x: expected 0 to 4096");
        check(&with("y = 1025"), "settings.y: expected 0 to 1024");
        check(&with("width = 7"), "settings.width: expected 8 to 4096, found 7");
        check(&with("height = 0"), "settings.height: expected 8 to 1024");
        check(&with("colour = 'pink'"), "settings.colour: expected one of");
        check(&with("call = '请到窗口'"), "settings.call: expected a text with {ticket}");
        check(
            &with("font = '/nowhere/at.ttf'"),
            "settings.font: expected a TrueType or OpenType font of this machine, found /nowhere",
        );
        check("address = 1", "settings.link: expected a value, found nothing");
    }
}
