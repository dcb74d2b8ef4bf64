//! All SQL of the signs.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::DeviceId;

/// What is known of a sign.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sign {
    pub(super) is_down: bool,
    /// Since when it is back, or is heard of, without having been told what counts now.
    pub(super) back: Option<Timestamp>,
    /// The command by which it was told again last.
    pub(super) told: Option<i64>,
}

pub(super) fn sign(connection: &Connection, sign: &DeviceId) -> Result<Sign> {
    let sql = "select is_down, back_ms, told from boards_sign where sign = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Sign {
            is_down: row.get(0)?,
            back: row.get::<_, Option<i64>>(1)?.map(from_ms),
            told: row.get(2)?,
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    let known = statement.query_row([sign.as_str()], read).optional()?;
    Ok(known.unwrap_or_default())
}

pub(super) fn note_down(connection: &Connection, sign: &DeviceId) -> Result<()> {
    let sql = "insert into boards_sign (sign, is_down) values (?1, true)
         on conflict (sign) do update set is_down = true, back_ms = null";
    connection.prepare_cached(sql)?.execute([sign.as_str()])?;
    Ok(())
}

/// One that says so again, and missed nothing, is not back.
pub(super) fn note_up(
    connection: &Connection,
    sign: &DeviceId,
    has_missed: bool,
    at: Timestamp,
) -> Result<()> {
    let sql = "insert into boards_sign (sign, back_ms) values (?1, ?3)
         on conflict (sign) do update set
             back_ms = iif(is_down or ?2, ?3, back_ms), is_down = false";
    connection
        .prepare_cached(sql)?
        .execute(params![sign.as_str(), has_missed, to_ms(at)])?;
    Ok(())
}

/// Without a command where there is nothing to tell.
pub(super) fn note_told(
    connection: &Connection,
    sign: &DeviceId,
    command: Option<i64>,
) -> Result<()> {
    let sql = "insert into boards_sign (sign, told) values (?1, ?2)
         on conflict (sign) do update set told = ?2, back_ms = null";
    connection
        .prepare_cached(sql)?
        .execute(params![sign.as_str(), command])?;
    Ok(())
}
