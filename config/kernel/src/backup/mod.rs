//! Backups: one file with everything a program needs to go on, proved by being read back.
//!
//! A backup is a `.tar.gz` of the database, the secrets of the data folder and the configuration,
//! behind a manifest that names each file with size and SHA-256. It holds secrets: password hashes,
//! tokens of devices, private keys. It is readable by its owner only, and whoever has it has the box.
//!
//! ```text
//!   database --one snapshot--> scratch copy --> archive.part --read back, opened, counted--> archive
//! ```

mod archive;
mod heal;
mod manifest;
mod nightly;
mod restore;
mod sound;
mod take;
#[cfg(test)]
mod tests;
mod wal;

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::StoreError;
use crate::said::Said;

pub use heal::{Incident, Outcome, begin_anew, incidents, open_mended};
pub use manifest::Manifest;
pub use nightly::{Nightly, NightlyState};
pub use restore::{Restored, finish_restore, restore};
pub use take::{Taken, keep_newest, newest, place_of, take, taken_at};

pub use zhiban_config::shared::BACKUP_FOLDER as FOLDER;

/// What a centre notes of its trust beside the database. It outlives a restore, so it is in no backup.
pub const TRUST_LEDGER: &str = "trust.jsonl";

/// A program whose data is backed up.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Such as `zhiban-gateway`.
    pub program: &'static str,
    pub version: &'static str,
    /// Tells this installation from others, such as the store of a hall.
    pub id: String,
    pub data: PathBuf,
    /// Name of the database in the data folder.
    pub database: &'static str,
    /// The database is a server's, which has backups of its own; the rest is backed up.
    pub is_elsewhere: bool,
    pub config: PathBuf,
    /// Brings a database to today's shape; refuses one that is newer.
    pub migrate: fn(&mut Connection) -> Result<(), StoreError>,
    /// Reads through a database as the program does.
    pub read_through: fn(&Connection) -> Result<(), StoreError>,
    /// Brings what a damaged database (the first) holds beyond a backup that was put back (the second)
    /// over, as far as each row is proved.
    pub rescue: fn(&Connection, &Connection) -> Result<Rescued, StoreError>,
    /// Tells whoever should know what happened, in the database itself.
    pub tell: fn(&Connection, &Said) -> Result<(), StoreError>,
}

impl Subject {
    fn config_name(&self) -> String {
        let name = self.config.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// What became of the rows a damaged database had and the backup has not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Rows that were proved and brought over.
    pub rows: u64,
    /// Rows among them that could not be read or proved.
    pub lost: u64,
    /// What came after them could not be read at all: how many that were, nobody knows.
    pub is_end_unknown: bool,
}

/// Why something was not backed up or restored. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("{}: expected {needed} free bytes, found {free}", folder.display())]
    NoRoom {
        folder: PathBuf,
        needed: u64,
        free: u64,
    },
    /// Not a backup, or no longer as it was written.
    #[error("{} is damaged: {problem}", file.display())]
    Damaged { file: PathBuf, problem: String },
    #[error("{}: expected a backup of {expected}, found one of {found}", file.display())]
    Foreign {
        file: PathBuf,
        expected: String,
        found: String,
    },
    #[error(
        "{} was made by {program} {version}, which is newer than this program: {problem}",
        file.display()
    )]
    Newer {
        file: PathBuf,
        program: String,
        version: String,
        problem: String,
    },
    #[error("{}: {error}; stop the service first", data.display())]
    Running { data: PathBuf, error: io::Error },
    /// The database of the program; it is as it was found.
    #[error("{} is damaged ({reason}) and was not mended: {problem}", file.display())]
    Unmended {
        file: PathBuf,
        reason: String,
        problem: String,
    },
    #[error("{} is sound: there is nothing to begin anew for", .0.display())]
    Sound(PathBuf),
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl BackupError {
    /// Whether what was backed up may be what is wrong.
    fn may_be_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::Database(_) | Self::Store(_)
        )
    }
}

/// Names the file in an error.
fn of(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.to_owned();
    |error| BackupError::File { file, error }
}

fn damaged(file: &Path, problem: impl Into<String>) -> BackupError {
    BackupError::Damaged {
        file: file.to_owned(),
        problem: problem.into(),
    }
}
