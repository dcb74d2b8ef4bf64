//! A dynamic area: a rectangle of the board with something to show and perhaps to say.
//!
//! ```text
//! LEN16 00 X16 Y16 W16 H16 ID LINESPACE RUN TIMEOUT16 SOUND [REPEAT|VOICE VOLUME SPEED [LEN32 spoken]]
//! 00 ALIGN SINGLE WRAP EFFECT EXIT SPEED HOLD LEN32 text                         LEN = all behind it
//! ```

use std::fmt;

use serde::Deserialize;

use crate::gbk;

/// Type of area: dynamic.
const DYNAMIC: u8 = 0;
/// Shown in rows, not in one line.
const ROWS: u8 = 2;
const WRAP_NOT: u8 = 1;
const WRAP: u8 = 2;
const SILENT: u8 = 0;
const SPEAK_TEXT: u8 = 1;
const SPEAK_OTHER: u8 = 2;

/// The first part, up to the sound.
const PLACE: usize = 14;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Numbered from 0 without gap.
    pub id: u8,
    /// In 8 pixels on a BX-5K, in pixels on a BX-6K; so is `width`.
    pub x: u16,
    /// In pixels; so is `height`.
    pub y: u16,
    pub width: u16,
    pub height: u16,
    pub sound: Option<Sound>,
    /// Whether the card breaks the text into rows itself.
    pub wrap: bool,
    pub effect: Effect,
    /// 0 is the fastest.
    pub speed: u8,
    /// Half seconds a page stays.
    pub hold: u8,
    /// In GBK, with the card's own codes such as `\C2` for green.
    pub text: Vec<u8>,
}

/// How the card's voice speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// 0 to 5
    pub voice: u8,
    /// Times it is said again, 0 to 15.
    pub repeat: u8,
    /// 0 to 10, 0 is silent.
    pub volume: u8,
    /// 1 to 10
    pub speed: u8,
    /// What is said, in GBK, when it is not the text.
    pub instead: Option<Vec<u8>>,
}

/// How a text comes onto the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Effect {
    Still = 1,
    #[default]
    AtOnce = 2,
    Left = 3,
    Right = 4,
    Up = 5,
    Down = 6,
}

impl Effect {
    pub(super) const ALL: [Self; 6] = [
        Self::Still,
        Self::AtOnce,
        Self::Left,
        Self::Right,
        Self::Up,
        Self::Down,
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| *effect as u8 == code)
    }
}

impl Area {
    pub(super) fn encode(&self, data: &mut Vec<u8>) {
        let mut area = vec![DYNAMIC];
        for number in [self.x, self.y, self.width, self.height] {
            area.extend(number.to_le_bytes());
        }
        // No space between rows, shown in a loop; the time of 5 s matters to other ways only.
        area.extend([self.id, 0, 0, 5, 0]);
        encode_sound(self.sound.as_ref(), &mut area);
        // No further parameters, aligned as the card is set.
        area.extend([0, 0, ROWS]);
        area.push(if self.wrap { WRAP } else { WRAP_NOT });
        area.extend([self.effect as u8, 0, self.speed, self.hold]);
        encode_text(&self.text, &mut area);
        data.extend(u16::try_from(area.len()).unwrap_or(u16::MAX).to_le_bytes());
        data.extend(area);
    }

    /// The area at the front and what is behind it; `None` when it is none.
    pub(super) fn decode(data: &[u8]) -> Option<(Self, &[u8])> {
        let (length, data) = data.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        let (area, behind) = data.split_at_checked(length)?;
        let (place, rest) = area.split_first_chunk::<PLACE>()?;
        if place[0] != DYNAMIC {
            return None;
        }
        let number = |at: usize| u16::from_le_bytes([place[at], place[at + 1]]);
        let (sound, rest) = decode_sound(rest)?;
        let ([0, _, _, wrap, effect, _, speed, hold], rest) = rest.split_first_chunk::<8>()? else {
            return None;
        };
        let (text, rest) = decode_text(rest)?;
        let area = Self {
            id: place[9],
            x: number(1),
            y: number(3),
            width: number(5),
            height: number(7),
            sound,
            wrap: *wrap == WRAP,
            effect: Effect::from_code(*effect)?,
            speed: *speed,
            hold: *hold,
            text,
        };
        rest.is_empty().then_some((area, behind))
    }
}

fn encode_sound(sound: Option<&Sound>, area: &mut Vec<u8>) {
    let Some(sound) = sound else {
        return area.push(SILENT);
    };
    let other = sound.instead.is_some();
    area.push(if other { SPEAK_OTHER } else { SPEAK_TEXT });
    area.push(sound.repeat << 4 | sound.voice & 0x0F);
    area.extend([sound.volume, sound.speed]);
    if let Some(spoken) = &sound.instead {
        encode_text(spoken, area);
    }
}

fn decode_sound(rest: &[u8]) -> Option<(Option<Sound>, &[u8])> {
    let (mode, rest) = rest.split_first()?;
    if *mode == SILENT {
        return Some((None, rest));
    }
    let ([manner, volume, speed], mut rest) = rest.split_first_chunk::<3>()?;
    let instead = match *mode {
        SPEAK_TEXT => None,
        SPEAK_OTHER => {
            let (spoken, behind) = decode_text(rest)?;
            rest = behind;
            Some(spoken)
        }
        _ => return None,
    };
    let sound = Sound {
        voice: manner & 0x0F,
        repeat: manner >> 4,
        volume: *volume,
        speed: *speed,
        instead,
    };
    Some((Some(sound), rest))
}

fn encode_text(text: &[u8], area: &mut Vec<u8>) {
    area.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    area.extend(text);
}

fn decode_text(rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((text.to_vec(), rest))
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "area {} {}", self.id, gbk::decode(&self.text))?;
        match &self.sound {
            None => Ok(()),
            Some(Sound { instead: None, .. }) => f.write_str(", spoken"),
            Some(Sound {
                instead: Some(spoken),
                ..
            }) => write!(f, ", saying {}", gbk::decode(spoken)),
        }
    }
}
