//! Drawings of a hall (图纸, E-02): what is taken for one, and how it goes down in pieces.
//!
//! The pieces of a drawing have its digest in their ids and take their numbers before it: a hall that
//! has the new drawing has all of it, and until then it shows the one before.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Content, Unfit, text};

/// What a drawing shows: floor plan, design rendering, circuits, water, network, something else.
pub const KINDS: &[&str] = &[
    "floor-plan",
    "design-rendering",
    "circuit",
    "water",
    "network",
    "other",
];
/// The kinds a hall has to have.
pub const COUNTED: &[&str] = KINDS.split_at(5).0;
/// What a drawing may be.
pub const MEDIA: &[&str] = &["image/png", "image/jpeg", "application/pdf"];
/// Largest drawing.
pub const DRAWING_BYTES_MAX: usize = 2_000_000;
/// Drawings of one hall.
pub const DRAWINGS_MAX: usize = 12;
/// Bytes of a piece; in base64 they stay below [`super::CONTENT_BYTES_MAX`].
const PIECE_BYTES: usize = 192 << 10;

/// What bytes are, by how they begin: a name or a header says anything.
#[must_use]
pub fn media_of(bytes: &[u8]) -> Option<&'static str> {
    let begins: [(&[u8], &str); 3] = [
        (b"\x89PNG\r\n\x1a\n", MEDIA[0]),
        (b"\xff\xd8\xff", MEDIA[1]),
        (b"%PDF-", MEDIA[2]),
    ];
    let found = begins.iter().find(|(begin, _)| bytes.starts_with(begin));
    found.map(|(_, media)| *media)
}

/// The digest of bytes as documents write it.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A drawing as a document says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    pub kind: String,
    pub title: String,
    pub media: String,
    pub bytes: u64,
    pub sha256: String,
    pub pieces: u64,
}

impl Drawing {
    /// What a document of a drawing says; `None` when it is none.
    #[must_use]
    pub fn of(content: &Content) -> Option<Self> {
        let word = |key| text(content, key).map(str::to_owned);
        let number = |key| content.get(key)?.as_u64();
        Some(Self {
            kind: word("kind")?,
            title: word("title")?,
            media: word("media")?,
            bytes: number("bytes")?,
            sha256: word("sha256")?,
            pieces: number("pieces")?,
        })
    }

    /// A new one.
    ///
    /// # Errors
    /// When the bytes are no drawing, or too many.
    pub fn new(kind: &str, title: &str, bytes: &[u8]) -> Result<Self, Unfit> {
        if bytes.len() > DRAWING_BYTES_MAX {
            let expected = format!("up to {DRAWING_BYTES_MAX} bytes");
            return Err(Unfit::new("file", expected, &bytes.len().into()));
        }
        let Some(media) = media_of(bytes) else {
            let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
            return Err(Unfit::new("file", "a PNG, JPEG or PDF", &begin.into()));
        };
        Ok(Self {
            kind: kind.into(),
            title: title.into(),
            media: media.into(),
            bytes: bytes.len() as u64,
            sha256: digest(bytes),
            pieces: bytes.len().div_ceil(PIECE_BYTES) as u64,
        })
    }

    /// As a document.
    #[must_use]
    pub fn content(&self) -> Content {
        let content = json!({"kind": self.kind, "title": self.title, "media": self.media,
            "bytes": self.bytes, "sha256": self.sha256, "pieces": self.pieces});
        content.as_object().cloned().unwrap_or_default()
    }

    /// How the ids of its pieces begin; `id` is that of the drawing.
    #[must_use]
    pub fn prefix(&self, id: &str) -> String {
        let short: String = self.sha256.chars().take(16).collect();
        format!("{id}.{short}.")
    }

    /// The ids of its pieces, in order.
    #[must_use]
    pub fn piece_ids(&self, id: &str) -> Vec<String> {
        let prefix = self.prefix(id);
        (0..self.pieces).map(|n| format!("{prefix}{n}")).collect()
    }

    /// The bytes of its pieces together; `None` while they are not those of this drawing.
    #[must_use]
    pub fn joined<'c>(&self, pieces: impl IntoIterator<Item = &'c Content>) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend(bytes_of(piece).ok()?);
        }
        (digest(&bytes) == self.sha256).then_some(bytes)
    }
}

/// The pieces of a drawing, in order.
#[must_use]
pub fn cut(bytes: &[u8]) -> Vec<Content> {
    let piece = |bytes: &[u8]| {
        let piece = json!({"digest": digest(bytes), "data": BASE64_STANDARD.encode(bytes)});
        piece.as_object().cloned().unwrap_or_default()
    };
    bytes.chunks(PIECE_BYTES).map(piece).collect()
}

/// The bytes of a piece.
///
/// # Errors
/// When they are not those it names.
pub(super) fn bytes_of(piece: &Content) -> Result<Vec<u8>, Unfit> {
    let data = text(piece, "data").unwrap_or_default();
    let bytes = BASE64_STANDARD
        .decode(data)
        .map_err(|error| Unfit::new("data", "base64", &error.to_string().into()))?;
    let found = digest(&bytes);
    match text(piece, "digest") == Some(found.as_str()) {
        true => Ok(bytes),
        false => {
            let named = piece.get("digest").cloned().unwrap_or(Value::Null);
            Err(Unfit::new("digest", found, &named))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::down::Family;
    use crate::masters::{CONTENT_BYTES_MAX, check};

    fn picture(len: usize) -> Vec<u8> {
        let noise = (0..len).map(|n| u8::try_from(n * n % 251).unwrap());
        let mut bytes: Vec<u8> = noise.collect();
        bytes[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
        bytes
    }

    #[test]
    fn a_drawing_is_cut_and_joined_and_a_changed_piece_is_seen() {
        for len in [8, PIECE_BYTES, PIECE_BYTES + 1, DRAWING_BYTES_MAX] {
            let bytes = picture(len);
            let drawing = Drawing::new("floor-plan", "一层", &bytes).unwrap();
            let content = drawing.content();
            assert_eq!(check(&Family::Drawing, &content), Ok(()));
            assert_eq!(Drawing::of(&content).as_ref(), Some(&drawing));
            let mut pieces = cut(&bytes);
            assert_eq!(pieces.len(), drawing.piece_ids("d").len());
            for piece in &pieces {
                assert_eq!(check(&Family::Piece, piece), Ok(()));
                assert!(Value::from(piece.clone()).to_string().len() < CONTENT_BYTES_MAX);
            }
            assert_eq!(drawing.joined(&pieces), Some(bytes));
            assert_eq!(drawing.joined(&pieces[1..]), None);
            pieces.reverse();
            assert_eq!(drawing.joined(&pieces).is_some(), pieces.len() == 1);
            pieces[0].insert("data".into(), "AAAA".into());
            assert!(check(&Family::Piece, &pieces[0]).is_err());
        }
    }

    #[test]
    fn bytes_are_judged_by_how_they_begin() {
        let refused = |bytes: &[u8]| Drawing::new("other", "x", bytes).unwrap_err();
        for bytes in [&b""[..], b"<svg>", b"<html>", b"GIF89a", b"\x89PNG"] {
            assert!(refused(bytes).expected.contains("PNG, JPEG or PDF"));
        }
        let large = picture(DRAWING_BYTES_MAX + 1);
        assert!(refused(&large).expected.contains("2000000 bytes"));
        assert_eq!(media_of(b"%PDF-1.7"), Some("application/pdf"));
        assert_eq!(media_of(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        let strange = Drawing::new("photo", "x", b"%PDF-1.7").unwrap();
        assert!(check(&Family::Drawing, &strange.content()).is_err());
    }
}
