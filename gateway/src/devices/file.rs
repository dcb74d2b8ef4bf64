//! The device file: what happened to a device, and the changes that wait for a person. All SQL of
//! both.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde_json::Value;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::device::Severity;

/// Who acts when it is no person.
pub(crate) const HALL: &str = "hall";

/// Entries of one kind the hall by itself writes about a device in an hour: a device that changes
/// its mind all the time does not fill the disk, and what else happens to it is written still.
const BY_HALL_MAX: u32 = 20;

/// One entry of a device's file.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) what: String,
    pub(crate) detail: String,
    pub(crate) who: String,
    pub(crate) alarm: Option<String>,
}

/// Writes an entry. `detail` is plain data such as `3.1 → 3.2`, or a JSON object of facts.
pub(crate) fn write(
    connection: &Connection,
    device: &str,
    what: &str,
    detail: &str,
    who: &str,
    now: Timestamp,
) -> Result<()> {
    let entry = Entry {
        what,
        detail,
        who,
        alarm: None,
    };
    insert(connection, device, &entry, now)
}

struct Entry<'a> {
    what: &'a str,
    detail: &'a str,
    who: &'a str,
    alarm: Option<&'a str>,
}

fn insert(connection: &Connection, device: &str, entry: &Entry<'_>, now: Timestamp) -> Result<()> {
    if entry.who == HALL && device != HALL && is_flooded(connection, device, entry.what, now)? {
        metrics::counter!("zhiban_device_file_dropped_total").increment(1);
        return Ok(());
    }
    connection
        .prepare_cached(
            "insert into devices_event (device, at_ms, what, detail, who, alarm)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            device,
            to_ms(now),
            entry.what,
            entry.detail,
            entry.who,
            entry.alarm,
        ])?;
    Ok(())
}

fn is_flooded(connection: &Connection, device: &str, what: &str, now: Timestamp) -> Result<bool> {
    let sql = "select count(*) from (select at_ms from devices_event
             where device = ?1 and who = ?3 and what = ?5 order by id desc limit ?2)
         where at_ms > ?4";
    let since = to_ms(now - SignedDuration::from_hours(1));
    let mut statement = connection.prepare_cached(sql)?;
    let params = params![device, BY_HALL_MAX, HALL, since, what];
    let count: u32 = statement.query_row(params, |row| row.get(0))?;
    Ok(count >= BY_HALL_MAX)
}

/// Writes an entry the hall raises an alarm for.
pub(crate) fn write_alarm(
    connection: &Connection,
    device: &str,
    what: &str,
    detail: &str,
    severity: Severity,
    now: Timestamp,
) -> Result<()> {
    let severity = severity.as_str();
    let entry = Entry {
        what,
        detail,
        who: HALL,
        alarm: Some(severity),
    };
    insert(connection, device, &entry, now)
}

/// Facts of an entry in one line, for the log and the journal.
fn plain(detail: &str) -> String {
    let Ok(Value::Object(facts)) = serde_json::from_str(detail) else {
        return detail.to_owned();
    };
    let word = |(name, value): (String, Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name} {text}")),
        other => Some(format!("{name} {other}")),
    };
    facts
        .into_iter()
        .filter_map(word)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a person said when they last shut the device out.
pub(super) fn last_reason(connection: &Connection, device: &str) -> Result<Option<String>> {
    let sql = "select detail ->> '$.reason' from devices_event
         where device = ?1 and what in ('decided', 'suspended') and json_valid(detail)
         order by id desc limit 1";
    let mut statement = connection.prepare_cached(sql)?;
    let found: Option<Option<String>> =
        statement.query_row([device], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

/// The file of a device, newest first: up to `limit` entries with an id below `before`.
pub(super) fn page(
    connection: &Connection,
    device: &str,
    before: i64,
    limit: u32,
) -> Result<Vec<Event>> {
    let sql = "select id, at_ms, what, detail, who, alarm from devices_event
         where device = ?1 and id < ?2 order by id desc limit ?3";
    let read = |row: &Row<'_>| {
        Ok(Event {
            id: row.get(0)?,
            at: from_ms(row.get(1)?),
            what: row.get(2)?,
            detail: row.get(3)?,
            who: row.get(4)?,
            alarm: row.get(5)?,
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![device, before, limit], read)?;
    rows.collect()
}

/// All of a short file.
#[cfg(test)]
pub(crate) fn events(connection: &Connection, device: &str) -> Result<Vec<Event>> {
    page(connection, device, i64::MAX, u32::MAX)
}

/// An alarm that is not in the journal yet.
pub(super) struct Unreported {
    pub(super) id: i64,
    pub(super) what: String,
    pub(super) severity: String,
    pub(super) text: String,
}

pub(super) fn unreported(connection: &Connection) -> Result<Vec<Unreported>> {
    connection
        .prepare_cached(
            "select id, what, alarm, device, detail from devices_event
             where alarm is not null and alarm_reported = 0 order by id limit 100",
        )?
        .query_map([], |row| {
            Ok(Unreported {
                id: row.get(0)?,
                what: row.get(1)?,
                severity: row.get(2)?,
                text: format!(
                    "{}: {}",
                    row.get::<_, String>(3)?,
                    plain(&row.get::<_, String>(4)?)
                ),
            })
        })?
        .collect()
}

pub(super) fn note_reported(connection: &Connection, id: i64) -> Result<()> {
    let sql = "update devices_event set alarm_reported = 1 where id = ?1";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// A change that waits for a person.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: i64,
    pub(crate) device: String,
    pub(crate) what: String,
    pub(crate) before: String,
    pub(crate) after: String,
    /// What takes hold when it is granted.
    pub(crate) said: String,
    pub(crate) asked: Timestamp,
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) device: &'a str,
    pub(super) what: &'a str,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) said: &'a str,
}

/// Asks for a change; the newest of its kind stands. Gives whether it is news.
pub(super) fn ask(connection: &Connection, asked: Asked<'_>, now: Timestamp) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "insert into devices_request (device, what, before, after, said, asked_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (device, what) where state = 'open' do update
             set before = excluded.before, after = excluded.after, said = excluded.said
             where before <> excluded.before or after <> excluded.after",
        )?
        .execute(params![
            asked.device,
            asked.what,
            asked.before,
            asked.after,
            asked.said,
            to_ms(now)
        ])?;
    Ok(changed > 0)
}

/// The device takes its change back.
pub(super) fn withdraw(
    connection: &Connection,
    device: &str,
    what: &str,
    now: Timestamp,
) -> Result<()> {
    let sql = "update devices_request set state = 'withdrawn', decided_by = ?3, decided_ms = ?4
         where device = ?1 and what = ?2 and state = 'open'";
    let mut statement = connection.prepare_cached(sql)?;
    let count = statement.execute(params![device, what, HALL, to_ms(now)])?;
    match count {
        0 => Ok(()),
        _ => write(connection, device, "withdrawn", what, HALL, now),
    }
}

const REQUEST: &str = "select id, device, what, before, after, said, asked_ms from devices_request
    where state = 'open'";

fn read_request(row: &Row<'_>) -> Result<Request> {
    Ok(Request {
        id: row.get(0)?,
        device: row.get(1)?,
        what: row.get(2)?,
        before: row.get(3)?,
        after: row.get(4)?,
        said: row.get(5)?,
        asked: from_ms(row.get(6)?),
    })
}

/// All changes that wait, oldest first. One of a retired device waits until it is back.
pub(crate) fn requests(connection: &Connection) -> Result<Vec<Request>> {
    let sql = format!(
        "{REQUEST} and device not in (select device from devices_device where state = 'retired')
         order by id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], read_request)?;
    rows.collect()
}

/// Changes of one device that wait, oldest first.
pub(super) fn requests_of(connection: &Connection, device: &str) -> Result<Vec<Request>> {
    let sql = format!("{REQUEST} and device = ?1 order by id");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([device], read_request)?;
    rows.collect()
}

pub(super) fn request(connection: &Connection, id: i64) -> Result<Option<Request>> {
    let sql = format!("{REQUEST} and id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([id], read_request).optional()
}

pub(super) fn decide(
    connection: &Connection,
    id: i64,
    granted: bool,
    who: &str,
    now: Timestamp,
) -> Result<()> {
    let state = if granted { "granted" } else { "refused" };
    connection
        .prepare_cached(
            "update devices_request set state = ?2, decided_by = ?3, decided_ms = ?4
             where id = ?1 and state = 'open'",
        )?
        .execute(params![id, state, who, to_ms(now)])?;
    Ok(())
}

/// Whether a device in use, or one that waits for a person, has this serial number.
pub(crate) fn has_serial(connection: &Connection, serial: &str) -> Result<bool> {
    Ok(owner_of(connection, serial)?.is_some())
}

/// The device in use, or waiting for a person, that has this serial number.
pub(crate) fn owner_of(connection: &Connection, serial: &str) -> Result<Option<String>> {
    let owners = super::store::with_serial(connection, serial)?;
    Ok(owners.first().map(|owner| owner.device.to_string()))
}
