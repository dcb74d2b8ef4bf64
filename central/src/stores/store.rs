//! All SQL of the registry. PostgreSQL goes beside it, as in `facts`.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{Epoch, Heartbeat};
use zhiban_vocabulary::facts::HallProfile;

use super::model::{Hall, problem_of};

/// Notes that a hall was heard now.
///
/// # Errors
/// When the database refuses.
pub fn heard(tx: &Connection, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<()> {
    tx.prepare_cached(
        "insert into stores_store (store, first_seen_ms, last_seen_ms, epoch)
         values (?1, ?2, ?2, ?3)
         on conflict (store) do update set
             last_seen_ms = excluded.last_seen_ms, epoch = excluded.epoch",
    )?
    .execute(params![store.as_str(), to_ms(now), epoch_cell(epoch)])?;
    Ok(())
}

/// Keeps a heartbeat, only the latest. One that was overtaken says when it was heard and no more;
/// but one of a clock that was ahead of ours does not hold up those after it.
///
/// # Errors
/// When the database refuses.
pub fn beat(tx: &Connection, beat: &Heartbeat, now: Timestamp) -> Result<()> {
    heard(tx, &beat.store, beat.epoch, now)?;
    let live = beat.live.as_ref().map(json_text).transpose()?;
    tx.prepare_cached(
        "update stores_store set
             version = ?2, backlog = ?3, oldest_unsent_s = ?4, heartbeat_ms = ?5, live = ?6
         where store = ?1
           and (heartbeat_ms is null or heartbeat_ms <= ?5 or heartbeat_ms > ?7 + 300000)",
    )?
    .execute(params![
        beat.store.as_str(),
        beat.version,
        i64::try_from(beat.backlog).unwrap_or(i64::MAX),
        beat.oldest_unsent_s,
        to_ms(beat.at),
        live,
        to_ms(now),
    ])?;
    Ok(())
}

/// Keeps what a hall says it is; gives the reason when that cannot be used.
///
/// # Errors
/// When the database refuses.
pub fn save_profile(
    tx: &Connection,
    store: &StoreId,
    profile: &HallProfile,
) -> Result<std::result::Result<(), &'static str>> {
    if let Some(problem) = problem_of(profile) {
        return Ok(Err(problem));
    }
    tx.prepare_cached("update stores_store set profile = ?2 where store = ?1")?
        .execute(params![store.as_str(), json_text(profile)?])?;
    Ok(Ok(()))
}

const HALL: &str = "select store, profile, first_seen_ms, last_seen_ms, version, backlog, \
    heartbeat_ms, live from stores_store";

/// All halls, by id.
///
/// # Errors
/// When the database refuses.
pub fn all(connection: &Connection) -> Result<Vec<Hall>> {
    let sql = format!("{HALL} order by store");
    connection
        .prepare_cached(&sql)?
        .query_map([], read_hall)?
        .collect()
}

/// One hall.
///
/// # Errors
/// When the database refuses.
pub fn one(connection: &Connection, store: &StoreId) -> Result<Option<Hall>> {
    let sql = format!("{HALL} where store = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([store.as_str()], read_hall)
        .optional()
}

fn read_hall(row: &Row<'_>) -> Result<Hall> {
    let store: String = row.get(0)?;
    let live: Option<String> = row.get(7)?;
    let live_at = row.get::<_, Option<i64>>(6)?.map(from_ms);
    let profile: Option<String> = row.get(1)?;
    let broken =
        |column, error: String| Error::FromSqlConversionFailure(column, Type::Text, error.into());
    Ok(Hall {
        store: store
            .parse()
            .map_err(|error: zhiban_vocabulary::IdError| broken(0, error.to_string()))?,
        // What an older program wrote and this one cannot read counts as not there.
        profile: profile.and_then(|text| serde_json::from_str(&text).ok()),
        first_seen: from_ms(row.get(2)?),
        last_seen: row.get::<_, Option<i64>>(3)?.map(from_ms),
        version: row.get(4)?,
        backlog: row
            .get::<_, Option<i64>>(5)?
            .and_then(|n| n.try_into().ok()),
        live: live_at.zip(live.and_then(|text| serde_json::from_str(&text).ok())),
    })
}

fn json_text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// An epoch is below 2^53 by its definition; anything else is kept by its bits.
pub(crate) fn epoch_cell(epoch: Epoch) -> i64 {
    epoch.0.cast_signed()
}
