//! Follows the journal to know when each device last spoke, how it does, and who it says it is.

use std::collections::HashMap;

use rusqlite::Connection;
use zhiban_config::gateway::Registry;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::report::Observation;

use super::store::{self, SeenRow};
use super::{Devices, identity};
use crate::journal::{ClockFlag, Entry, Follower};

/// Follower `devices`.
#[derive(Debug)]
pub struct DevicesFollower {
    devices: Devices,
    registry: Registry,
}

impl DevicesFollower {
    #[must_use]
    pub fn new(devices: Devices, registry: Registry) -> Self {
        Self { devices, registry }
    }
}

impl Follower for DevicesFollower {
    const NAME: &'static str = "devices";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        let mut devices: HashMap<&str, SeenRow> = HashMap::new();
        for entry in entries {
            note(devices.entry(entry.device.as_str()).or_default(), entry);
            if let Observation::Identity(said) = &entry.observation {
                let device = entry.device.as_str();
                identity::judge(connection, &self.registry, device, said, entry.received)?;
                self.devices.note_change();
            }
        }
        for (device, step) in devices {
            store::note_seen(connection, device, &step)?;
        }
        note_parts(connection, entries)
    }

    fn committed(&self) {
        self.devices.wake_if_changed();
    }
}

/// Only the last word of each part in this step is written.
fn note_parts(connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
    let mut parts: HashMap<(&str, &str, &str), &Entry> = HashMap::new();
    for entry in entries {
        if let Some(name) = part_of(&entry.observation) {
            let kind = entry.observation.kind().as_str();
            parts.insert((entry.device.as_str(), kind, name), entry);
        }
    }
    for ((device, kind, name), entry) in parts {
        let state = serde_json::to_string(&entry.observation).unwrap_or_default();
        store::note_part(connection, device, (kind, name), entry.time, &state)?;
    }
    Ok(())
}

/// The name of the part, for what is a state and not an event.
fn part_of(observation: &Observation) -> Option<&str> {
    match observation {
        Observation::KioskHealth(_)
        | Observation::Printer(_)
        | Observation::Power(_)
        | Observation::Climate(_)
        | Observation::Energy(_)
        | Observation::PeopleCount(_)
        | Observation::ScreenShown(_) => Some(""),
        Observation::Input(state) => Some(&state.input),
        Observation::Measurement(measurement) => Some(&measurement.name),
        Observation::Alarm(alarm) => Some(&alarm.alarm),
        _ => None,
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
