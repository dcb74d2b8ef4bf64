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
use zhiban_kernel::backup::Subject;
use zhiban_kernel::people::{first_broken_link, note};
use zhiban_kernel::said::Said;
use zhiban_kernel::{Clock, StoreError};

use zhiban_vocabulary::device::{DeviceAlarm, Severity};
use zhiban_vocabulary::report::Observation;

use crate::appliance::DATABASE;
use crate::devices::HALL;
use crate::{devices, federation, journal};

pub use api::{UpkeepState, add_routes};
pub use commands::{back_up, begin_anew, doctor, health, restore, show_setup_code};
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
        rescue: journal::rescue,
        tell: tell_of_damage,
    }
}

/// Reads what the program reads: the journal and the outbox row by row, the devices, the audit log.
fn read_through(connection: &Connection) -> Result<(), StoreError> {
    journal::prove_rows(connection)?;
    federation::prove_rows(connection)?;
    devices::wired_settings(connection)?;
    federation::backlog(connection, Clock::real_now())?;
    match first_broken_link(connection)? {
        None => Ok(()),
        Some(line) => Err(StoreError::Database(format!(
            "line {line} of the audit log was changed or removed"
        ))),
    }
}

/// The way every alarm of the hall goes: to its own pages, and to the centre.
fn tell_of_damage(connection: &Connection, told: &Said) -> Result<(), StoreError> {
    note(connection, PROGRAM, "", "box.database-mended", &told.en)?;
    let alarm = DeviceAlarm {
        alarm: "database-damaged".into(),
        severity: Severity::Warning,
        text: Some(told.both()),
    };
    journal::note_of_hall(
        connection,
        HALL,
        &Observation::Alarm(alarm),
        Clock::real_now(),
    )
}
