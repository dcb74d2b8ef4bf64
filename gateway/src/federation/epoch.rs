//! The epoch: one life of the hall's outbox.
//!
//! A copy is kept in a file outside the database. A database that is restored from a backup, or a
//! disk that is cloned without the file, disagrees with it and starts a new epoch, so that
//! numbers it gives again are never taken for ones the centre has.

use std::path::{Path, PathBuf};

use rand::RngExt;
use zhiban_kernel::runtime::write_atomically;
use zhiban_kernel::{Store, StoreError, crash_point};
use zhiban_sync::courier::{Rupture, Standing};
use zhiban_vocabulary::envelope::Epoch;

use super::outbox;
use crate::journal::{set_value, value};

const EPOCH: &str = "epoch";

/// Where the outbox of `store` stands, in a new epoch where file and database disagree.
///
/// # Errors
/// When database or file cannot be written.
pub async fn open_epoch(store: &Store, data: &Path) -> Result<Standing, StoreError> {
    let kept = store.read(|connection| Ok(kept(connection)?)).await?;
    let copy: Option<u64> = std::fs::read_to_string(copy_in(data))
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if kept.0 != 0 && copy == Some(kept.0) {
        return store
            .read(move |connection| Ok(outbox::standing(connection, kept)?))
            .await;
    }
    if kept.0 != 0 || copy.is_some() {
        tracing::warn!("database and epoch file disagree (restored or cloned?): new epoch");
    }
    renew_epoch(store, data, None).await
}

/// Starts a new epoch.
///
/// # Errors
/// When database or file cannot be written.
pub(super) async fn renew_epoch(
    store: &Store,
    data: &Path,
    rupture: Option<Rupture>,
) -> Result<Standing, StoreError> {
    let epoch = Epoch(rand::rng().random_range(1..1 << 53));
    let standing = store
        .write(move |connection| {
            outbox::renew(connection, kept(connection)?, rupture)?;
            set_value(connection, EPOCH, epoch.0.cast_signed())?;
            Ok(outbox::standing(connection, epoch)?)
        })
        .await?;
    crash_point!("epoch: in the database, not in the file");
    let file = copy_in(data);
    write_atomically(&file, epoch.0.to_string().as_bytes())
        .map_err(|error| StoreError::Database(format!("{}: {error}", file.display())))?;
    Ok(standing)
}

/// The epoch in the database; 0 before the first.
fn kept(connection: &rusqlite::Connection) -> rusqlite::Result<Epoch> {
    Ok(Epoch(value(connection, EPOCH)?.unsigned_abs()))
}

fn copy_in(data: &Path) -> PathBuf {
    data.join("epoch")
}
