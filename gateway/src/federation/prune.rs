//! What leaves the outbox when the box has too little room, or nobody to send to.

use rusqlite::{Connection, Result, params};
use zhiban_sync::courier::Limits;
use zhiban_vocabulary::envelope::{Item, Lane, SetAside};

use super::outbox::sum_at_0;
use crate::journal::{set_value, value};

/// What goes up in the place of an item that was dropped unsent.
const WORD: &str = "dropped by the hall before it was sent: its share of the disk was full";

/// In a hall that stands alone nobody waits for rows: they count as settled, so that only the newest
/// are kept. A centre that comes later says what it lacks and is sent those again.
///
/// # Errors
/// When the database refuses.
pub fn settle_alone(connection: &Connection) -> Result<()> {
    let sql = "update federation_line set settled = given where settled < given";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Rows that wait and are never emptied.
#[derive(Debug, Clone, Copy)]
pub struct Spared {
    /// So many after the settled ones: they may have been sent, and the centre would take another row
    /// under the number of one it has for that of another box.
    pub sent: u32,
    /// So many of the newest: where even they are too many, something else fills the disk, and
    /// emptying facts for ever would not help.
    pub newest: u32,
}

impl Default for Spared {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            // Twice what may be on its way.
            sent: 2 * limits.window as u32 * limits.rows_max,
            newest: 20_000,
        }
    }
}

/// Deletes the oldest settled rows, at most `limit`: the centre has them.
///
/// # Errors
/// When the database refuses.
pub fn drop_settled(connection: &Connection, limit: u32) -> Result<usize> {
    let sql = "delete from federation_outbox where (lane, seq) in (
             select row.lane, row.seq from federation_outbox as row
             join federation_line as line on line.lane = row.lane
             where row.lane = ?1 and row.seq <= line.settled order by row.seq limit ?2)";
    let mut gone = 0;
    for lane in [Lane::History, Lane::Live] {
        gone += connection
            .prepare_cached(sql)?
            .execute(params![lane.as_str(), limit])?;
    }
    Ok(gone)
}

/// Empties the oldest rows that wait and are not spared, at most `limit`, history before live. A word takes the place of each: numbers must have no gaps, and the centre learns that
/// something is missing.
///
/// # Errors
/// When the database refuses.
pub fn drop_unsent(connection: &Connection, limit: u32, spared: Spared) -> Result<usize> {
    for lane in [Lane::History, Lane::Live] {
        let gone = drop_unsent_of(connection, lane, limit, spared)?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    Ok(0)
}

fn drop_unsent_of(
    connection: &Connection,
    lane: Lane,
    limit: u32,
    spared: Spared,
) -> Result<usize> {
    // Up to here rows were emptied before.
    let mark = format!("dropped_{}", lane.as_str());
    let sql = "select max(settled + ?3, ?2), given from federation_line where lane = ?1";
    let (after, given): (i64, i64) = connection.query_row(
        sql,
        params![lane.as_str(), value(connection, &mark)?, spared.sent],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let upto = (given - i64::from(spared.newest)).min(after + i64::from(limit));
    if upto <= after {
        return Ok(0);
    }
    let word = Item::SetAside(SetAside {
        reason: WORD.into(),
    });
    let word = serde_json::to_string(&word).unwrap_or_default();
    let sum = sum_at_0(lane, &word);
    let sql = "update federation_outbox set body = ?4, sum = ?5 + seq
         where lane = ?1 and seq > ?2 and seq <= ?3";
    let emptied =
        connection
            .prepare_cached(sql)?
            .execute(params![lane.as_str(), after, upto, word, sum])?;
    set_value(connection, &mark, upto)?;
    Ok(emptied)
}
