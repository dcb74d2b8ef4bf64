//! Text for instant-text frames.

use crate::gbk;

/// Longest text in bytes; two per Chinese character.
pub const TEXT_BYTES_MAX: usize = 96;

/// A text in GBK, as much of it as a frame takes. It never contains FF, the terminator of a frame.
#[must_use]
pub fn to_gbk(text: &str) -> Vec<u8> {
    gbk::encode(text, TEXT_BYTES_MAX)
}
