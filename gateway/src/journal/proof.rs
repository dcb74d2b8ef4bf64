//! By what a row of the journal is known to be what was written, and what is brought over from a
//! damaged database: rows that prove so, each as if it arrived now.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row};
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::from_ms;
use zhiban_kernel::store::{damaged_row, row_sum};
use zhiban_vocabulary::report::{self, Observation, Origin};

use super::model::{ClockFlag, Door, Identity, Numbered, Outcome, Prepared};
use super::store::{append, last_id};

/// Ids in a row that cannot be read, after which nothing more is looked for.
const UNREADABLE_MAX: u32 = 100_000;

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

fn read(row: &Row<'_>) -> Result<Found> {
    Ok(Found {
        id: row.get(0)?,
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
    let names = names(connection)?;
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

fn names(connection: &Connection) -> Result<HashMap<i64, String>> {
    let mut statement = connection.prepare("select id, name from journal_device")?;
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    names.collect()
}

/// Brings over the reports of a damaged database that are newer than the last of `back`, as far as each
/// is proved. Followers make of them again what they made before. Says how many.
///
/// # Errors
/// When hardly anything can be read, or `back` refuses.
pub fn rescue(damaged: &Connection, back: &Connection) -> std::result::Result<u64, StoreError> {
    let names = names(damaged)?;
    let mut at = last_id(back)?;
    let sql = format!(
        "select {COLUMNS} from journal_report report where report.id > ?1 order by report.id limit 1"
    );
    let (mut rescued, mut passed_over, mut in_a_row) = (0, 0_u64, 0);
    while in_a_row < UNREADABLE_MAX {
        let next = damaged
            .prepare_cached(&sql)?
            .query_row([at], read)
            .optional();
        let found = match next {
            Ok(None) => break,
            Ok(Some(found)) if found.id > at => found,
            // The next may stand on a page that reads well.
            _ => {
                (at, in_a_row) = (at + 1, in_a_row + 1);
                continue;
            }
        };
        (at, in_a_row) = (found.id, 0);
        let device = names.get(&found.device).map(String::as_str);
        let received = from_ms(found.received_ms);
        let report = match (found.is_proved(device), device) {
            (Some(true), Some(device)) => found.into_report(device),
            _ => None,
        };
        let Some(report) = report else {
            passed_over += 1;
            continue;
        };
        let (outcomes, _) = append(back, &[Prepared::Report(report)], received)?;
        rescued += u64::from(matches!(outcomes[..], [Outcome::Committed(_)]));
    }
    tracing::warn!(
        rescued,
        passed_over,
        "reports were brought over from the damaged database"
    );
    Ok(rescued)
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
    let text = |column| -> Result<Option<&str>> {
        let cell = row.get_ref(column)?.as_str_or_null();
        cell.map_err(|_| damaged_row("journal_report", id))
    };
    let content = Content {
        received_ms: row.get(1)?,
        device: text(2)?.unwrap_or_default(),
        kind: text(3)?.unwrap_or_default(),
        time_ms: row.get(4)?,
        clock: row.get(5)?,
        payload: row.get_ref(6)?.as_bytes()?,
        boot: text(7)?,
        seq: row.get(8)?,
    };
    if content.sum() == sum {
        return Ok(());
    }
    Err(damaged_row("journal_report", id))
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
