//! Follows the journal for samples of the air.

use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::report::Observation;

use super::store;
use crate::journal::{Entry, Follower};

/// Follower `climate`.
#[derive(Debug)]
pub struct ClimateFollower;

impl Follower for ClimateFollower {
    const NAME: &'static str = "climate";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            if let Observation::Climate(sample) = &entry.observation {
                store::add_sample(connection, &entry.device, entry.time, sample)?;
                store::set_latest(connection, &entry.device, entry.time, sample)?;
            }
        }
        Ok(())
    }
}
