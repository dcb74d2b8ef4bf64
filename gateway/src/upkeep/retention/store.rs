//! The tables of retention, and one step of it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use zhiban_config::gateway::Retention;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::said::Said;

use crate::journal::SeenPlace;
use crate::{commands, federation, joining, journal};

/// Rows of one kind that go in one step: small, because a step holds the writer.
pub(super) const STEP: u32 = 2_000;
const DAY_MS: i64 = 24 * 3_600_000;
/// How long the box ran in all, in milliseconds, among the journal's values.
const RAN: &str = "ran_ms";

/// What is dropped when room is short, in this order.
pub(super) const KINDS: [&str; 5] = ["settled", "report", "command", "letter", "unsent"];

/// What one step works with.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) retention: Retention,
    /// How long the box ran since the last step.
    pub(super) ran_ms: i64,
    /// Most bytes the database may have in use.
    pub(super) limit_bytes: u64,
    pub(super) stands_alone: bool,
    pub(super) seen: SeenPlace,
    pub(super) spared: federation::Spared,
    pub(super) now: Timestamp,
}

/// What came of a step.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) seen: SeenPlace,
    /// There is more to do at once.
    pub(super) more: bool,
}

/// One step: what has its age goes, and where room is short the oldest of what matters least.
pub(super) fn step(connection: &Connection, step: &Step) -> Result<Done> {
    let day = count_day(connection, step.ran_ms)?;
    let old = mark_before(connection, day - i64::from(step.retention.report_days))?;
    if step.stands_alone {
        federation::settle_alone(connection)?;
    }
    let mut gone = federation::prune(connection)?;
    let mut seen = step.seen.clone();
    if let Some((report, request)) = old {
        let up_to = report.min(journal::read_by_all(connection)?);
        gone += journal::prune_reports(connection, up_to, STEP)?;
        gone += joining::prune_refused(connection, request)?;
        let forgotten = report.min(journal::oldest_id(connection)?.unwrap_or(1) - 1);
        seen = journal::prune_seen(connection, &step.seen, forgotten, STEP)?.1;
    }
    let dropped = if used_bytes(connection)? > step.limit_bytes {
        drop_oldest(connection, step)?
    } else {
        0
    };
    let more = gone >= STEP as usize || dropped > 0;
    Ok(Done { seen, more })
}

/// Counts the running time up, and marks where the journal is when a new day of it begins.
fn count_day(connection: &Connection, ran_ms: i64) -> Result<i64> {
    let ran = journal::value(connection, RAN)? + ran_ms;
    journal::set_value(connection, RAN, ran)?;
    let day = ran / DAY_MS;
    let sql = "insert into retention_mark values (?1, ?2, ?3)
         on conflict do update set report = excluded.report, request = excluded.request";
    let report = journal::counts(connection)?.last_id;
    let request = joining::last_request(connection)?;
    connection
        .prepare_cached(sql)?
        .execute(params![day, report, request])?;
    Ok(day)
}

/// The last ids of a day; `None` where the box has not run that long. Older marks are needed no more.
fn mark_before(connection: &Connection, day: i64) -> Result<Option<(i64, i64)>> {
    let sql =
        "select day, report, request from retention_mark where day < ?1 order by day desc limit 1";
    let found: Option<(i64, i64, i64)> = connection
        .prepare_cached(sql)?
        .query_row([day], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((marked, report, request)) = found else {
        return Ok(None);
    };
    let sql = "delete from retention_mark where day < ?1";
    connection.prepare_cached(sql)?.execute([marked])?;
    Ok(Some((report, request)))
}

/// Drops some of the first kind there is any of, and counts it.
fn drop_oldest(connection: &Connection, step: &Step) -> Result<usize> {
    for what in KINDS {
        let rows = match what {
            "settled" => federation::drop_settled(connection, STEP)?,
            "report" => {
                let up_to = journal::read_by_all(connection)?;
                journal::prune_reports(connection, up_to, STEP)?
            }
            "command" => commands::prune_ended(connection, STEP)?,
            "letter" => journal::prune_letters(connection, STEP)?,
            _ => federation::drop_unsent(connection, STEP, step.spared)?,
        };
        if rows > 0 {
            note_dropped(connection, what, rows, step.now)?;
            return Ok(rows);
        }
    }
    Ok(0)
}

fn note_dropped(connection: &Connection, what: &str, rows: usize, now: Timestamp) -> Result<()> {
    let sql = "insert into retention_dropped values (?1, ?2, ?3, ?3)
         on conflict do update set rows = rows + excluded.rows, last_ms = excluded.last_ms";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    connection
        .prepare_cached(sql)?
        .execute(params![what, rows, to_ms(now)])?;
    Ok(())
}

/// Something that went before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// `settled`, `report`, `command`, `letter` or `unsent`
    pub what: String,
    pub rows: i64,
    pub since: Timestamp,
    pub last: Timestamp,
}

impl Dropped {
    /// How many of what, since when.
    #[must_use]
    pub fn said(&self) -> Said {
        let Self {
            what, rows, since, ..
        } = self;
        let zh = match what.as_str() {
            "settled" => "中心已有的数据",
            "report" => "报文",
            "command" => "命令记录",
            "letter" => "死信",
            _ => "尚未上传的数据",
        };
        Said::new(
            format!("{zh} {rows} 条，自 {since} 起"),
            format!("{rows} {what} since {since}"),
        )
    }
}

/// What went before its time since the box exists.
///
/// # Errors
/// When the database cannot be read.
pub fn dropped(connection: &Connection) -> Result<Vec<Dropped>> {
    let sql = "select what, rows, since_ms, last_ms from retention_dropped order by what";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Dropped {
            what: row.get(0)?,
            rows: row.get(1)?,
            since: from_ms(row.get(2)?),
            last: from_ms(row.get(3)?),
        })
    })?;
    rows.collect()
}

/// Bytes of the database in use; what is free inside the file is used again before it grows.
///
/// # Errors
/// When the database cannot be read.
pub fn used_bytes(connection: &Connection) -> Result<u64> {
    let pragma = |name: &str| -> Result<i64> {
        connection.query_row(&format!("pragma {name}"), [], |row| row.get(0))
    };
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok((pages * pragma("page_size")?).unsigned_abs())
}
