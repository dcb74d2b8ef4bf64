//! From a text to lamps.

use ab_glyph::{Font as _, FontVec, Glyph, OutlinedGlyph, Point, PxScale, point};

use super::{Bitmap, Font};

/// Smallest characters anybody reads, in pixels.
const SIZE_MIN: u16 = 8;
/// Part of a lamp a stroke must cover to light it. Strokes of small characters are thinner than a
/// lamp and often lie between two: at a half they would be torn.
const COVERED: f32 = 0.4;
/// As tall as a Chinese character gets: rows of ours stand on the same line whatever is in them.
const TALL: char = '国';
/// Pixels at which characters are measured: a rounded pixel is then a thousandth.
const MEASURE: f32 = 1000.0;

/// A text as it will be seen.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) picture: Bitmap,
    /// Characters the font does not have; boxes in the picture.
    pub(crate) missing: String,
}

/// A text that could not be read on so few pixels.
#[derive(Debug, thiserror::Error)]
#[error("the text is too long for {width}×{height} pixels")]
pub(crate) struct TooSmall {
    width: u16,
    height: u16,
}

impl Font {
    /// Draws a text as large as it fits, every line of it in the middle of a row.
    ///
    /// # Errors
    /// [`TooSmall`] when characters would have less than 8 pixels.
    pub(crate) fn draw(&self, text: &str, width: u16, height: u16) -> Result<Drawn, TooSmall> {
        let lines = lines(text);
        let rows = u16::try_from(lines.len().max(1)).unwrap_or(u16::MAX);
        let row = height / rows;
        let measure = self.measure(&lines);
        let size = measure.size(width, row);
        if size < SIZE_MIN {
            return Err(TooSmall { width, height });
        }
        let mut picture = Bitmap::dark(width, height);
        let first = f32::from((height - row * rows) / 2);
        for (line, n) in lines.iter().zip(0_u16..) {
            let baseline = first + f32::from(n * row) + measure.baseline(size, row);
            self.draw_line(line, size, baseline.round(), &mut picture);
        }
        let missing = self.missing(text);
        Ok(Drawn { picture, missing })
    }

    fn draw_line(&self, line: &str, size: u16, baseline: f32, picture: &mut Bitmap) {
        let size = f32::from(size);
        let mut pen = (f32::from(picture.width()) - self.advance(line) * size) / 2.0;
        for c in line.chars() {
            // On whole pixels the same character looks the same everywhere.
            if let Some(glyph) = self.outline(c, size, point(pen.round(), baseline)) {
                light(&glyph, picture);
            }
            pen += self.advance_of(c) * size;
        }
    }

    fn outline(&self, c: char, size: f32, position: Point) -> Option<OutlinedGlyph> {
        let letters: &FontVec = &self.letters;
        // A scale is the height of the font, a size that of its square.
        let squares = letters.height_unscaled() / letters.units_per_em()?;
        let scale = PxScale::from(size * squares);
        let id = letters.glyph_id(c);
        letters.outline_glyph(Glyph {
            id,
            scale,
            position,
        })
    }

    /// Of a line, in sizes.
    fn advance(&self, line: &str) -> f32 {
        line.chars().map(|c| self.advance_of(c)).sum()
    }

    fn advance_of(&self, c: char) -> f32 {
        let letters: &FontVec = &self.letters;
        let units = letters.units_per_em().unwrap_or(MEASURE);
        letters.h_advance_unscaled(letters.glyph_id(c)) / units
    }

    fn measure(&self, lines: &[String]) -> Measure {
        let tall = Some(TALL).filter(|tall| self.has(*tall));
        let mut measure = Measure::default();
        for c in lines.iter().flat_map(|line| line.chars()).chain(tall) {
            if let Some(glyph) = self.outline(c, MEASURE, point(0.0, 0.0)) {
                let bounds = glyph.px_bounds();
                measure.above = measure.above.max(-bounds.min.y / MEASURE);
                measure.below = measure.below.max(bounds.max.y / MEASURE);
            }
        }
        let advances = lines.iter().map(|line| self.advance(line));
        measure.advance = advances.fold(0.0, f32::max);
        measure
    }

    fn has(&self, c: char) -> bool {
        self.letters.glyph_id(c).0 != 0
    }

    fn missing(&self, text: &str) -> String {
        let mut missing = String::new();
        for c in text
            .chars()
            .filter(|c| !c.is_whitespace() && !c.is_control())
        {
            if !self.has(c) && !missing.contains(c) {
                missing.push(c);
            }
        }
        missing
    }
}

/// What lines take, in sizes: how far they reach above and below the line they stand on, and the
/// width of the longest.
#[derive(Debug, Default)]
struct Measure {
    above: f32,
    below: f32,
    advance: f32,
}

impl Measure {
    /// The largest size, in whole pixels, at which all lines fit.
    fn size(&self, width: u16, row: u16) -> u16 {
        let (width, row) = (f32::from(width), f32::from(row));
        let of_height = row / (self.above + self.below).max(1.0);
        let of_width = width / self.advance;
        // Whole pixels, and never more than a row: `as` ends at the bounds of the type.
        of_height.min(of_width).floor() as u16
    }

    /// Where a line stands in its row, in pixels from the top.
    fn baseline(&self, size: u16, row: u16) -> f32 {
        let size = f32::from(size);
        let free = f32::from(row) - (self.above + self.below) * size;
        free / 2.0 + self.above * size
    }
}

/// Control characters become blanks.
fn lines(text: &str) -> Vec<String> {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let lines = text.trim().lines();
    lines
        .map(|line| line.trim().chars().map(plain).collect())
        .collect()
}

fn light(glyph: &OutlinedGlyph, picture: &mut Bitmap) {
    let bounds = glyph.px_bounds();
    // What is left of the picture or above it stays dark.
    let place = |start: f32, at: u32| u16::try_from(start as i64 + i64::from(at)).ok();
    glyph.draw(|x, y, covered| {
        if covered < COVERED {
            return;
        }
        if let (Some(x), Some(y)) = (place(bounds.min.x, x), place(bounds.min.y, y)) {
            picture.light(x, y);
        }
    });
}
