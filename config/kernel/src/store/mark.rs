//! Damage: the mark a program leaves beside a database it can no longer trust, for the next start, and
//! the sums by which a row is known to be what was written.

use std::path::{Path, PathBuf};

use rusqlite::ffi;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Store, WriterState};
use crate::runtime::write_atomically;

/// The mark beside a database.
pub(crate) fn mark_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-damaged");
    name.into()
}

/// What was met, where a mark stands.
pub(crate) fn found_mark(file: &Path) -> Option<String> {
    let bytes = std::fs::read(mark_file(file)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Leaves the mark. Where even that fails, the check of the next start is what remains.
pub(crate) fn leave_mark(file: &Path, reason: &str) {
    if let Err(error) = write_atomically(&mark_file(file), reason.as_bytes()) {
        let file = file.display();
        tracing::error!(%file, %error, "no mark could be left beside the damaged database");
    }
}

/// # Errors
/// When it stands and cannot be removed.
pub(crate) fn clear_mark(file: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(mark_file(file)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Store {
    /// Stops the writer for good and leaves the mark: something on disk is not what was written.
    /// Blocks for the time of a small write.
    pub fn condemn(&self, reason: &str) {
        condemn(&self.file, &self.state, reason);
    }

    /// Ends the program when its database is found to be damaged: only a start anew mends it.
    pub async fn end_when_damaged(self, stop: CancellationToken) {
        let mut state = self.state();
        // No handle is held: the writer ends with the last one.
        drop(self);
        tokio::select! {
            () = stop.cancelled() => {}
            found = state.wait_for(|state| state.is_damaged) => {
                if found.is_ok() {
                    stop.cancel();
                }
            }
        }
        stop.cancelled().await;
    }
}

pub(super) fn condemn(file: &Path, state: &watch::Sender<WriterState>, reason: &str) {
    if state.borrow().is_damaged {
        return;
    }
    tracing::error!(
        reason,
        "the database is damaged: writes are refused, the next start mends it"
    );
    leave_mark(file, reason);
    state.send_modify(|state| {
        state.stopped = Some(format!("database is damaged: {reason}"));
        state.is_damaged = true;
    });
}

/// The sum of a row's parts, as they follow each other: CRC-32, which no single flipped bit passes.
#[must_use]
pub fn row_sum(parts: &[&[u8]]) -> i64 {
    let mut sum = flate2::Crc::new();
    for part in parts {
        // The length keeps "ab" + "c" apart from "a" + "bc".
        sum.update(&(part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    sum.sum().into()
}

/// The error of a row that is not what was written; whoever meets it stops the writer.
#[must_use]
pub fn damaged_row(table: &str, row: impl std::fmt::Display) -> rusqlite::Error {
    let text = format!("{table} {row} is not what was written: its sum does not fit");
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(text))
}
