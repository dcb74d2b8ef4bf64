//! Tells the centre of alarms of devices, in the live lane: they overtake whatever waits.

use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::envelope::{AlarmNote, Item, Lane};
use zhiban_vocabulary::report::Observation;

use super::outbox;
use crate::journal::{Entry, Follower};

/// Follower `federation`.
#[derive(Debug)]
pub struct AlarmsFollower;

impl Follower for AlarmsFollower {
    const NAME: &'static str = "federation";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            if let Observation::Alarm(alarm) = &entry.observation {
                let note = AlarmNote {
                    device: entry.device.clone(),
                    at: entry.received,
                    alarm: alarm.clone(),
                };
                outbox::put(connection, Lane::Live, &Item::Alarm(note), entry.received)?;
            }
        }
        Ok(())
    }
}
