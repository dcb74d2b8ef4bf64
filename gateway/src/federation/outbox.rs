//! All SQL of the outbox.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde_json::value::RawValue;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::envelope::{Envelope, Item};
use zhiban_vocabulary::time::elapsed_s;

/// Puts an item in line, in the caller's transaction.
///
/// # Errors
/// When the database refuses; then the fact is refused with it.
pub fn put(
    connection: &Connection,
    item: &Item,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let body =
        serde_json::to_string(item).map_err(|error| StoreError::Database(error.to_string()))?;
    let sql = "insert into federation_outbox (created_ms, body) values (?1, ?2)";
    connection
        .prepare_cached(sql)?
        .execute(params![to_ms(now), body])?;
    Ok(())
}

/// The oldest rows, at most `rows` of them and about `bytes` of bodies.
pub(super) fn oldest(connection: &Connection, rows: u32, bytes: usize) -> Result<Vec<Envelope>> {
    let sql = "select seq, body from federation_outbox order by seq limit ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query([rows])?;
    let (mut envelopes, mut size) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let body: String = row.get(1)?;
        size += body.len();
        if size > bytes && !envelopes.is_empty() {
            break;
        }
        let seq = row.get::<_, i64>(0)?.unsigned_abs();
        // Written by `put`; a body damaged on disk is sent as null and buried by the centre.
        let body = RawValue::from_string(body).unwrap_or_else(|_| RawValue::NULL.to_owned());
        envelopes.push(Envelope { seq, body });
    }
    Ok(envelopes)
}

/// The highest number ever given.
pub(super) fn highest(connection: &Connection) -> Result<u64> {
    let sql = "select seq from sqlite_sequence where name = 'federation_outbox'";
    let found: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0).unsigned_abs())
}

/// Deletes what the centre has on disk.
pub(super) fn prune(connection: &Connection, committed: u64) -> Result<usize> {
    let committed = i64::try_from(committed).unwrap_or(i64::MAX);
    let sql = "delete from federation_outbox where seq <= ?1";
    connection.prepare_cached(sql)?.execute([committed])
}

/// What waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backlog {
    pub rows: u64,
    pub oldest_unsent_s: Option<u32>,
}

/// # Errors
/// When the database cannot be read.
pub fn backlog(connection: &Connection, now: Timestamp) -> Result<Backlog> {
    let rows: i64 = connection.query_row("select count(*) from federation_outbox", [], |row| {
        row.get(0)
    })?;
    let sql = "select created_ms from federation_outbox order by seq limit 1";
    let oldest: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    let oldest_unsent_s = oldest.map(|ms| elapsed_s(from_ms(ms), now));
    Ok(Backlog {
        rows: rows.unsigned_abs(),
        oldest_unsent_s,
    })
}
