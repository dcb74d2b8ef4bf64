//! Where letters come from: a font file of the box.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ab_glyph::FontVec;

/// Fonts with Chinese as Debian installs them, best first: the file, and which face of it has the
/// simplified characters.
const INSTALLED: [(&str, u32); 4] = [
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/opentype/unifont/unifont.otf", 0),
];

/// Fonts that are open: one with Chinese takes 20 MB, so boards share them.
static OPEN: Mutex<Vec<(PathBuf, u32, Weak<FontVec>)>> = Mutex::new(Vec::new());

/// An open font.
#[derive(Clone)]
pub(crate) struct Font {
    path: PathBuf,
    pub(super) letters: Arc<FontVec>,
}

/// Why a font cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FontError {
    #[error("{}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: no TrueType or OpenType font", path.display())]
    NoFont { path: PathBuf },
    #[error(
        "no font with Chinese characters: install fonts-noto-cjk, or name a file in settings.font"
    )]
    NotInstalled,
}

impl Font {
    /// # Errors
    /// [`FontError`] naming the file.
    pub(crate) fn open(path: &Path, face: u32) -> Result<Self, FontError> {
        let path = path.to_owned();
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(.., letters)| letters.strong_count() > 0);
        let is_same = |one: &&(PathBuf, u32, _)| one.0 == path && one.1 == face;
        let letters = open
            .iter()
            .find(is_same)
            .and_then(|(.., letters)| letters.upgrade());
        if let Some(letters) = letters {
            return Ok(Self { path, letters });
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(FontError::Unreadable { path, source }),
        };
        let Ok(letters) = FontVec::try_from_vec_and_index(bytes, face) else {
            return Err(FontError::NoFont { path });
        };
        let letters = Arc::new(letters);
        open.push((path.clone(), face, Arc::downgrade(&letters)));
        Ok(Self { path, letters })
    }

    /// The best of those that are installed.
    ///
    /// # Errors
    /// [`FontError::NotInstalled`], which says what to install.
    pub(crate) fn installed() -> Result<Self, FontError> {
        let mut fonts = INSTALLED.iter();
        let font = fonts.find_map(|(path, face)| Self::open(Path::new(path), *face).ok());
        font.ok_or(FontError::NotInstalled)
    }
}

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Font({})", self.path.display())
    }
}
