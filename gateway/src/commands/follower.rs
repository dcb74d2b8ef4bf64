//! Follows what devices say about their commands.

use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::command::{CommandStatus, Failure};
use zhiban_vocabulary::report::Observation;

use super::store::Progress;
use super::{Wake, note};
use crate::journal::{Entry, Follower};

/// Follower `commands`.
#[derive(Debug)]
pub struct CommandsFollower {
    wake: Wake,
}

impl CommandsFollower {
    #[must_use]
    pub fn new(wake: Wake) -> Self {
        Self { wake }
    }
}

impl Follower for CommandsFollower {
    const NAME: &'static str = "commands";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            let Observation::Command(state) = &entry.observation else {
                continue;
            };
            // A number that is none of ours changes nothing.
            let Ok(id) = state.command.parse() else {
                continue;
            };
            let has_failed = state.status == CommandStatus::Failed;
            let progress = Progress {
                status: state.status,
                failure: has_failed.then_some(Failure::Refused),
                reason: state.reason.as_deref(),
            };
            note(connection, id, &entry.device, progress, entry.received)?;
        }
        Ok(())
    }

    fn committed(&self) {
        self.wake.wake();
    }
}
