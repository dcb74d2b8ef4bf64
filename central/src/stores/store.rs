//! All SQL of the registry. PostgreSQL goes beside it, as in `facts`.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_sync::intake;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{Epoch, Heartbeat};
use zhiban_vocabulary::facts::HallProfile;

use super::model::{Hall, problem_of};

/// Newest epochs of a hall whose items are told apart one by one.
const LIVES_KEPT: i64 = 3;
/// Two boxes seen to speak for one hall are shown for a day.
const TWIN_SHOWN_MS: i64 = 86_400_000;

/// One epoch of a hall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// 1 for the first the centre heard of.
    pub life: u32,
    /// Number of the last heartbeat.
    pub beat: u64,
}

/// The place of an epoch among those of its hall; the next one if it is new.
///
/// # Errors
/// When the database refuses.
pub fn life(tx: &Connection, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<Life> {
    let sql = "select life, beat from stores_life where store = ?1 and epoch = ?2";
    let found = tx
        .prepare_cached(sql)?
        .query_row(params![store.as_str(), epoch_cell(epoch)], |row| {
            let (life, beat) = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
            Ok(Life { life, beat })
        })
        .optional()?;
    if let Some(life) = found {
        return Ok(life);
    }
    tx.prepare_cached(
        "insert into stores_store (store, first_seen_ms) values (?1, ?2) on conflict do nothing",
    )?
    .execute(params![store.as_str(), to_ms(now)])?;
    let life = tx
        .prepare_cached(
            "insert into stores_life (store, epoch, life, first_ms, last_ms)
             select ?1, ?2, coalesce(max(life), 0) + 1, ?3, ?3 from stores_life where store = ?1
             returning life",
        )?
        .query_row(
            params![store.as_str(), epoch_cell(epoch), to_ms(now)],
            |row| row.get(0),
        )?;
    // Nobody sends again what an epoch long over said.
    tx.prepare_cached(
        "delete from intake_item where store = ?1 and epoch in (
             select epoch from stores_life where store = ?1 and life <= ?2)",
    )?
    .execute(params![store.as_str(), i64::from(life) - LIVES_KEPT])?;
    Ok(Life { life, beat: 0 })
}

/// Whether an epoch ended: another followed on it and speaks no more, so an old box was put back.
///
/// # Errors
/// When the database refuses.
pub fn is_over(tx: &Connection, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<bool> {
    let sql = "select epoch, last_ms from stores_life where store = ?1 order by life desc limit 1";
    let newest: Option<(i64, i64)> = tx
        .prepare_cached(sql)?
        .query_row([store.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((newest, heard)) = newest else {
        return Ok(false);
    };
    let known = "select exists (select 1 from stores_life where store = ?1 and epoch = ?2)";
    let known: bool = tx
        .prepare_cached(known)?
        .query_row(params![store.as_str(), epoch_cell(epoch)], |row| row.get(0))?;
    let silent = intake::is_over(heard.unsigned_abs(), to_ms(now).unsigned_abs());
    Ok(known && newest != epoch_cell(epoch) && silent)
}

/// Number of the last heartbeat of an epoch.
///
/// # Errors
/// When the database refuses.
pub fn last_beat(connection: &Connection, store: &StoreId, epoch: Epoch) -> Result<u64> {
    let sql = "select beat from stores_life where store = ?1 and epoch = ?2";
    let found: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row(params![store.as_str(), epoch_cell(epoch)], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0).unsigned_abs())
}

/// Notes that a hall was heard now and said something new. An epoch that is over does not come
/// back: if one does, two boxes speak for this hall.
///
/// # Errors
/// When the database refuses.
pub fn heard(tx: &Connection, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<()> {
    let store = store.as_str();
    tx.prepare_cached("update stores_life set last_ms = ?3 where store = ?1 and epoch = ?2")?
        .execute(params![store, epoch_cell(epoch), to_ms(now)])?;
    let sql = "select epoch, first_ms from stores_life where store = ?1 order by life desc limit 1";
    let (newest, since): (i64, i64) = tx
        .prepare_cached(sql)?
        .query_row([store], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let is_twin = newest != epoch_cell(epoch)
        && intake::is_twin(since.unsigned_abs(), to_ms(now).unsigned_abs());
    tx.prepare_cached(
        "update stores_store set last_seen_ms = ?2,
             twin_ms = case when ?3 then ?2 else twin_ms end
         where store = ?1",
    )?
    .execute(params![store, to_ms(now), is_twin])?;
    Ok(())
}

/// Whether two boxes spoke for a hall in the last day.
///
/// # Errors
/// When the database refuses.
pub fn has_twin(connection: &Connection, store: &StoreId, now: Timestamp) -> Result<bool> {
    let sql = "select coalesce(twin_ms > ?2, 0) from stores_store where store = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![store.as_str(), to_ms(now) - TWIN_SHOWN_MS], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.unwrap_or(false))
}

/// Keeps a heartbeat, only the latest. False for one that came before or was overtaken: it says
/// nothing new, not even that the hall is there.
///
/// # Errors
/// When the database refuses.
pub fn beat(tx: &Connection, beat: &Heartbeat, now: Timestamp) -> Result<bool> {
    if beat.number <= life(tx, &beat.store, beat.epoch, now)?.beat {
        return Ok(false);
    }
    let store = beat.store.as_str();
    tx.prepare_cached("update stores_life set beat = ?3 where store = ?1 and epoch = ?2")?
        .execute(params![
            store,
            epoch_cell(beat.epoch),
            beat.number.cast_signed()
        ])?;
    heard(tx, &beat.store, beat.epoch, now)?;
    let live = beat.live.as_ref().map(json_text).transpose()?;
    tx.prepare_cached(
        "update stores_store set
             version = ?2, backlog = ?3, oldest_unsent_s = ?4, heartbeat_ms = ?5, live = ?6
         where store = ?1",
    )?
    .execute(params![
        store,
        beat.version,
        i64::try_from(beat.backlog).unwrap_or(i64::MAX),
        beat.oldest_unsent_s,
        to_ms(beat.at),
        live,
    ])?;
    Ok(true)
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
    heartbeat_ms, live, oldest_unsent_s, twin_ms from stores_store";

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
        oldest_unsent_s: row.get(8)?,
        twin: row.get::<_, Option<i64>>(9)?.map(from_ms),
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
