//! Devices of `gateway.toml`: the table is brought to what it says, and their files tell of it.

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::device::Severity;

use super::model::{Device, NewDevice, State};
use super::store::{self, Way};
use super::{RESERVED, file, note_added, wiring};

/// Why a device is retired that the configuration no longer names.
const UNLISTED: &str = "unlisted";

/// Brings the wired devices to what the configuration says: they are added or changed, and those
/// it no longer names are retired. Each is a device, its driver and its settings as JSON.
///
/// # Errors
/// [`StoreError::Refused`] when an id already belongs to a device that is not of the configuration,
/// When the database refuses.
pub fn sync_wired(
    connection: &Connection,
    wired: &[(NewDevice, &str, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    for known in store::all(connection)? {
        let is_listed = wired.iter().any(|(new, ..)| new.device == known.device);
        if known.from_file && !is_listed {
            take_out(connection, &known, now)?;
        }
    }
    for (new, driver, settings) in wired {
        bring_in(connection, new, driver, settings, now)?;
    }
    // Only now, as two may have changed places. A hall opens all the same: ports may have changed
    // their names over night, or the other device is one of the panel, which mends it.
    for (new, ..) in wired {
        let device = new.device.as_str();
        match wiring::check_place(connection, device) {
            Err(StoreError::RefusedBecause { text, .. }) => {
                let (what, severity) = ("place-taken", Severity::Major);
                file::write_alarm(connection, device, what, &text, severity, now)?;
            }
            other => other?,
        }
    }
    Ok(())
}

fn take_out(connection: &Connection, known: &Device, now: Timestamp) -> rusqlite::Result<()> {
    let id = known.device.as_str();
    store::set_state(connection, id, State::Retired, Some(UNLISTED))?;
    if known.state == State::Retired {
        return Ok(());
    }
    let facts = json!({ "from": known.state.as_str(), "listed": false }).to_string();
    file::write(connection, id, "retired", &facts, file::HALL, now)
}

fn bring_in(
    connection: &Connection,
    new: &NewDevice,
    driver: &str,
    settings: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = new.device.as_str();
    let before = store::find(connection, id)?;
    if RESERVED.contains(&id) || before.as_ref().is_some_and(|known| !known.from_file) {
        return Err(StoreError::Refused(format!(
            "device {id} is configured as wired, but the hall has another of that id"
        )));
    }
    let way = Way::Wired {
        driver,
        settings,
        from_file: true,
    };
    store::insert(connection, new, way, now)?;
    match &before {
        None => note_added(connection, new, now)?,
        Some(before) => note_changed(connection, before, now)?,
    }
    let by = (file::HALL, now);
    Ok(wiring::note_line(connection, id, before.as_ref(), by)?)
}

/// What is another than before.
fn note_changed(connection: &Connection, before: &Device, now: Timestamp) -> rusqlite::Result<()> {
    let id = before.device.as_str();
    let Some(after) = store::find(connection, id)? else {
        return Ok(());
    };
    if before.state == State::Retired && after.state != State::Retired {
        let facts = json!({ "from": before.state.as_str(), "listed": true }).to_string();
        file::write(connection, id, "restored", &facts, file::HALL, now)?;
    }
    let settings = |device: &Device| device.settings.clone().unwrap_or_default();
    let keys = wiring::changed_keys(&settings(before), &settings(&after));
    let fields = [
        ("name", before.name != after.name),
        ("counter", before.counter != after.counter),
        ("driver", before.driver != after.driver),
        ("settings", !keys.is_empty()),
    ];
    let changed = fields.into_iter().filter(|(_, is_changed)| *is_changed);
    let fields: Vec<&str> = changed.map(|(field, _)| field).collect();
    if fields.is_empty() {
        return Ok(());
    }
    let facts = json!({ "fields": fields, "settings": keys }).to_string();
    file::write(connection, id, "changed", &facts, file::HALL, now)
}

#[cfg(test)]
mod tests {
    use zhiban_vocabulary::device::DeviceKind;

    use super::*;
    use crate::journal::migrate;

    /// A meter of this id at this unit of a line.
    fn meter(id: &str, line: &str, unit: u8) -> (NewDevice, &'static str, String) {
        let new = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::EnergyMeter,
            name: id.into(),
            counter: None,
        };
        let settings = json!({ "link": { "tcp": line }, "unit": unit, "map": "sdm630" });
        (new, "modbus", settings.to_string())
    }

    fn hall() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    fn told(connection: &Connection, device: &str) -> Vec<String> {
        let mut events = file::events(connection, device).unwrap();
        events.reverse();
        let line = |event: file::Event| format!("{} {}", event.what, event.detail);
        events.into_iter().map(line).collect()
    }

    #[test]
    fn the_file_of_a_device_of_the_configuration_tells_its_life() {
        let (connection, now) = (hall(), Timestamp::UNIX_EPOCH);
        let sync = |wired: &[_]| sync_wired(&connection, wired, now).unwrap();
        sync(&[meter("m1", "h:502", 1)]);
        sync(&[meter("m1", "h:502", 1)]);
        sync(&[meter("m1", "i:502", 2)]);
        sync(&[]);
        sync(&[]);
        sync(&[meter("m1", "i:502", 2)]);
        let expected = [
            "registered energy-meter",
            "address h:502",
            r#"changed {"fields":["settings"],"settings":["link.tcp","unit"]}"#,
            "address h:502 → i:502",
            r#"retired {"from":"active","listed":false}"#,
            r#"restored {"from":"retired","listed":true}"#,
        ];
        assert_eq!(told(&connection, "m1"), expected);
    }

    #[test]
    fn two_at_one_place_are_told_and_keep_no_hall_shut() {
        let (connection, now) = (hall(), Timestamp::UNIX_EPOCH);
        let sync = |wired: &[_]| sync_wired(&connection, wired, now);
        sync(&[meter("m1", "h:502", 1), meter("m2", "h:502", 2)]).unwrap();
        // They change places.
        sync(&[meter("m1", "h:502", 2), meter("m2", "h:502", 1)]).unwrap();
        assert!(
            !told(&connection, "m2")
                .iter()
                .any(|line| line.starts_with("place-taken"))
        );
        // The hall opens, and says so.
        sync(&[meter("m1", "h:502", 2), meter("m2", "h:502", 2)]).unwrap();
        let last = told(&connection, "m2").pop().unwrap();
        let said = "place-taken device m2: address 2 of h:502 belongs to device m1";
        assert_eq!(last, said);
    }
}
