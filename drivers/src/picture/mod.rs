//! Texts as pictures, for boards without fonts of their own: every lamp is lit or dark.

mod draw;
mod font;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use font::{Font, FontError};

/// A picture of one bit per lamp, rows from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitmap {
    width: u16,
    height: u16,
    lit: Vec<bool>,
}

impl Bitmap {
    /// With the lamps lit of which column and row say so.
    #[must_use]
    pub fn of(width: u16, height: u16, is_lit: impl Fn(u16, u16) -> bool) -> Self {
        let lamps = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let lit = lamps.map(|(x, y)| is_lit(x, y)).collect();
        Self { width, height, lit }
    }

    #[must_use]
    pub fn dark(width: u16, height: u16) -> Self {
        Self::of(width, height, |_, _| false)
    }

    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    #[must_use]
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Outside it is dark.
    #[must_use]
    pub fn is_lit(&self, x: u16, y: u16) -> bool {
        self.at(x, y).is_some_and(|at| self.lit[at])
    }

    /// Outside nothing happens.
    pub fn light(&mut self, x: u16, y: u16) {
        if let Some(at) = self.at(x, y) {
            self.lit[at] = true;
        }
    }

    /// From the left, row by row.
    pub fn lamps(&self) -> impl Iterator<Item = bool> + '_ {
        self.lit.iter().copied()
    }

    fn at(&self, x: u16, y: u16) -> Option<usize> {
        let is_inside = x < self.width && y < self.height;
        is_inside.then(|| usize::from(y) * usize::from(self.width) + usize::from(x))
    }
}

/// A row of text for a row of lamps: `#` is lit.
impl fmt::Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for y in 0..self.height {
            let row = (0..self.width).map(|x| if self.is_lit(x, y) { '#' } else { '.' });
            writeln!(f, "{}", row.collect::<String>())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}\n{self}", self.width, self.height)
    }
}
