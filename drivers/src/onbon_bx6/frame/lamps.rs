//! Pictures in the form of a screen.
//!
//! Lamps of one, two or three colours: a plane for red, one for green, one for blue, each of rows of
//! 32-bit words, low byte first; the highest bit is the left lamp, and 0 is lit. Words begin where the
//! screen has a multiple of 32, so an area in between begins with lamps that are not its own. Lamps of
//! all colours: three bytes each, red, green, blue.

use serde::Deserialize;

use crate::picture::Bitmap;

const WORD: u16 = 32;

/// What lamps a screen has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lamps {
    OneColour,
    TwoColours,
    ThreeColours,
    AllColours,
}

/// What a text is shown in. A screen of one colour has that, and one without blue shows white as
/// yellow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    #[default]
    Red,
    Green,
    Yellow,
    White,
}

impl Colour {
    /// Whether there is red, green and blue in it.
    fn parts(self) -> [bool; 3] {
        match self {
            Self::Red => [true, false, false],
            Self::Green => [false, true, false],
            Self::Yellow => [true, true, false],
            Self::White => [true, true, true],
        }
    }
}

impl Lamps {
    pub const ALL: [Self; 4] = [
        Self::OneColour,
        Self::TwoColours,
        Self::ThreeColours,
        Self::AllColours,
    ];

    /// As a card says it of its screen.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::OneColour => 1,
            Self::TwoColours => 3,
            Self::ThreeColours => 7,
            Self::AllColours => 0xFF,
        }
    }

    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lamps| lamps.code() == code)
    }

    fn planes(self) -> usize {
        match self {
            Self::OneColour => 1,
            Self::TwoColours => 2,
            Self::ThreeColours | Self::AllColours => 3,
        }
    }

    /// Bytes of a picture at this column of the screen.
    #[must_use]
    pub fn length(self, x: u16, width: u16, height: u16) -> usize {
        let row = match self {
            Self::AllColours => 3 * usize::from(width),
            _ => 4 * words(x, width) * self.planes(),
        };
        row * usize::from(height)
    }

    /// The bytes of a picture at this column of the screen.
    #[must_use]
    pub fn write(self, picture: &Bitmap, colour: Colour, x: u16) -> Vec<u8> {
        let parts = match self {
            Self::OneColour => [true; 3],
            _ => colour.parts(),
        };
        if self == Self::AllColours {
            let lit = parts.map(|part| if part { 0xFF } else { 0 });
            let lamps = picture.lamps().map(|is_lit| if is_lit { lit } else { [0; 3] });
            return lamps.flatten().collect();
        }
        let planes = parts[..self.planes()].iter();
        planes.flat_map(|part| plane(picture, *part, x)).collect()
    }

    /// `None` when the bytes are not of that size. A lamp is lit whatever its colour.
    #[must_use]
    pub fn read(self, bytes: &[u8], x: u16, width: u16, height: u16) -> Option<Bitmap> {
        if bytes.len() != self.length(x, width, height) {
            return None;
        }
        let (stride, row) = (usize::from(width), 4 * words(x, width));
        if self == Self::AllColours {
            let is_lit = |column: u16, y: u16| {
                let at = 3 * (usize::from(y) * stride + usize::from(column));
                bytes[at..at + 3].iter().any(|part| *part != 0)
            };
            return Some(Bitmap::of(width, height, is_lit));
        }
        let plane = row * usize::from(height);
        let is_lit = |column: u16, y: u16| {
            let place = usize::from(x % WORD) + usize::from(column);
            // The highest bits of a word are in its last byte.
            let at = row * usize::from(y) + 4 * (place / 32) + 3 - place % 32 / 8;
            let mut planes = bytes.chunks(plane);
            planes.any(|plane| plane[at] & (0x80 >> (place % 8)) == 0)
        };
        Some(Bitmap::of(width, height, is_lit))
    }
}

/// Words of a row that begins at this column of the screen.
fn words(x: u16, width: u16) -> usize {
    (usize::from(x % WORD) + usize::from(width)).div_ceil(usize::from(WORD))
}

fn plane(picture: &Bitmap, is_lit: bool, x: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for y in 0..picture.height() {
        let mut row = vec![u32::MAX; words(x, picture.width())];
        for column in (0..picture.width()).filter(|column| is_lit && picture.is_lit(*column, y)) {
            let place = usize::from(x % WORD) + usize::from(column);
            row[place / 32] &= !(0x8000_0000 >> (place % 32));
        }
        bytes.extend(row.into_iter().flat_map(u32::to_le_bytes));
    }
    bytes
}
