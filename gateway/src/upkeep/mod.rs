//! The box looks after itself: retention, the nightly backup, the first steps, and the commands of whoever looks
//! after the box (doctor, backup, restore).

mod api;
mod commands;
mod doctor;
mod first_steps;
pub mod retention;
mod settings;

use std::path::Path;

use rusqlite::Connection;
use zhiban_config::GatewayConfig;
use zhiban_kernel::StoreError;
use zhiban_kernel::backup::Subject;
use zhiban_kernel::people::first_broken_link;

use crate::appliance::DATABASE;
use crate::{devices, federation, journal};

pub use api::{UpkeepState, add_routes};
pub use commands::{back_up, doctor, health, restore, show_setup_code};
pub use settings::settled;

/// Name of the program, its package and its service.
pub const PROGRAM: &str = "zhiban-gateway";

/// What is backed up of this hall.
#[must_use]
pub fn subject(config: &GatewayConfig, file: &Path) -> Subject {
    Subject {
        program: PROGRAM,
        version: env!("CARGO_PKG_VERSION"),
        id: config.hall.store.to_string(),
        data: config.hall.data.clone(),
        database: DATABASE,
        is_elsewhere: false,
        config: file.to_owned(),
        migrate: journal::migrate,
        read_through,
    }
}

/// Reads what the program reads: the journal's end, the devices, the outbox, the audit log.
fn read_through(connection: &Connection) -> Result<(), StoreError> {
    const LAST: i64 = 1_000;
    let last = journal::counts(connection)?.last_id;
    journal::entries_after(connection, last - LAST, 1_000)?;
    devices::wired_settings(connection)?;
    federation::backlog(connection, zhiban_kernel::Clock::real_now())?;
    match first_broken_link(connection)? {
        None => Ok(()),
        Some(line) => Err(StoreError::Database(format!(
            "line {line} of the audit log was changed or removed"
        ))),
    }
}
