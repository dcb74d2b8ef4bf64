//! The epoch: one life of the hall's database.
//!
//! A copy is kept in a file outside the database. A database that is restored from a backup, or a
//! disk that is cloned without the file, disagrees with it and starts a new epoch, so that
//! numbers it gives again are never taken for ones the centre has.

use std::path::{Path, PathBuf};

use rand::RngExt;
use zhiban_kernel::runtime::write_atomically;
use zhiban_kernel::{Store, StoreError};
use zhiban_vocabulary::envelope::Epoch;

use crate::journal::{set_value, value};

const EPOCH: &str = "epoch";

/// The epoch of `store`, a new one where file and database disagree.
///
/// # Errors
/// When database or file cannot be written.
pub async fn open_epoch(store: &Store, data: &Path) -> Result<Epoch, StoreError> {
    let kept = store
        .read(|connection| Ok(value(connection, EPOCH)?))
        .await?;
    let copy: Option<i64> = std::fs::read_to_string(copy_in(data))
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if kept != 0 && copy == Some(kept) {
        return Ok(Epoch(kept.unsigned_abs()));
    }
    if kept != 0 || copy.is_some() {
        tracing::warn!("database and epoch file disagree (restored or cloned?): new epoch");
    }
    renew_epoch(store, data).await
}

/// Starts a new epoch.
///
/// # Errors
/// When database or file cannot be written.
pub(super) async fn renew_epoch(store: &Store, data: &Path) -> Result<Epoch, StoreError> {
    let epoch: i64 = rand::rng().random_range(1..1 << 53);
    store
        .write(move |connection| Ok(set_value(connection, EPOCH, epoch)?))
        .await?;
    let file = copy_in(data);
    write_atomically(&file, epoch.to_string().as_bytes())
        .map_err(|error| StoreError::Database(format!("{}: {error}", file.display())))?;
    Ok(Epoch(epoch.unsigned_abs()))
}

fn copy_in(data: &Path) -> PathBuf {
    data.join("epoch")
}
