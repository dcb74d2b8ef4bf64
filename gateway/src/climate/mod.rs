//! The hall's air: the latest reading, and the minutes inside the band (F-32).
//!
//! Minutes are judged in steps of five, by the mean of the samples in them, and only in opening
//! time: what the air does at night concerns nobody.

mod follower;
mod model;
mod store;

pub use follower::ClimateFollower;
pub use model::Rule;
pub use store::{Latest, latest, mark_dirty};

use jiff::Timestamp;
use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::facts::FactRevision;

/// Takes the changed quarter hours that ended before `before`, as the next statement.
///
/// # Errors
/// When the database refuses.
pub fn take_quarters(
    connection: &Connection,
    before: Timestamp,
    rule: &Rule,
) -> Result<Vec<FactRevision>, StoreError> {
    store::take_quarters(connection, before, rule)
}
