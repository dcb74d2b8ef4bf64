//! All SQL of the registry.

use jiff::Timestamp;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Result, Row, Sql, damaged};
use zhiban_kernel::{StoreError, values};
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
pub fn life(tx: &dyn Sql, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<Life> {
    let known = "select life, beat from stores_life where store = ?1 and epoch = ?2";
    let found = tx.optional(known, values![store.as_str(), epoch_cell(epoch)], |row| {
        let (life, beat) = (row.get(0)?, row.get::<i64>(1)?.cast_unsigned());
        Ok(Life { life, beat })
    })?;
    if let Some(life) = found {
        return Ok(life);
    }
    tx.execute(
        "insert into stores_store (store, first_seen_ms) values (?1, ?2) on conflict do nothing",
        values![store.as_str(), to_ms(now)],
    )?;
    let life: u32 = tx.one(
        "insert into stores_life (store, epoch, life, first_ms, last_ms)
         select ?1, ?2, coalesce(max(life), 0) + 1, ?3, ?3 from stores_life where store = ?1
         returning life",
        values![store.as_str(), epoch_cell(epoch), to_ms(now)],
        |row| row.get(0),
    )?;
    // Nobody sends again what an epoch long over said.
    tx.execute(
        "delete from intake_item where store = ?1 and epoch in (
             select epoch from stores_life where store = ?1 and life <= ?2)",
        values![store.as_str(), i64::from(life) - LIVES_KEPT],
    )?;
    Ok(Life { life, beat: 0 })
}

/// Whether an epoch ended: another followed on it and speaks no more, so an old box was put back.
///
/// # Errors
/// When the database refuses.
pub fn is_over(tx: &dyn Sql, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<bool> {
    let newest =
        "select epoch, last_ms from stores_life where store = ?1 order by life desc limit 1";
    let read = |row: &dyn Row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?));
    let Some((newest, heard)) = tx.optional(newest, values![store.as_str()], read)? else {
        return Ok(false);
    };
    let known = "select exists (select 1 from stores_life where store = ?1 and epoch = ?2)";
    let known: bool = tx.one(known, values![store.as_str(), epoch_cell(epoch)], |row| {
        row.get(0)
    })?;
    let silent = intake::is_over(heard.unsigned_abs(), to_ms(now).unsigned_abs());
    Ok(known && newest != epoch_cell(epoch) && silent)
}

/// Number of the last heartbeat of an epoch.
///
/// # Errors
/// When the database refuses.
pub fn last_beat(sql: &dyn Sql, store: &StoreId, epoch: Epoch) -> Result<u64> {
    let query = "select beat from stores_life where store = ?1 and epoch = ?2";
    let found = sql.optional(query, values![store.as_str(), epoch_cell(epoch)], |row| {
        row.get::<i64>(0)
    })?;
    Ok(found.unwrap_or(0).unsigned_abs())
}

/// Notes that a hall was heard now and said something new. An epoch that is over does not come
/// back: if one does, two boxes speak for this hall.
///
/// # Errors
/// When the database refuses.
pub fn heard(tx: &dyn Sql, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<()> {
    let store = store.as_str();
    tx.execute(
        "update stores_life set last_ms = ?3 where store = ?1 and epoch = ?2",
        values![store, epoch_cell(epoch), to_ms(now)],
    )?;
    let newest =
        "select epoch, first_ms from stores_life where store = ?1 order by life desc limit 1";
    let (newest, since) = tx.one(newest, values![store], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
    })?;
    let is_twin = newest != epoch_cell(epoch)
        && intake::is_twin(since.unsigned_abs(), to_ms(now).unsigned_abs());
    tx.execute(
        "update stores_store set last_seen_ms = ?2,
             twin_ms = case when ?3 then ?2 else twin_ms end
         where store = ?1",
        values![store, to_ms(now), is_twin],
    )?;
    Ok(())
}

/// Notes that a hall has facts of a day, which may be before it was first heard.
///
/// # Errors
/// When the database refuses.
pub fn note_day(tx: &dyn Sql, store: &StoreId, day: i64) -> Result<()> {
    tx.post(
        "update stores_store set first_day = ?2
         where store = ?1 and (first_day is null or first_day > ?2)",
        values![store.as_str(), day],
    )
}

/// Whether two boxes spoke for a hall in the last day.
///
/// # Errors
/// When the database refuses.
pub fn has_twin(sql: &dyn Sql, store: &StoreId, now: Timestamp) -> Result<bool> {
    let query = "select coalesce(twin_ms > ?2, false) from stores_store where store = ?1";
    let since = to_ms(now) - TWIN_SHOWN_MS;
    let found = sql.optional(query, values![store.as_str(), since], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// Keeps a heartbeat, only the latest. False for one that came before or was overtaken: it says
/// nothing new, not even that the hall is there.
///
/// # Errors
/// When the database refuses.
pub fn beat(tx: &dyn Sql, beat: &Heartbeat, now: Timestamp) -> Result<bool> {
    if beat.number <= life(tx, &beat.store, beat.epoch, now)?.beat {
        return Ok(false);
    }
    let store = beat.store.as_str();
    let number = beat.number.cast_signed();
    tx.execute(
        "update stores_life set beat = ?3 where store = ?1 and epoch = ?2",
        values![store, epoch_cell(beat.epoch), number],
    )?;
    heard(tx, &beat.store, beat.epoch, now)?;
    let live = beat.live.as_ref().map(json_text).transpose()?;
    tx.execute(
        "update stores_store set
             version = ?2, backlog = ?3, oldest_unsent_s = ?4, heartbeat_ms = ?5, live = ?6
         where store = ?1",
        values![
            store,
            beat.version,
            beat.backlog,
            beat.oldest_unsent_s,
            to_ms(beat.at),
            live,
        ],
    )?;
    Ok(true)
}

/// Keeps what a hall says it is; gives the reason when that cannot be used.
///
/// # Errors
/// When the database refuses.
pub fn save_profile(
    tx: &dyn Sql,
    store: &StoreId,
    profile: &HallProfile,
) -> Result<std::result::Result<(), &'static str>> {
    if let Some(problem) = problem_of(profile) {
        return Ok(Err(problem));
    }
    tx.execute(
        "update stores_store set profile = ?2 where store = ?1",
        values![store.as_str(), json_text(profile)?],
    )?;
    Ok(Ok(()))
}

const HALL: &str = "select store, profile, first_seen_ms, last_seen_ms, version, backlog, \
    heartbeat_ms, live, oldest_unsent_s, twin_ms, first_day from stores_store";

/// All halls, by id.
///
/// # Errors
/// When the database refuses.
pub fn all(sql: &dyn Sql) -> Result<Vec<Hall>> {
    sql.all(&format!("{HALL} order by store"), &[], read_hall)
}

/// One hall.
///
/// # Errors
/// When the database refuses.
pub fn one(sql: &dyn Sql, store: &StoreId) -> Result<Option<Hall>> {
    let query = format!("{HALL} where store = ?1");
    sql.optional(&query, values![store.as_str()], read_hall)
}

/// A number that goes up when any hall is heard.
///
/// # Errors
/// When the database refuses.
pub fn last_heard(sql: &dyn Sql) -> Result<Option<i64>> {
    sql.one("select max(last_seen_ms) from stores_store", &[], |row| {
        row.get(0)
    })
}

fn read_hall(row: &dyn Row) -> Result<Hall> {
    let store: &str = row.get(0)?;
    let live: Option<&str> = row.get(7)?;
    let live_at = row.get::<Option<i64>>(6)?.map(from_ms);
    let profile: Option<&str> = row.get(1)?;
    Ok(Hall {
        store: store.parse().map_err(|error| damaged(0, error))?,
        // What an older program wrote and this one cannot read counts as not there.
        profile: profile.and_then(|text| serde_json::from_str(text).ok()),
        first_seen: from_ms(row.get(2)?),
        last_seen: row.get::<Option<i64>>(3)?.map(from_ms),
        version: row.get(4)?,
        backlog: row.get::<Option<i64>>(5)?.and_then(|n| n.try_into().ok()),
        oldest_unsent_s: row.get(8)?,
        twin: row.get::<Option<i64>>(9)?.map(from_ms),
        first_day: row.get(10)?,
        live: live_at.zip(live.and_then(|text| serde_json::from_str(text).ok())),
    })
}

fn json_text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(error.to_string()))
}

/// An epoch is below 2^53 by its definition; anything else is kept by its bits.
pub(crate) fn epoch_cell(epoch: Epoch) -> i64 {
    epoch.0.cast_signed()
}
