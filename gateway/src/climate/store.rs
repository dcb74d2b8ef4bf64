//! All SQL of the climate.

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::climate::ClimateSample;
use zhiban_vocabulary::facts::{Fact, FactRevision};
use zhiban_vocabulary::time::{QUARTER_S, QuarterHour};

use super::model::{Rule, WINDOW_MS, Window};

/// Adds a sample to its window and re-opens its quarter hour.
pub(super) fn add_sample(
    connection: &Connection,
    device: &DeviceId,
    at: Timestamp,
    sample: &ClimateSample,
) -> Result<()> {
    let start_ms = to_ms(at).div_euclid(WINDOW_MS) * WINDOW_MS;
    connection
        .prepare_cached(
            "insert into climate_window values (?1, ?2, 1, ?3)
             on conflict do update set samples = samples + 1,
                 temperature_sum_tenths = temperature_sum_tenths + excluded.temperature_sum_tenths",
        )?
        .execute(params![device.as_str(), start_ms, sample.temperature.0])?;
    connection
        .prepare_cached(
            "insert into climate_quarter (device, slot_ms) values (?1, ?2)
             on conflict do update set dirty = 1",
        )?
        .execute(params![
            device.as_str(),
            to_ms(QuarterHour::containing(at).start())
        ])?;
    Ok(())
}

/// Keeps the newest reading of a device.
pub(super) fn set_latest(
    connection: &Connection,
    device: &DeviceId,
    at: Timestamp,
    sample: &ClimateSample,
) -> Result<()> {
    connection
        .prepare_cached(
            "insert into climate_latest values (?1, ?2, ?3, ?4)
             on conflict do update set at_ms = excluded.at_ms,
                 temperature_tenths = excluded.temperature_tenths,
                 humidity_tenths = excluded.humidity_tenths
             where excluded.at_ms >= at_ms",
        )?
        .execute(params![
            device.as_str(),
            to_ms(at),
            sample.temperature.0,
            sample.humidity.map(|humidity| humidity.0),
        ])?;
    Ok(())
}

/// The newest reading of one sensor.
#[derive(Debug, Clone)]
pub struct Latest {
    pub device: String,
    pub at: Timestamp,
    pub temperature_tenths: i32,
    pub humidity_tenths: Option<i32>,
}

/// The newest reading of every sensor.
///
/// # Errors
/// When the database cannot be read.
pub fn latest(connection: &Connection) -> Result<Vec<Latest>> {
    let sql = "select device, at_ms, temperature_tenths, humidity_tenths from climate_latest
         order by device";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_map([], |row| {
            Ok(Latest {
                device: row.get(0)?,
                at: from_ms(row.get(1)?),
                temperature_tenths: row.get(2)?,
                humidity_tenths: row.get(3)?,
            })
        })?
        .collect()
}

/// Has the closer state a quarter hour anew; true when it is kept here.
///
/// # Errors
/// When the database refuses.
pub fn mark_dirty(connection: &Connection, device: &DeviceId, slot: QuarterHour) -> Result<bool> {
    let sql = "update climate_quarter set dirty = 1 where device = ?1 and slot_ms = ?2";
    let rows = connection
        .prepare_cached(sql)?
        .execute(params![device.as_str(), to_ms(slot.start())])?;
    Ok(rows > 0)
}

pub(super) fn take_quarters(
    connection: &Connection,
    before: Timestamp,
    rule: &Rule,
) -> std::result::Result<Vec<FactRevision>, StoreError> {
    let due_ms = to_ms(before) - QUARTER_S * 1_000;
    let sql = "select device, slot_ms, version + 1 from climate_quarter
         where dirty = 1 and slot_ms <= ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([due_ms])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        let device: String = row.get(0)?;
        let slot = QuarterHour::containing(from_ms(row.get(1)?));
        let day = rule.day(slot.start());
        let rule = rule.on(connection, day)?;
        let sums = rule.sum(&windows(connection, &device, slot)?);
        let device = device
            .parse()
            .map_err(|error| StoreError::Database(format!("damaged row: {error}")))?;
        let fact = Fact::ClimateQuarter { slot, device, sums };
        facts.push(FactRevision {
            version: row.get(2)?,
            day,
            fact,
        });
    }
    let sql = "update climate_quarter set dirty = 0, version = version + 1
         where dirty = 1 and slot_ms <= ?1";
    connection.prepare_cached(sql)?.execute([due_ms])?;
    Ok(facts)
}

fn windows(connection: &Connection, device: &str, slot: QuarterHour) -> Result<Vec<Window>> {
    let sql = "select start_ms, samples, temperature_sum_tenths from climate_window
         where device = ?1 and start_ms >= ?2 and start_ms < ?3";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_map(
            params![device, to_ms(slot.start()), to_ms(slot.end())],
            |row| {
                Ok(Window {
                    start: from_ms(row.get(0)?),
                    samples: row.get(1)?,
                    sum_tenths: row.get(2)?,
                })
            },
        )?
        .collect()
}
