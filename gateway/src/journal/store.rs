//! All SQL of the journal.

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::report::{self, Origin};
use zhiban_vocabulary::{BootId, DeviceId};

use super::letters;
use super::model::{ClockFlag, Entry, Identity, Numbered, Outcome, Prepared, Redelivery};
use super::proof::{check_entry, sum_of};
use super::seen::{Seen, Sight};

/// Packet ids are compared within a window of this many.
const PACKET_SLOTS: u16 = 1_024;
/// How long a redelivery without number and without time is known again. Longer, and a pad that
/// says the same thing with the same packet id again would lose a press.
const UNTIMED_WINDOW_MS: i64 = 120_000;

pub(super) fn last_id(connection: &Connection) -> Result<i64> {
    connection.query_row(
        "select coalesce(max(id), 0) from journal_report",
        [],
        |row| row.get(0),
    )
}

/// Writes all, and says what became of each and what the last new id is.
pub(super) fn append(
    connection: &Connection,
    prepared: &[Prepared],
    now: Timestamp,
) -> std::result::Result<(Vec<Outcome>, Option<i64>), StoreError> {
    let mut appending = Appending::new(connection, now)?;
    let mut outcomes = Vec::with_capacity(prepared.len());
    let mut last = None;
    for one in prepared {
        let outcome = match one {
            Prepared::Report(report) => appending.append(report)?,
            Prepared::Dead(letter) => {
                letters::bury(connection, letter, now)?;
                Outcome::DeadLettered {
                    code: letter.code,
                    reason: letter.reason.clone(),
                }
            }
        };
        if let Outcome::Committed(id) = outcome {
            last = Some(id);
        }
        outcomes.push(outcome);
    }
    appending.save()?;
    Ok((outcomes, last))
}

/// What is known of one device, read once and written once by an append.
struct Device {
    id: i64,
    name: DeviceId,
    last_report: Option<i64>,
    /// Most devices have one boot at a time.
    seen: Vec<(BootId, Seen)>,
}

/// One append under way.
struct Appending<'c> {
    connection: &'c Connection,
    insert: CachedStatement<'c>,
    /// Doors hand in what one device said, so there is hardly ever more than one.
    devices: Vec<Device>,
    now: Timestamp,
}

impl<'c> Appending<'c> {
    fn new(connection: &'c Connection, now: Timestamp) -> Result<Self> {
        let sql = "insert into journal_report
                 (received_ms, device, previous, kind, boot, seq, time_ms, clock, payload, sum)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        Ok(Self {
            connection,
            insert: connection.prepare_cached(sql)?,
            devices: Vec::new(),
            now,
        })
    }

    fn append(&mut self, report: &Numbered) -> std::result::Result<Outcome, StoreError> {
        let at = self.device(&report.device)?;
        let (connection, device, now) = (self.connection, &mut self.devices[at], self.now);
        match sight(connection, report, device, now)? {
            Sight::New => {
                let id = write(&mut self.insert, report, device, now)?;
                Ok(Outcome::Committed(id))
            }
            Sight::Duplicate => Ok(Outcome::Duplicate),
            Sight::Unknowable => {
                let letter = letters::stale_letter(report);
                letters::bury(connection, &letter, now)?;
                Ok(Outcome::DeadLettered {
                    code: letter.code,
                    reason: letter.reason,
                })
            }
        }
    }

    /// Where a device is among those of this append.
    fn device(&mut self, name: &DeviceId) -> Result<usize> {
        if let Some(at) = self.devices.iter().position(|device| device.name == *name) {
            return Ok(at);
        }
        self.devices.push(read_device(self.connection, name)?);
        Ok(self.devices.len() - 1)
    }

    fn save(self) -> Result<()> {
        let place = "update journal_device set last_report = ?2 where id = ?1";
        let mut place = self.connection.prepare_cached(place)?;
        let ranges = "insert into journal_seen values (?1, ?2, ?3, ?4)
             on conflict do update
             set ranges = excluded.ranges, last_report = excluded.last_report";
        let mut ranges = self.connection.prepare_cached(ranges)?;
        for device in self.devices {
            place.execute(params![device.id, device.last_report])?;
            for (boot, seen) in device.seen {
                let (id, last) = (device.id, device.last_report);
                ranges.execute(params![id, boot.as_str(), seen.to_text(), last])?;
            }
        }
        Ok(())
    }
}

fn read_device(connection: &Connection, name: &DeviceId) -> Result<Device> {
    let sql = "insert into journal_device (name) values (?1)
         on conflict do update set name = name returning id, last_report";
    connection
        .prepare_cached(sql)?
        .query_row([name.as_str()], |row| {
            Ok(Device {
                id: row.get(0)?,
                name: name.clone(),
                last_report: row.get(1)?,
                seen: Vec::new(),
            })
        })
}

fn sight(
    connection: &Connection,
    report: &Numbered,
    device: &mut Device,
    now: Timestamp,
) -> std::result::Result<Sight, StoreError> {
    let (redelivery, digest, is_timed) = match &report.identity {
        Identity::Numbered(origin) => return see(connection, device, origin),
        Identity::Packet {
            redelivery,
            digest,
            is_timed,
        } => (redelivery, digest, is_timed),
        Identity::None => return Ok(Sight::New),
    };
    let slot = packet_slot(*redelivery);
    let since_ms = if *is_timed {
        i64::MIN
    } else {
        to_ms(now) - UNTIMED_WINDOW_MS
    };
    let known =
        redelivery.again && last_digest(connection, device.id, slot, since_ms)? == Some(*digest);
    if known {
        return Ok(Sight::Duplicate);
    }
    keep_digest(connection, device.id, slot, digest, now)?;
    Ok(Sight::New)
}

fn see(
    connection: &Connection,
    device: &mut Device,
    origin: &Origin,
) -> std::result::Result<Sight, StoreError> {
    let known = device
        .seen
        .iter_mut()
        .find(|(boot, _)| *boot == origin.boot);
    if let Some((_, seen)) = known {
        return Ok(seen.see(origin.seq));
    }
    let mut seen = read_seen(connection, device.id, &origin.boot)?;
    let sight = seen.see(origin.seq);
    device.seen.push((origin.boot.clone(), seen));
    Ok(sight)
}

fn read_seen(
    connection: &Connection,
    device: i64,
    boot: &BootId,
) -> std::result::Result<Seen, StoreError> {
    let sql = "select ranges from journal_seen where device = ?1 and boot = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let text: Option<String> = statement
        .query_row(params![device, boot.as_str()], |row| row.get(0))
        .optional()?;
    let Some(text) = text else {
        return Ok(Seen::default());
    };
    // Starting anew here would let duplicates in: better to stop and say so.
    Seen::from_text(&text).ok_or_else(|| {
        StoreError::Database(format!(
            "journal_seen of {device} {boot} is damaged: {text:?}"
        ))
    })
}

/// Each part of a message has a place of its own.
fn packet_slot(redelivery: Redelivery) -> u32 {
    let packet = u32::from(redelivery.packet_id % PACKET_SLOTS);
    packet + u32::from(redelivery.part) * u32::from(PACKET_SLOTS)
}

fn last_digest(
    connection: &Connection,
    device: i64,
    slot: u32,
    since_ms: i64,
) -> Result<Option<[u8; 32]>> {
    let sql = "select digest from journal_unnumbered
         where device = ?1 and packet_slot = ?2 and received_ms >= ?3";
    connection
        .prepare_cached(sql)?
        .query_row(params![device, slot, since_ms], |row| row.get(0))
        .optional()
}

fn keep_digest(
    connection: &Connection,
    device: i64,
    slot: u32,
    digest: &[u8],
    now: Timestamp,
) -> Result<()> {
    let sql = "insert or replace into journal_unnumbered values (?1, ?2, ?3, ?4)";
    connection
        .prepare_cached(sql)?
        .execute(params![device, slot, digest, to_ms(now)])?;
    Ok(())
}

/// Gives the journal id.
fn write(
    insert: &mut CachedStatement<'_>,
    report: &Numbered,
    device: &mut Device,
    now: Timestamp,
) -> Result<i64> {
    let origin = match &report.identity {
        Identity::Numbered(origin) => Some(origin),
        Identity::Packet { .. } | Identity::None => None,
    };
    let (now_ms, time_ms) = (to_ms(now), to_ms(report.time));
    let id = insert.insert(params![
        now_ms,
        device.id,
        device.last_report,
        report.kind.as_str(),
        origin.map(|origin| origin.boot.as_str()),
        origin.map(|origin| seq_bits(origin.seq)),
        time_ms,
        report.clock.code(),
        &report.payload[..],
        sum_of(report, now_ms, time_ms),
    ])?;
    device.last_report = Some(id);
    Ok(id)
}

/// SQLite integers are signed; the bits are kept.
fn seq_bits(seq: u64) -> i64 {
    seq.cast_signed()
}

pub(super) fn add_to_value(connection: &Connection, name: &str, more: i64) -> Result<()> {
    let sql = "insert into journal_value values (?1, ?2)
         on conflict do update set value = value + excluded.value";
    connection
        .prepare_cached(sql)?
        .execute(params![name, more])?;
    Ok(())
}

/// A single value, 0 when it was never set.
///
/// # Errors
/// When the database cannot be read.
pub fn value(connection: &Connection, name: &str) -> Result<i64> {
    let sql = "select value from journal_value where name = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// Sets a single value.
///
/// # Errors
/// When the database refuses.
pub fn set_value(connection: &Connection, name: &str, value: i64) -> Result<()> {
    let sql = "insert into journal_value values (?1, ?2)
         on conflict do update set value = excluded.value";
    connection
        .prepare_cached(sql)?
        .execute(params![name, value])?;
    Ok(())
}

/// How full the journal is.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub last_id: i64,
    pub dead_letters: i64,
    pub dead_letters_dropped: i64,
}

/// # Errors
/// When the database cannot be read.
pub fn counts(connection: &Connection) -> Result<Counts> {
    let sql = "select count(*) from journal_dead_letter";
    Ok(Counts {
        last_id: last_id(connection)?,
        dead_letters: connection.query_row(sql, [], |row| row.get(0))?,
        dead_letters_dropped: value(connection, letters::DROPPED)?,
    })
}

/// Up to `limit` entries after `position`, oldest first, and the position behind them.
///
/// # Errors
/// When the database cannot be read, or holds a row that is not what was written.
pub fn entries_after(
    connection: &Connection,
    position: i64,
    limit: u32,
) -> Result<(Vec<Entry>, i64)> {
    let mut statement = connection.prepare_cached(
        "select report.id, received_ms, name, kind, time_ms, clock, payload, boot,
             seq, report.sum
         from journal_report report join journal_device device on device.id = report.device
         where report.id > ?1 order by report.id limit ?2",
    )?;
    let mut rows = statement.query(params![position, limit])?;
    let (mut entries, mut behind) = (Vec::new(), position);
    while let Some(row) = rows.next()? {
        behind = row.get(0)?;
        check_entry(row, behind)?;
        entries.extend(read_entry(row)?);
    }
    Ok((entries, behind))
}

/// `None` for a row this version cannot read, which only a downgrade can bring about.
fn read_entry(row: &Row<'_>) -> Result<Option<Entry>> {
    let (id, kind, payload): (i64, String, Vec<u8>) = (row.get(0)?, row.get(3)?, row.get(6)?);
    let device = row.get::<_, String>(2)?.parse();
    let (Ok(device), Ok(parsed)) = (device, report::parse(&kind, &payload)) else {
        tracing::error!(
            id,
            kind,
            "a report in the journal cannot be read and is passed over"
        );
        return Ok(None);
    };
    Ok(Some(Entry {
        id,
        received: from_ms(row.get(1)?),
        device,
        time: from_ms(row.get(4)?),
        clock: ClockFlag::from_code(row.get(5)?),
        observation: parsed.observation,
    }))
}

/// Where a follower stands; 0 before its first step.
///
/// # Errors
/// When the database cannot be read.
pub fn follower_position(connection: &Connection, name: &str) -> Result<i64> {
    let sql = "select position from journal_follower where name = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// All followers by name.
///
/// # Errors
/// When the database cannot be read.
pub fn position_of(connection: &Connection) -> Result<Vec<(String, i64)>> {
    connection
        .prepare_cached("select name, position from journal_follower order by name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Notes a follower that has not read anything yet.
pub(super) fn add_follower(connection: &Connection, name: &str) -> Result<()> {
    let sql = "insert or ignore into journal_follower values (?1, 0)";
    connection.prepare_cached(sql)?.execute([name])?;
    Ok(())
}

pub(super) fn set_position(connection: &Connection, name: &str, position: i64) -> Result<()> {
    let sql = "insert into journal_follower values (?1, ?2)
         on conflict do update set position = excluded.position";
    connection
        .prepare_cached(sql)?
        .execute(params![name, position])?;
    Ok(())
}

/// Whether `follower` has not read everything that arrived before `time`.
///
/// # Errors
/// When the database cannot be read.
pub fn has_unread_before(connection: &Connection, follower: &str, time: Timestamp) -> Result<bool> {
    // Arrival times ascend with the id, so the first unread one decides.
    let sql = "select received_ms < ?2 from journal_report where id > ?1 order by id limit 1";
    let position = follower_position(connection, follower)?;
    let first = connection
        .prepare_cached(sql)?
        .query_row(params![position, to_ms(time)], |row| row.get(0))
        .optional()?;
    Ok(first.unwrap_or(false))
}
