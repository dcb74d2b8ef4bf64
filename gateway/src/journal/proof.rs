//! By what a row of the journal is known to be what was written, and what is brought over from a
//! damaged database: rows that prove so, each as if it arrived now.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, Row, params_from_iter};
use zhiban_kernel::StoreError;
use zhiban_kernel::backup::Rescued;
use zhiban_kernel::clock::from_ms;
use zhiban_kernel::store::{damaged_row, row_sum};
use zhiban_vocabulary::report::{self, Observation, Origin};

use super::model::{ClockFlag, Door, Identity, Numbered, Outcome, Prepared};
use super::store::{append, last_id};

/// Ids in a row that cannot be read, after which nothing more is looked for.
const UNREADABLE_MAX: u32 = 100_000;

/// Boot of what the hall says anew by itself after its tables went back to a backup.
pub const TOLD_AGAIN: &str = "device-file";

/// What the sum of a row is made of. The device by its name: its number is another one elsewhere.
pub(super) struct Content<'r> {
    pub(super) device: &'r str,
    pub(super) received_ms: i64,
    pub(super) kind: &'r str,
    pub(super) boot: Option<&'r str>,
    pub(super) seq: Option<i64>,
    pub(super) time_ms: i64,
    pub(super) clock: i64,
    pub(super) payload: &'r [u8],
}

impl Content<'_> {
    pub(super) fn sum(&self) -> i64 {
        let seq = self.seq.map(i64::to_le_bytes);
        row_sum(&[
            self.device.as_bytes(),
            &self.received_ms.to_le_bytes(),
            self.kind.as_bytes(),
            self.boot.unwrap_or_default().as_bytes(),
            seq.as_ref().map_or(&[], |seq| &seq[..]),
            &self.time_ms.to_le_bytes(),
            &self.clock.to_le_bytes(),
            self.payload,
        ])
    }
}

/// Columns [`read`] reads, of the table `report`.
const COLUMNS: &str =
    "report.id, report.device, received_ms, kind, boot, seq, time_ms, clock, payload,
    report.sum";

/// A row as it stands, with the sum it should have.
struct Found {
    id: i64,
    device: i64,
    received_ms: i64,
    kind: String,
    boot: Option<String>,
    seq: Option<i64>,
    time_ms: i64,
    clock: i64,
    payload: Vec<u8>,
    /// None in rows of an earlier version.
    sum: Option<i64>,
}

impl Found {
    /// Whether it is what was written; `None` where nothing says so.
    fn is_proved(&self, device: Option<&str>) -> Option<bool> {
        let content = Content {
            device: device.unwrap_or_default(),
            received_ms: self.received_ms,
            kind: &self.kind,
            boot: self.boot.as_deref(),
            seq: self.seq,
            time_ms: self.time_ms,
            clock: self.clock,
            payload: &self.payload,
        };
        self.sum.map(|sum| sum == content.sum())
    }

    fn into_report(self, device: &str) -> Option<Numbered> {
        let parsed = report::parse(&self.kind, &self.payload).ok()?;
        let origin = self.boot.zip(self.seq).and_then(|(boot, seq)| {
            let (boot, seq) = (boot.parse().ok()?, seq.cast_unsigned());
            Some(Origin { boot, seq })
        });
        Some(Numbered {
            door: Door::Hall,
            device: device.parse().ok()?,
            kind: parsed.observation.kind(),
            payload: self.payload.into(),
            topic: None,
            identity: origin.map_or(Identity::None, Identity::Numbered),
            time: from_ms(self.time_ms),
            clock: ClockFlag::from_code(self.clock),
        })
    }
}

/// A cell of another kind, or text that is none, is damage like any other.
fn read(row: &Row<'_>) -> Result<Found> {
    let id = row.get(0)?;
    cells(row, id).map_err(|_| damaged_row("journal_report", id))
}

fn cells(row: &Row<'_>, id: i64) -> Result<Found> {
    Ok(Found {
        id,
        device: row.get(1)?,
        received_ms: row.get(2)?,
        kind: row.get(3)?,
        boot: row.get(4)?,
        seq: row.get(5)?,
        time_ms: row.get(6)?,
        clock: row.get(7)?,
        payload: row.get(8)?,
        sum: row.get(9)?,
    })
}

/// Holds every row against its sum.
///
/// # Errors
/// `Damaged` at the first that is not what was written.
pub fn prove_rows(connection: &Connection) -> Result<()> {
    let names = names(connection)?
        .into_iter()
        .collect::<Result<HashMap<_, _>>>()?;
    let sql = format!("select {COLUMNS} from journal_report report order by id");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], read)?;
    for found in rows {
        let found = found?;
        let device = names.get(&found.device).map(String::as_str);
        if found.is_proved(device) == Some(false) {
            return Err(damaged_row("journal_report", found.id));
        }
    }
    Ok(())
}

fn names(connection: &Connection) -> Result<Vec<Result<(i64, String)>>> {
    let mut statement = connection.prepare("select id, name from journal_device")?;
    let rows = statement.query_map([], |row| {
        let id = row.get(0)?;
        let name = row.get(1).map_err(|_| damaged_row("journal_device", id))?;
        Ok((id, name))
    })?;
    Ok(rows.collect())
}

/// Rows of a damaged table after an id, in their order, as far as they can be read.
struct Walk<'c> {
    damaged: &'c Connection,
    /// The row after the id `?1`; its first column is its own.
    sql: String,
    at: i64,
    rescued: Rescued,
}

impl Walk<'_> {
    fn next<T>(&mut self, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        let from = self.at;
        for gap in 0..UNREADABLE_MAX {
            let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, read(row)?));
            let mut statement = self.damaged.prepare_cached(&self.sql)?;
            match statement.query_row([self.at], row).optional() {
                Ok(None) => return Ok(None),
                Ok(Some((id, found))) if id > self.at => {
                    self.at = id;
                    self.rescued.lost += u64::from(gap);
                    return Ok(Some(found));
                }
                // The next may stand on a page that reads well.
                _ => self.at += 1,
            }
        }
        tracing::warn!(
            after = from,
            "nothing can be read of the damaged database after this row"
        );
        self.rescued.is_end_unknown = true;
        Ok(None)
    }
}

/// Brings over the reports of a damaged database that are newer than the last of `back`, as far as each
/// is proved, and the dead letters that can be read. Followers make of reports again what they made
/// before.
///
/// # Errors
/// When hardly anything can be read, or `back` refuses.
pub fn rescue(damaged: &Connection, back: &Connection) -> std::result::Result<Rescued, StoreError> {
    let names: HashMap<_, _> = names(damaged)?.into_iter().flatten().collect();
    let mut walk = Walk {
        damaged,
        sql: format!(
            "select {COLUMNS} from journal_report report where report.id > ?1 order by report.id limit 1"
        ),
        at: last_id(back)?,
        rescued: Rescued::default(),
    };
    while let Some(found) = walk.next(read)? {
        if found.boot.as_deref() == Some(TOLD_AGAIN) {
            continue;
        }
        let device = names.get(&found.device).map(String::as_str);
        let received = from_ms(found.received_ms);
        let report = match (found.is_proved(device), device) {
            (Some(true), Some(device)) => found.into_report(device),
            _ => None,
        };
        let Some(report) = report else {
            walk.rescued.lost += 1;
            continue;
        };
        let (outcomes, _) = append(back, &[Prepared::Report(report)], received)?;
        walk.rescued.rows += u64::from(matches!(outcomes[..], [Outcome::Committed(_)]));
    }
    let letters = rescue_letters(damaged, back)?;
    let mut rescued = walk.rescued;
    rescued.rows += letters.rows;
    rescued.lost += letters.lost;
    rescued.is_end_unknown |= letters.is_end_unknown;
    Ok(rescued)
}

/// Dead letters are for people to read: they need no proof.
fn rescue_letters(damaged: &Connection, back: &Connection) -> Result<Rescued> {
    const COLUMNS: &str =
        "id, received_ms, door, device, topic, reason_code, reason, payload, size";
    let mut walk = Walk {
        damaged,
        sql: format!("select {COLUMNS} from journal_dead_letter where id > ?1 order by id limit 1"),
        at: back.query_row(
            "select coalesce(max(id), 0) from journal_dead_letter",
            [],
            |row| row.get(0),
        )?,
        rescued: Rescued::default(),
    };
    let sql = format!(
        "insert into journal_dead_letter ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    );
    let cells = |row: &Row<'_>| (0..9).map(|at| row.get(at)).collect::<Result<Vec<Value>>>();
    while let Some(letter) = walk.next(cells)? {
        back.prepare_cached(&sql)?
            .execute(params_from_iter(letter))?;
        walk.rescued.rows += 1;
    }
    Ok(walk.rescued)
}

/// Writes down what the hall says of itself, in the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub fn note_of_hall(
    connection: &Connection,
    hall: &str,
    observation: &Observation,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let device = hall.parse();
    let report = Numbered {
        door: Door::Hall,
        device: device.map_err(|_| StoreError::Refused(hall.into()))?,
        kind: observation.kind(),
        payload: report::compose(observation, None, None).into(),
        topic: None,
        identity: Identity::None,
        time: now,
        clock: ClockFlag::Ok,
    };
    append(connection, &[Prepared::Report(report)], now).map(drop)
}

/// Holds the row a follower got against its sum; columns 7 to 9 are boot, seq and sum.
pub(super) fn check_entry(row: &Row<'_>, id: i64) -> Result<()> {
    let Some(sum) = row.get::<_, Option<i64>>(9)? else {
        return Ok(());
    };
    let content = content(row).map_err(|_| damaged_row("journal_report", id))?;
    if content.sum() == sum {
        return Ok(());
    }
    Err(damaged_row("journal_report", id))
}

fn content<'r>(row: &'r Row<'_>) -> Result<Content<'r>> {
    let text = |column| -> Result<Option<&str>> { Ok(row.get_ref(column)?.as_str_or_null()?) };
    Ok(Content {
        received_ms: row.get(1)?,
        device: text(2)?.unwrap_or_default(),
        kind: text(3)?.unwrap_or_default(),
        time_ms: row.get(4)?,
        clock: row.get(5)?,
        payload: row.get_ref(6)?.as_bytes()?,
        boot: text(7)?,
        seq: row.get(8)?,
    })
}

/// The row as it is about to be written.
pub(super) fn sum_of(report: &Numbered, received_ms: i64, time_ms: i64) -> i64 {
    let origin = match &report.identity {
        Identity::Numbered(origin) => Some(origin),
        Identity::Packet { .. } | Identity::None => None,
    };
    let content = Content {
        device: report.device.as_str(),
        received_ms,
        kind: report.kind.as_str(),
        boot: origin.map(|origin| origin.boot.as_str()),
        seq: origin.map(|origin| origin.seq.cast_signed()),
        time_ms,
        clock: report.clock.code(),
        payload: &report.payload,
    };
    content.sum()
}
