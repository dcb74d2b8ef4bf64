//! All SQL of the outbox.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde_json::value::RawValue;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::store::{damaged_row, row_sum};
use zhiban_sync::courier::{Cargo, LineStanding, Rupture, Standing};
use zhiban_vocabulary::envelope::{Envelope, Epoch, Item, Lane};
use zhiban_vocabulary::time::elapsed_s;

/// Settled rows kept in each lane in case the centre loses them: two weeks of a busy hall. Counted
/// and not dated, so that a clock that jumps deletes nothing.
const SETTLED_KEPT: u64 = 300_000;
/// Rows pruned at once, so that the writer is never held up.
const PRUNED_AT_ONCE: u64 = 2_000;

/// Puts an item in line, in the caller's transaction.
///
/// # Errors
/// When the database refuses; then what the item says is refused with it.
pub fn put(
    connection: &Connection,
    lane: Lane,
    item: &Item,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let body =
        serde_json::to_string(item).map_err(|error| StoreError::Database(error.to_string()))?;
    put_text(connection, lane, &body, now)?;
    Ok(())
}

pub(super) fn put_text(
    connection: &Connection,
    lane: Lane,
    body: &str,
    now: Timestamp,
) -> Result<()> {
    let sql = "update federation_line set given = given + 1 where lane = ?1 returning given";
    let seq: i64 = connection
        .prepare_cached(sql)?
        .query_row([lane.as_str()], |row| row.get(0))?;
    connection
        .prepare_cached(
            "insert into federation_outbox (lane, seq, created_ms, body, sum)
             values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            lane.as_str(),
            seq,
            to_ms(now),
            body,
            sum_at_0(lane, body) + seq
        ])?;
    Ok(())
}

/// What the sum of a row is, less its number: whoever writes many rows of one text adds that in SQL.
pub(super) fn sum_at_0(lane: Lane, body: &str) -> i64 {
    row_sum(&[lane.as_str().as_bytes(), body.as_bytes()])
}

/// Holds every row against its sum.
///
/// # Errors
/// `Damaged` at the first that is not what was written.
pub fn prove_rows(connection: &Connection) -> Result<()> {
    for lane in Lane::ALL {
        let sql = "select seq, body, sum from federation_outbox where lane = ?1 order by seq";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([lane.as_str()])?;
        while let Some(row) = rows.next()? {
            proved(row, lane)?;
        }
    }
    Ok(())
}

/// Number and text of a row (`seq, body, sum`) that is what was written.
fn proved(row: &Row<'_>, lane: Lane) -> Result<Envelope> {
    let (seq, sum): (i64, Option<i64>) = (row.get(0)?, row.get(2)?);
    let damaged = || damaged_row("federation_outbox", format_args!("{} {seq}", lane.as_str()));
    let body = row.get_ref(1)?.as_str().map_err(|_| damaged())?;
    if sum.is_some_and(|sum| sum != sum_at_0(lane, body) + seq) {
        return Err(damaged());
    }
    // Written by `put`, or proved above: text that is no JSON was not written by this program.
    let body = RawValue::from_string(body.to_owned()).map_err(|_| damaged())?;
    let seq = seq.unsigned_abs();
    Ok(Envelope { seq, body })
}

/// The next rows of a lane.
pub(super) fn rows(connection: &Connection, cargo: &Cargo) -> Result<Vec<Envelope>> {
    let sql = "select seq, body, sum from federation_outbox
         where lane = ?1 and seq > ?2 order by seq limit ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let after = cell(cargo.after);
    let mut found = statement.query(params![cargo.lane.as_str(), after, cargo.rows_max])?;
    let (mut envelopes, mut size) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let envelope = proved(row, cargo.lane)?;
        size += envelope.body.get().len();
        if size > cargo.bytes_max && !envelopes.is_empty() {
            break;
        }
        envelopes.push(envelope);
    }
    Ok(envelopes)
}

/// Where the outbox stands.
pub(super) fn standing(connection: &Connection, epoch: Epoch) -> Result<Standing> {
    Ok(Standing {
        epoch,
        live: line(connection, Lane::Live)?,
        history: line(connection, Lane::History)?,
    })
}

fn line(connection: &Connection, lane: Lane) -> Result<LineStanding> {
    let sql = "select born, claim, parent, settled, given from federation_line where lane = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([lane.as_str()], |row| {
            let mark = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
            let parent: Option<i64> = row.get(2)?;
            Ok(LineStanding {
                born: mark(0)?,
                claim: mark(1)?,
                parent: parent.map(|epoch| Epoch(epoch.unsigned_abs())),
                settled: mark(3)?,
                given: mark(4)?,
            })
        })
}

/// Keeps how far the centre is. The rows stay until they are pruned.
pub(super) fn settle(connection: &Connection, lane: Lane, upto: u64) -> Result<()> {
    let sql = "update federation_line set settled = max(settled, ?2) where lane = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![lane.as_str(), cell(upto)])?;
    Ok(())
}

/// Lets both lanes follow on the epoch that ended.
pub(super) fn renew(connection: &Connection, ended: Epoch, rupture: Option<Rupture>) -> Result<()> {
    for lane in Lane::ALL {
        let oldest = "select min(seq) from federation_outbox where lane = ?1";
        let oldest: Option<i64> = connection
            .prepare_cached(oldest)?
            .query_row([lane.as_str()], |row| row.get(0))?;
        let stands = line(connection, lane)?;
        let kept_from = oldest.map_or(stands.given + 1, i64::unsigned_abs);
        let renewed = stands.renewed(lane, ended, rupture, kept_from);
        let sql = "update federation_line set born = ?2, claim = ?3, parent = ?4, settled = ?5
             where lane = ?1";
        connection.prepare_cached(sql)?.execute(params![
            lane.as_str(),
            cell(renewed.born),
            cell(renewed.claim),
            renewed.parent.map(|epoch| cell(epoch.0)),
            cell(renewed.settled),
        ])?;
    }
    Ok(())
}

/// Deletes settled rows beyond those kept, a few at a time.
///
/// # Errors
/// When the database refuses.
pub fn prune(connection: &Connection) -> Result<usize> {
    let sql = "delete from federation_outbox where lane = ?1 and seq in (
             select seq from federation_outbox where lane = ?1 and seq <= (
                 select settled - ?2 from federation_line where lane = ?1)
             order by seq limit ?3)";
    let mut gone = 0;
    for lane in Lane::ALL {
        let limits = params![lane.as_str(), cell(SETTLED_KEPT), cell(PRUNED_AT_ONCE)];
        gone += connection.prepare_cached(sql)?.execute(limits)?;
    }
    Ok(gone)
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
    // Numbers have no gaps, so nothing needs counting.
    let sql = "select sum(given - settled) from federation_line";
    let rows: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    let sql = "select min(created_ms) from federation_line as line
         join federation_outbox as row on row.lane = line.lane and row.seq = line.settled + 1";
    let oldest: Option<i64> = connection
        .query_row(sql, [], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(Backlog {
        rows: rows.unsigned_abs(),
        oldest_unsent_s: oldest.map(|ms| elapsed_s(from_ms(ms), now)),
    })
}

fn cell(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::tests::database;
    use zhiban_vocabulary::envelope::{Claims, Marks, SetAside};

    fn fill(connection: &Connection, lane: Lane, rows: u64) {
        for number in 0..rows {
            let reason = format!("row {number}");
            let item = Item::SetAside(SetAside { reason });
            put(connection, lane, &item, Timestamp::UNIX_EPOCH).unwrap();
        }
    }

    fn stand(connection: &Connection) -> Standing {
        standing(connection, Epoch(1)).unwrap()
    }

    fn cargo(after: u64, bytes_max: usize) -> Cargo {
        Cargo {
            lane: Lane::History,
            after,
            rows_max: 3,
            bytes_max,
            epoch: Epoch(1),
            claims: Claims::default(),
        }
    }

    #[test]
    fn lanes_are_numbered_apart_and_numbers_are_never_given_again() {
        let connection = database();
        fill(&connection, Lane::Live, 2);
        fill(&connection, Lane::History, 5);
        connection
            .execute("delete from federation_outbox", [])
            .unwrap();
        fill(&connection, Lane::History, 1);
        let now = stand(&connection);
        assert_eq!((now.live.given, now.history.given), (2, 6));
    }

    #[test]
    fn a_batch_has_so_many_rows_and_bytes_and_one_row_at_least() {
        let connection = database();
        fill(&connection, Lane::History, 5);
        let seqs = |cargo: &Cargo| -> Vec<u64> {
            let rows = rows(&connection, cargo).unwrap();
            rows.iter().map(|row| row.seq).collect()
        };
        assert_eq!(seqs(&cargo(0, 1 << 20)), [1, 2, 3]);
        assert_eq!(seqs(&cargo(3, 1)), [4]);
        assert!(seqs(&cargo(5, 1)).is_empty());
    }

    #[test]
    fn a_centre_that_lost_rows_gets_them_again_as_far_as_they_are_here() {
        let connection = database();
        fill(&connection, Lane::History, 10);
        settle(&connection, Lane::History, 8).unwrap();
        let lost = |history| {
            let has = Marks { live: 0, history };
            renew(&connection, Epoch(1), Some(Rupture::CentreLost { has })).unwrap();
            stand(&connection).history
        };
        let back = lost(4);
        assert_eq!(
            (back.born, back.settled, back.parent),
            (4, 4, Some(Epoch(1)))
        );
        settle(&connection, Lane::History, 8).unwrap();
        connection
            .execute("delete from federation_outbox where seq < 6", [])
            .unwrap();
        assert_eq!(lost(2).settled, 5, "3 to 5 are gone on both sides");
        settle(&connection, Lane::History, 10).unwrap();
        connection
            .execute("delete from federation_outbox", [])
            .unwrap();
        assert_eq!(lost(0).settled, 10, "it goes on after the last");
    }

    #[test]
    fn an_epoch_follows_on_the_one_before() {
        let connection = database();
        fill(&connection, Lane::History, 10);
        settle(&connection, Lane::History, 3).unwrap();
        renew(&connection, Epoch(1), None).unwrap();
        let now = stand(&connection).history;
        let expect = LineStanding {
            born: 3,
            claim: 3,
            parent: Some(Epoch(1)),
            settled: 3,
            given: 10,
        };
        assert_eq!(now, expect);
    }

    #[test]
    fn what_waits_is_known_without_counting() {
        let connection = database();
        fill(&connection, Lane::Live, 2);
        fill(&connection, Lane::History, 10);
        settle(&connection, Lane::History, 3).unwrap();
        let now = Timestamp::from_second(60).unwrap();
        let waiting = backlog(&connection, now).unwrap();
        assert_eq!((waiting.rows, waiting.oldest_unsent_s), (9, Some(60)));
        settle(&connection, Lane::History, 10).unwrap();
        settle(&connection, Lane::Live, 2).unwrap();
        let level = backlog(&connection, now).unwrap();
        assert_eq!((level.rows, level.oldest_unsent_s), (0, None));
    }

    #[test]
    fn what_waits_is_never_pruned() {
        let connection = database();
        fill(&connection, Lane::History, 5);
        let sql = "update federation_line set given = 400000, settled = ?1 where lane = 'history'";
        connection.execute(sql, [2]).unwrap();
        assert_eq!(prune(&connection).unwrap(), 0);
        connection.execute(sql, [300_003]).unwrap();
        assert_eq!(prune(&connection).unwrap(), 3);
    }
}
