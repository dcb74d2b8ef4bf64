//! A dynamic area: a rectangle of the screen and the pictures it shows one after the other.
//!
//! ```text
//! COUNT16 | LEN32 ID RUN TIMEOUT16 ALL N16 N×PROGRAMME16 PLAY 0000 0000 10 X16 Y16 W16 H16
//!   FRAME GROUND CLEARNESS SAME SOUND 0×5 PAGES16 | each page | pictures         LEN = ID to the last page
//! page  LEN32 STYLE EFFECT EXIT SPEED HOLD16 TIMES VALID16 0×9 AT32 LEN32        AT = in the pictures
//! ```

use std::fmt;

/// Rests on the last picture once it is shown.
const REST: u8 = 1;
/// As the vendor's client leaves it; it matters to other ways to run only.
const TIMEOUT: u16 = 60;
const ALL_PROGRAMMES: u8 = 1;
/// The board's own programme stops, or goes on around the area.
const ALONE: u8 = 1;
const AROUND: u8 = 0;
/// Type of area: dynamic.
const DYNAMIC: u8 = 0x10;
/// Without frame, ground and sound.
const PLAIN: [u8; 10] = [0; 10];
/// Still, at once, then as the vendor's client leaves it: speed 10, for 4 s, once.
const PAGE: [u8; 7] = [0, 1, 1, 10, 0x90, 0x01, 1];
const PAGE_LENGTH: usize = 26;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// 0 to 31
    pub id: u8,
    /// Whether the board's own programme stops while the area is there.
    pub alone: bool,
    /// In pixels; so are `y`, `width` and `height`.
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
    /// In the form of the screen: see [`super::lamps`].
    pub pictures: Vec<Vec<u8>>,
}

impl Area {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut area = vec![self.id, REST];
        area.extend(TIMEOUT.to_le_bytes());
        area.extend([ALL_PROGRAMMES, 0, 0]);
        area.push(if self.alone { ALONE } else { AROUND });
        area.extend([0, 0, 0, 0, DYNAMIC]);
        for number in [self.x, self.y, self.width, self.height] {
            area.extend(number.to_le_bytes());
        }
        area.extend(PLAIN);
        let count = u16::try_from(self.pictures.len()).unwrap_or(u16::MAX);
        area.extend(count.to_le_bytes());
        let mut at = 0;
        for picture in &self.pictures {
            area.extend(long(PAGE_LENGTH));
            area.extend(PAGE);
            area.extend(self.width.to_le_bytes());
            area.extend([0; 9]);
            area.extend(long(at));
            area.extend(long(picture.len()));
            at += picture.len();
        }
        [&[1, 0], &long(area.len())[..], &area, &self.pictures.concat()].concat()
    }

    /// `None` when it is not one area, silent, with all its pictures.
    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        let mut data = Reader(data);
        if data.short()? != 1 {
            return None;
        }
        let length = data.long()?;
        let mut area = Reader(data.take(length)?);
        let [id, ..] = *area.array::<5>()?;
        let programmes = usize::from(area.short()?);
        area.take(2 * programmes)?;
        let [play, .., DYNAMIC] = *area.array::<6>()? else {
            return None;
        };
        let (x, y) = (area.short()?, area.short()?);
        let (width, height) = (area.short()?, area.short()?);
        if *area.array()? != PLAIN {
            return None;
        }
        let count = area.short()?;
        let pages = (0..count).map(|_| page(&mut area, data.0));
        let pictures = pages.collect::<Option<_>>()?;
        area.0.is_empty().then_some(Self {
            id,
            alone: play == ALONE,
            x,
            y,
            width,
            height,
            pictures,
        })
    }
}

/// The picture of the next page.
fn page(area: &mut Reader<'_>, pictures: &[u8]) -> Option<Vec<u8>> {
    let length = area.long()?;
    let page = area.take(length)?;
    if page.len() != PAGE_LENGTH {
        return None;
    }
    let mut place = Reader(page.get(PAGE_LENGTH - 8..)?);
    let (at, length) = (place.long()?, place.long()?);
    Some(pictures.get(at..)?.get(..length)?.to_vec())
}

fn long(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// What is left of some bytes.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        self.take(N)?.first_chunk()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.array()?))
    }

    fn long(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(*self.array()?)).ok()
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height, x, y) = (self.width, self.height, self.x, self.y);
        write!(f, "area {}, {width}×{height} at {x},{y}", self.id)?;
        if !self.alone {
            f.write_str(" beside the programme")?;
        }
        match self.pictures.len() {
            1 => Ok(()),
            pictures => write!(f, ", {pictures} pictures"),
        }
    }
}
