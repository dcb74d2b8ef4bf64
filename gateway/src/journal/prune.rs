//! What leaves the journal, oldest first and a few rows at a time.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::store;

/// The newest report that may go: every follower has read it, and it is not the last, by which new
/// ones are numbered.
///
/// # Errors
/// When the database cannot be read.
pub fn read_by_all(connection: &Connection) -> Result<i64> {
    let sql = "select coalesce(min(position), 0) from journal_follower";
    let read: i64 = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?;
    Ok(read.min(store::last_id(connection)? - 1))
}

/// The oldest report that is still here; `None` in an empty journal.
///
/// # Errors
/// When the database cannot be read.
pub fn oldest_id(connection: &Connection) -> Result<Option<i64>> {
    let sql = "select min(id) from journal_report";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// When the oldest report that is still here arrived, in milliseconds since 1970.
///
/// # Errors
/// When the database cannot be read.
pub fn oldest_ms(connection: &Connection) -> Result<Option<i64>> {
    let sql = "select received_ms from journal_report order by id limit 1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([], |row| row.get(0)).optional()
}

/// Deletes the oldest reports up to and including `up_to`, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub fn prune_reports(connection: &Connection, up_to: i64, limit: u32) -> Result<usize> {
    let sql = "delete from journal_report where id in (
             select id from journal_report where id <= ?1 order by id limit ?2)";
    connection
        .prepare_cached(sql)?
        .execute(params![up_to, limit])
}

/// Deletes the oldest dead letters, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub fn prune_letters(connection: &Connection, limit: u32) -> Result<usize> {
    let sql = "delete from journal_dead_letter where id in (
             select id from journal_dead_letter order by id limit ?1)";
    connection.prepare_cached(sql)?.execute([limit])
}

/// Where a walk through the numbers seen has come: device and boot.
pub type SeenPlace = Option<(i64, String)>;

/// Forgets numbers last used at report `up_to` or before: looks at `limit` rows after `place`, and
/// gives how many went and where to go on (`None` at the end).
///
/// # Errors
/// When the database refuses.
pub fn prune_seen(
    connection: &Connection,
    place: &SeenPlace,
    up_to: i64,
    limit: u32,
) -> Result<(usize, SeenPlace)> {
    let (device, boot) = place.clone().unwrap_or((0, String::new()));
    let sql = "select device, boot from journal_seen where (device, boot) > (?1, ?2)
         order by device, boot limit 1 offset ?3";
    let end: SeenPlace = connection
        .prepare_cached(sql)?
        .query_row(params![device, boot, limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (last_device, last_boot) = end.clone().unwrap_or((i64::MAX, String::new()));
    let sql = "delete from journal_seen where (device, boot) > (?1, ?2)
             and (device, boot) <= (?3, ?4) and coalesce(last_report, 0) <= ?5";
    let bounds = params![device, boot, last_device, last_boot, up_to];
    let gone = connection.prepare_cached(sql)?.execute(bounds)?;
    Ok((gone, end))
}
