//! How a message travels: compressed, told from plain JSON by its first byte.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// First byte of a compressed message. No JSON begins with it.
const DEFLATED: u8 = 1;
/// Largest message after it is unpacked; a hall keeps its batches far below.
pub const UNPACKED_BYTES_MAX: usize = 4 << 20;

/// A message as it travels.
#[must_use]
pub fn pack(message: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::default());
    // Writing into memory does not fail.
    let packed = encoder.write_all(message).and_then(|()| encoder.finish());
    packed.unwrap_or_else(|_| message.to_owned())
}

/// Why a message cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    #[error("message is damaged: {0}")]
    Damaged(String),
    #[error("message is larger than {} MiB when unpacked", UNPACKED_BYTES_MAX >> 20)]
    TooLarge,
}

/// The message that came; what is not compressed is given as it is.
///
/// # Errors
/// [`UnpackError`]; a small message that unpacks to a huge one costs no more than the limit.
pub fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>, UnpackError> {
    let Some((&DEFLATED, packed)) = bytes.split_first() else {
        return Ok(Cow::Borrowed(bytes));
    };
    let mut message = Vec::new();
    let limit = UNPACKED_BYTES_MAX as u64 + 1;
    DeflateDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut message)
        .map_err(|error| UnpackError::Damaged(error.to_string()))?;
    if message.len() > UNPACKED_BYTES_MAX {
        return Err(UnpackError::TooLarge);
    }
    Ok(Cow::Owned(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_out_as_it_went_in_and_a_plain_one_as_it_is() {
        let message = br#"{"batch":{"protocol":1,"envelopes":[]}}"#.repeat(100);
        let packed = pack(&message);
        assert!(packed.len() < message.len() / 10, "{}", packed.len());
        assert_eq!(unpack(&packed).unwrap(), message);
        for plain in [&b"{}"[..], b"", b"\xff"] {
            assert_eq!(unpack(plain).unwrap(), plain);
        }
    }

    #[test]
    fn what_unpacks_to_too_much_and_what_is_damaged_is_refused() {
        let bomb = pack(&vec![b' '; UNPACKED_BYTES_MAX + 1]);
        assert!(bomb.len() < 64 << 10);
        assert_eq!(unpack(&bomb), Err(UnpackError::TooLarge));
        let mut cut = pack(br#"{"heartbeat":{"store":"wola"}}"#);
        cut.truncate(cut.len() / 2);
        assert!(matches!(unpack(&cut), Err(UnpackError::Damaged(_))));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let packed = pack(br#"{"heartbeat":{"store":"wola","number":12}}"#);
        for at in 0..packed.len() {
            for bit in 0..8 {
                let mut flipped = packed.clone();
                flipped[at] ^= 1 << bit;
                let _ = unpack(&flipped);
            }
        }
    }
}
