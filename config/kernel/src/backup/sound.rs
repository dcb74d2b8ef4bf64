//! Whether a database nobody has open is what was written.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{BackupError, Subject, wal};
use crate::StoreError;
use crate::store::{clear_mark, found_mark, log_file};

/// Up to this size every start reads the whole database, which takes a second or two; larger ones are
/// read by the nightly backup.
const READ_AT_START_BYTES: u64 = 64 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Sound,
    /// It is one whole, but the last of what was committed is gone with the end of its log.
    CutShort(String),
    Damaged(String),
}

/// Judges the database of `subject`: by a mark of an earlier run, by its log, by reading it.
///
/// # Errors
/// When it cannot be read for a reason that is not damage.
pub(super) fn judge(subject: &Subject) -> Result<Verdict, BackupError> {
    let file = subject.data.join(subject.database);
    // Where the rest of a hall or a centre is, its database was, too.
    let rest = [super::heal::EPOCH, super::TRUST_LEDGER];
    let was_there = rest.iter().any(|name| subject.data.join(name).exists());
    let found = match std::fs::metadata(&file) {
        Err(_) if was_there => return Ok(Verdict::Damaged("the file is gone".into())),
        Err(_) => return Ok(Verdict::Sound),
        Ok(found) => found,
    };
    if found.len() == 0 && was_there {
        return Ok(Verdict::Damaged("the file is empty".into()));
    }
    let mark = found_mark(&file);
    let log = log_file(&file);
    let lost = wal::lost_frames(&log).map_err(super::of(&log))?;
    let depth = match (&mark, &lost) {
        (None, None) if found.len() > READ_AT_START_BYTES => Depth::Schema,
        _ => Depth::Whole,
    };
    if let Some(reason) = damage_in(subject, &file, depth)? {
        return Ok(Verdict::Damaged(reason));
    }
    if let Some(lost) = lost {
        return Ok(Verdict::CutShort(lost));
    }
    if let Some(reason) = mark {
        tracing::warn!(reason, "the database was marked as damaged, and reads well");
        clear_mark(&file).map_err(super::of(&file))?;
    }
    Ok(Verdict::Sound)
}

/// How much of a database is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Schema,
    /// Every page, every index against its table, and every row the program can prove.
    Whole,
}

/// What is wrong with a database; also while it is in use.
pub(super) fn damage_in(
    subject: &Subject,
    file: &Path,
    depth: Depth,
) -> Result<Option<String>, BackupError> {
    let read = || -> Result<String, StoreError> {
        let connection = open_as_it_is(file)?;
        let text = |sql| connection.query_row(sql, [], |row| row.get(0));
        let said: String = match depth {
            Depth::Schema => text("select 'ok' from sqlite_schema limit 1").or_else(not_there)?,
            Depth::Whole => text("pragma integrity_check(1)")?,
        };
        if said == "ok" && depth == Depth::Whole {
            (subject.read_through)(&connection)?;
        }
        Ok(said)
    };
    match read() {
        Ok(said) if said == "ok" => Ok(None),
        Ok(reason) | Err(StoreError::Damaged(reason)) => Ok(Some(reason)),
        // What else the program finds, such as a changed audit log, is for people to judge; a
        // database of an earlier version is brought to today's shape later.
        Err(error @ (StoreError::Database(_) | StoreError::Refused(_))) => {
            tracing::debug!(%error, "the database could not be read through");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A database in which nothing is yet.
fn not_there(error: rusqlite::Error) -> rusqlite::Result<String> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok("ok".into()),
        error => Err(error),
    }
}

/// Opens a database and leaves its log as it stands.
pub(super) fn open_as_it_is(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.execute_batch("pragma cell_size_check = on; pragma trusted_schema = off")?;
    Ok(connection)
}
