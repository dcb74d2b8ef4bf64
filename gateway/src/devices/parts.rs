//! What the parts of devices last said.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Result, Row};
use zhiban_kernel::clock::from_ms;
use zhiban_vocabulary::report::Kind;

/// Kinds of report that say whether a part is well; others measure.
const OF_HEALTH: [Kind; 4] = [
    Kind::KioskHealth,
    Kind::PrinterHealth,
    Kind::PowerState,
    Kind::DeviceAlarm,
];

/// The newest state of one part of a device.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: String,
    pub(super) time: Timestamp,
    /// The fields of the report, as JSON.
    pub(super) state: String,
}

/// All parts of a device, newest first.
pub(super) fn parts(connection: &Connection, device: &str) -> Result<Vec<Part>> {
    let sql = "select kind, time_ms, state from devices_part where device = ?1
         order by time_ms desc, kind, name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([device], read)?;
    rows.collect()
}

/// The parts of all devices that can be unwell, newest first.
pub(super) fn of_health(connection: &Connection) -> Result<HashMap<String, Vec<Part>>> {
    let sql = "select kind, time_ms, state, device from devices_part where kind in (?1, ?2, ?3, ?4)
         order by device, time_ms desc, kind, name";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(OF_HEALTH.map(Kind::as_str))?;
    let mut all: HashMap<String, Vec<Part>> = HashMap::new();
    while let Some(row) = rows.next()? {
        all.entry(row.get(3)?).or_default().push(read(row)?);
    }
    Ok(all)
}

fn read(row: &Row<'_>) -> Result<Part> {
    Ok(Part {
        kind: row.get(0)?,
        time: from_ms(row.get(1)?),
        state: row.get(2)?,
    })
}
