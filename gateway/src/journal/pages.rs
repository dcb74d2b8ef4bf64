//! What pages show of the journal: reports and dead letters as they came.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::from_ms;

use super::model::ClockFlag;

/// A report as shown to people.
#[derive(Debug, Clone)]
pub struct RawReport {
    pub id: i64,
    pub received: Timestamp,
    pub device: String,
    pub kind: String,
    pub boot: Option<String>,
    pub seq: Option<u64>,
    pub time: Timestamp,
    pub clock: ClockFlag,
    pub payload: Vec<u8>,
}

/// Why the newest messages of a device were not understood, newest first.
pub(crate) fn last_letters(connection: &Connection, device: &str) -> Result<Vec<String>> {
    let sql = "select coalesce(topic, '') || ' ' || reason from journal_dead_letter
         where device = ?1 order by id desc limit 100";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([device], |row| row.get(0))?;
    rows.collect()
}

const COLUMNS: &str = "report.id, report.received_ms, device.name, report.kind, report.boot,
     report.seq, report.time_ms, report.clock, report.payload";

fn read_raw(row: &Row<'_>) -> Result<RawReport> {
    Ok(RawReport {
        id: row.get(0)?,
        received: from_ms(row.get(1)?),
        device: row.get(2)?,
        kind: row.get(3)?,
        boot: row.get(4)?,
        seq: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
        time: from_ms(row.get(6)?),
        clock: ClockFlag::from_code(row.get(7)?),
        payload: row.get(8)?,
    })
}

/// Reports of one device, newest first.
///
/// # Errors
/// When the database cannot be read.
pub fn reports_of_device(
    connection: &Connection,
    device: &str,
    before: i64,
    limit: u32,
) -> Result<Vec<RawReport>> {
    // Along the chain from the newest, or from `before` where that is one of its own. The cross
    // joins keep SQLite from walking all of it before it looks at the limit.
    let sql = format!(
        "with recursive chain (id) as (
             select iif(own.id is null, last_report, own.previous)
             from journal_device device
             left join journal_report own on own.id = ?2 and own.device = device.id
             where name = ?1
             union all
             select previous from chain join journal_report using (id) where previous is not null)
         select {COLUMNS} from chain
         cross join journal_report report using (id)
         cross join journal_device device on device.id = report.device
         where report.id < ?2 limit ?3"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![device, before, limit], read_raw)?
        .collect()
}

/// Reports by id, in the order of the ids.
///
/// # Errors
/// When the database cannot be read.
pub fn reports_of_ids(connection: &Connection, ids: &[i64]) -> Result<Vec<RawReport>> {
    let sql = format!(
        "select {COLUMNS} from journal_report report
         join journal_device device on device.id = report.device where report.id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |id: &i64| statement.query_row([id], read_raw).optional().transpose();
    ids.iter().filter_map(read).collect()
}

/// A dead letter as shown to people.
pub(super) struct LetterRow {
    pub(super) id: i64,
    pub(super) received: Timestamp,
    pub(super) door: String,
    pub(super) device: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) payload: Vec<u8>,
    pub(super) size: i64,
}

/// Dead letters, newest first, of one device and with a text in reason or topic where asked for.
pub(super) fn letters(
    connection: &Connection,
    before: i64,
    limit: u32,
    device: Option<&str>,
    text: Option<&str>,
) -> Result<Vec<LetterRow>> {
    connection
        .prepare_cached(
            "select id, received_ms, door, device, topic, reason_code, reason, payload, size
             from journal_dead_letter
             where id < ?1 and (?3 is null or device = ?3)
               and (?4 is null or instr(lower(reason || ' ' || coalesce(topic, '')), lower(?4)) > 0)
             order by id desc limit ?2",
        )?
        .query_map(params![before, limit, device, text], |row| {
            Ok(LetterRow {
                id: row.get(0)?,
                received: from_ms(row.get(1)?),
                door: row.get(2)?,
                device: row.get(3)?,
                topic: row.get(4)?,
                code: row.get(5)?,
                reason: row.get(6)?,
                payload: row.get(7)?,
                size: row.get(8)?,
            })
        })?
        .collect()
}

/// Dead letters per device.
pub(crate) fn letters_per_device(connection: &Connection) -> Result<HashMap<String, i64>> {
    connection
        .prepare_cached(
            "select device, count(*) from journal_dead_letter
             where device is not null group by device",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
