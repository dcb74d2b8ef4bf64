//! All SQL of the devices.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde_json::json;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::device::DeviceIdentity;
use zhiban_vocabulary::{CounterId, DeviceId};

use super::model::{Device, NOT_WIRED, NewDevice, State};
use crate::conventions::Topics;

/// Why a device is suspended that a person refused.
pub(super) const REFUSED: &str = "refused";

/// Keys of the addresses that programs of the hall call, by device.
pub(super) fn hook_keys(connection: &Connection) -> Result<HashMap<DeviceId, String>> {
    let sql = "select device, settings ->> '$.hook_key' from devices_device
         where state = 'active' and settings ->> '$.hook_key' is not null";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut keys = HashMap::new();
    for row in rows {
        let (device, key) = row?;
        if let Ok(device) = device.parse() {
            keys.insert(device, key);
        }
    }
    Ok(keys)
}

/// Hashes of the secrets of the devices in this state.
pub(super) fn secrets(connection: &Connection, state: State) -> Result<HashMap<DeviceId, Vec<u8>>> {
    let sql = "select device, secret_hash from devices_device
         where state = ?1 and secret_hash is not null";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([state.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })?;
    let mut secrets = HashMap::new();
    for row in rows {
        let (device, hash) = row?;
        if let Ok(device) = device.parse() {
            secrets.insert(device, hash);
        }
    }
    Ok(secrets)
}

/// How a device comes in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    Secret(&'a [u8]),
    Wired {
        driver: &'a str,
        /// JSON
        settings: &'a str,
        from_file: bool,
    },
}

pub(super) fn add(
    connection: &Connection,
    device: &NewDevice,
    way: Way<'_>,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let id = device.device.as_str();
    let refused = |reason, text| {
        let facts = json!({ "device": id });
        Err(StoreError::RefusedBecause {
            text,
            reason,
            facts,
        })
    };
    if super::RESERVED.contains(&id) {
        let text = format!("device id {id} is kept for the hall itself");
        return refused("id-reserved", text);
    }
    if find(connection, id)?.is_some() {
        return refused("id-taken", format!("device id {id} is taken"));
    }
    insert(connection, device, way, now)?;
    Ok(())
}

/// As [`add`], also under the id of a device that is retired.
pub(super) fn add_or_revive(
    connection: &Connection,
    device: &NewDevice,
    way: Way<'_>,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let known = find(connection, device.device.as_str())?;
    if known.is_some_and(|known| known.state == State::Retired && !known.is_wired()) {
        return Ok(insert(connection, device, way, now)?);
    }
    add(connection, device, way, now)
}

pub(super) fn set_secret(connection: &Connection, device: &str, hash: &[u8]) -> Result<()> {
    let sql = "update devices_device set secret_hash = ?2 where device = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![device, hash])?;
    Ok(())
}

pub(super) fn insert(
    connection: &Connection,
    device: &NewDevice,
    way: Way<'_>,
    now: Timestamp,
) -> Result<()> {
    let (driver, settings, secret_hash, from_file) = match way {
        Way::Secret(hash) => (NOT_WIRED, None, Some(hash), false),
        Way::Wired {
            driver,
            settings,
            from_file,
        } => (driver, Some(settings), None, from_file),
    };
    connection.execute(
        "insert into devices_device
             (device, kind, name, counter, driver, settings, source, secret_hash, created_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         on conflict (device) do update set
             kind = excluded.kind, name = excluded.name, counter = excluded.counter,
             driver = excluded.driver, settings = excluded.settings, source = excluded.source,
             secret_hash = excluded.secret_hash,
             -- A new device under an old name: where the old one was does not count.
             address = null, topics = null,
             -- One that gave way to another does not come back by itself.
             state = iif(state = 'retired' and (reason = 'unlisted' or ?7 = 'panel'),
                 'active', state),
             reason = iif(state = 'suspended', reason, null)",
        params![
            device.device.as_str(),
            device.kind.as_str(),
            device.name,
            device.counter.as_ref().map(CounterId::as_str),
            driver,
            settings,
            if from_file { "file" } else { "panel" },
            secret_hash,
            to_ms(now),
        ],
    )?;
    Ok(())
}

const DEVICE: &str = "select device, kind, name, counter, driver, state, settings, source, reason,
        vendor, model, serial, firmware, hardware, mac, address, topics
    from devices_device";

fn read(row: &Row<'_>) -> Result<Option<Device>> {
    let Ok(device) = row.get::<_, String>(0)?.parse() else {
        return Ok(None);
    };
    Ok(Some(Device {
        device,
        kind: row.get(1)?,
        name: row.get(2)?,
        counter: row
            .get::<_, Option<String>>(3)?
            .and_then(|text| text.parse().ok()),
        driver: row.get(4)?,
        state: State::from_text(&row.get::<_, String>(5)?),
        settings: row.get(6)?,
        from_file: row.get::<_, String>(7)? == "file",
        reason: row.get(8)?,
        identity: DeviceIdentity {
            vendor: row.get(9)?,
            model: row.get(10)?,
            serial: row.get(11)?,
            firmware: row.get(12)?,
            hardware: row.get(13)?,
            mac: row.get(14)?,
        },
        address: row.get(15)?,
        topics: row
            .get::<_, Option<String>>(16)?
            .map(|list| Topics::from_json(&list).as_list().to_vec())
            .unwrap_or_default(),
    }))
}

/// Devices in use, or waiting for a person, with this serial number.
pub(super) fn with_serial(connection: &Connection, serial: &str) -> Result<Vec<Device>> {
    let sql = format!("{DEVICE} where trim(serial) = ?1 collate nocase and state <> 'retired'");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([serial.trim()], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// Whether a serial number tells devices apart: one that repeats a single character does not.
pub(super) fn is_number(serial: &str) -> bool {
    let mut letters = serial.trim().chars();
    let first = letters.next();
    letters.any(|letter| Some(letter) != first)
}

/// Another device in use, or waiting for a person, with the serial number that is said.
pub(super) fn serial_twin(
    connection: &Connection,
    device: &Device,
    said: &DeviceIdentity,
) -> Result<Option<Device>> {
    let Some(serial) = said.serial.as_deref().filter(|serial| is_number(serial)) else {
        return Ok(None);
    };
    let twins = with_serial(connection, serial)?;
    let mut others = twins
        .into_iter()
        .filter(|twin| twin.device != device.device);
    // Two makers may count alike.
    Ok(
        others.find(|twin| match (&twin.identity.vendor, &said.vendor) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }),
    )
}

/// A serial number belongs to one device.
pub(super) fn serial_taken(serial: &str, owner: &str) -> StoreError {
    StoreError::RefusedBecause {
        text: format!("serial {serial} belongs to {owner}"),
        reason: "serial-taken",
        facts: json!({ "serial": serial, "device": owner }),
    }
}

/// Models of the kiosks in use, but that of one device.
pub(super) fn kiosk_models(connection: &Connection, but: &str) -> Result<Vec<String>> {
    let sql = "select distinct model from devices_device
         where kind = 'kiosk' and state = 'active' and model is not null and device <> ?1
         order by model";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([but], |row| row.get(0))?;
    rows.collect()
}

pub(super) fn identify(connection: &Connection, device: &str, who: &DeviceIdentity) -> Result<()> {
    let sql = "update devices_device set vendor = ?2, model = ?3, serial = ?4, firmware = ?5,
         hardware = ?6, mac = ?7 where device = ?1";
    connection.prepare_cached(sql)?.execute(params![
        device,
        who.vendor,
        who.model,
        who.serial,
        who.firmware,
        who.hardware,
        who.mac
    ])?;
    Ok(())
}

pub(super) fn set_address(connection: &Connection, device: &str, address: &str) -> Result<()> {
    let sql = "update devices_device set address = ?2 where device = ?1";
    connection.prepare_cached(sql)?.execute([device, address])?;
    Ok(())
}

/// Shuts a device out until a person decides. What a person refused or suspended stays so.
pub(super) fn suspend(connection: &Connection, device: &str, reason: &str) -> Result<()> {
    let sql = "update devices_device set state = 'suspended',
             reason = iif(state = 'suspended' and reason in ('refused', 'by-hand'), reason, ?2)
         where device = ?1 and state <> 'retired'";
    connection.prepare_cached(sql)?.execute([device, reason])?;
    Ok(())
}

/// Lets a device that waited for a decision take part again.
pub(super) fn admit(connection: &Connection, device: &str) -> Result<()> {
    let sql = "update devices_device set state = 'active', reason = null
         where device = ?1 and state = 'suspended' and reason not in ('refused', 'by-hand')";
    connection.prepare_cached(sql)?.execute([device])?;
    Ok(())
}

/// As a person wants it.
pub(super) fn set_state(
    connection: &Connection,
    device: &str,
    state: State,
    reason: Option<&str>,
) -> Result<()> {
    let sql = "update devices_device set state = ?2, reason = ?3 where device = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![device, state.as_str(), reason])?;
    Ok(())
}

pub(super) fn retire(connection: &Connection, device: &str) -> Result<()> {
    let sql = "update devices_device set state = 'retired' where device = ?1";
    connection.prepare_cached(sql)?.execute([device])?;
    Ok(())
}

pub(super) fn find(connection: &Connection, device: &str) -> Result<Option<Device>> {
    let sql = format!("{DEVICE} where device = ?1");
    Ok(connection
        .prepare_cached(&sql)?
        .query_row([device], read)
        .optional()?
        .flatten())
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Device>> {
    let sql = format!("{DEVICE} order by state, device");
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_map([], read)?
        .filter_map(Result::transpose)
        .collect()
}

/// The counter a device stands at.
///
/// # Errors
/// When the database cannot be read.
pub fn counter_of(connection: &Connection, device: &DeviceId) -> Result<Option<CounterId>> {
    let sql = "select counter from devices_device where device = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let counter: Option<Option<String>> = statement
        .query_row([device.as_str()], |row| row.get(0))
        .optional()?;
    Ok(counter.flatten().and_then(|text| text.parse().ok()))
}

/// Whether there is such a device, and it is in use.
///
/// # Errors
/// When the database cannot be read.
pub fn is_active(connection: &Connection, device: &str) -> Result<bool> {
    let sql = "select exists (select 1 from devices_device where device = ?1 and state = 'active')";
    connection
        .prepare_cached(sql)?
        .query_row([device], |row| row.get(0))
}

/// Whether a device hangs on a wire of the box, be it in use or not.
///
/// # Errors
/// When the database cannot be read.
pub fn is_wired(connection: &Connection, device: &str) -> Result<bool> {
    let sql = "select exists (select 1 from devices_device where device = ?1 and driver <> ?2)";
    connection
        .prepare_cached(sql)?
        .query_row([device, NOT_WIRED], |row| row.get(0))
}

/// What the follower keeps of a device.
#[derive(Default)]
pub(super) struct SeenRow {
    pub(super) reports: i64,
    pub(super) last_report: Option<Timestamp>,
    pub(super) clock_suspect: bool,
    pub(super) health: Option<String>,
    pub(super) health_detail: Option<String>,
}

pub(super) fn all_seen(connection: &Connection) -> Result<HashMap<String, SeenRow>> {
    connection
        .prepare_cached(
            "select device, reports, last_report_ms, clock_suspect, health, health_detail
             from devices_seen",
        )?
        .query_map([], |row| {
            let seen = SeenRow {
                reports: row.get(1)?,
                last_report: row.get::<_, Option<i64>>(2)?.map(from_ms),
                clock_suspect: row.get(3)?,
                health: row.get(4)?,
                health_detail: row.get(5)?,
            };
            Ok((row.get(0)?, seen))
        })?
        .collect()
}

/// Adds what one step of the journal says about a device. Health that is `None` stays.
pub(super) fn note_seen(connection: &Connection, device: &str, step: &SeenRow) -> Result<()> {
    connection
        .prepare_cached(
            "insert into devices_seen values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (device) do update set
                 reports = reports + excluded.reports,
                 last_report_ms = max(last_report_ms, excluded.last_report_ms),
                 clock_suspect = excluded.clock_suspect,
                 health = coalesce(excluded.health, health),
                 health_detail =
                     iif(excluded.health is null, health_detail, excluded.health_detail)",
        )?
        .execute(params![
            device,
            step.reports,
            step.last_report.map_or(0, to_ms),
            step.clock_suspect,
            step.health,
            step.health_detail,
        ])?;
    Ok(())
}

/// How many devices' clocks cannot be right.
pub(crate) fn clock_suspects(connection: &Connection) -> Result<u32> {
    let sql = "select count(*) from devices_seen where clock_suspect";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Parts of one device that are kept; a device that invents names fills no disk.
const PARTS_MAX: u32 = 256;

/// Keeps what a part of a device last said; an older word does not replace a newer one.
pub(super) fn note_part(
    connection: &Connection,
    device: &str,
    (kind, name): (&str, &str),
    time: Timestamp,
    state: &str,
) -> Result<()> {
    connection
        .prepare_cached(
            "insert into devices_part select ?1, ?2, ?3, ?4, ?5
             where (select count(*) from devices_part where device = ?1) < ?6
                 or exists (select 1 from devices_part
                     where device = ?1 and kind = ?2 and name = ?3)
             on conflict (device, kind, name) do update
             set time_ms = excluded.time_ms, state = excluded.state
             where excluded.time_ms >= time_ms",
        )?
        .execute(params![device, kind, name, to_ms(time), state, PARTS_MAX])?;
    Ok(())
}

/// What a device is, if it is in use.
///
/// # Errors
/// When the database cannot be read.
pub fn kind_in_use(connection: &Connection, device: &str) -> Result<Option<String>> {
    let sql = "select kind from devices_device where device = ?1 and state = 'active'";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([device], |row| row.get(0)).optional()
}

/// Wired devices in use, each with its settings as JSON.
///
/// # Errors
/// When the database cannot be read.
pub fn wired_settings(connection: &Connection) -> Result<Vec<(String, String)>> {
    let sql = "select device, settings from devices_device
         where settings is not null and state <> 'retired' order by device";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Devices that are in use.
///
/// # Errors
/// When the database cannot be read.
pub fn count_in_use(connection: &Connection) -> Result<u32> {
    let sql = "select count(*) from devices_device where state <> 'retired'";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}
