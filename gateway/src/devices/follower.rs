//! Follows the journal to know when each device last spoke and how it does.

use std::collections::HashMap;

use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::report::Observation;

use super::store::{self, SeenRow};
use crate::journal::{ClockFlag, Entry, Follower};

/// Follower `devices`.
#[derive(Debug)]
pub struct DevicesFollower;

impl Follower for DevicesFollower {
    const NAME: &'static str = "devices";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        let mut devices: HashMap<&str, SeenRow> = HashMap::new();
        for entry in entries {
            note(devices.entry(entry.device.as_str()).or_default(), entry);
        }
        for (device, step) in devices {
            store::note_seen(connection, device, &step)?;
        }
        Ok(())
    }
}

fn note(step: &mut SeenRow, entry: &Entry) {
    step.reports += 1;
    step.last_report = step.last_report.max(Some(entry.received));
    step.clock_suspect = entry.clock == ClockFlag::Suspect;
    // What a device said hours ago, before it was cut off, is not how it does now.
    if let (Observation::Health(health), false) =
        (&entry.observation, entry.clock == ClockFlag::Late)
    {
        step.health = Some(health.status.as_str().into());
        step.health_detail.clone_from(&health.detail);
    }
}
