//! All SQL of the intake. PostgreSQL goes beside it, as in `facts`; there the cursor row is locked
//! first (`for update`), here the one writer is the lock.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{Batch, Envelope, Epoch, Item};

use super::model::{Cursor, IntakeSums, Taken, joins};
use crate::facts::{self, Applied};
use crate::stores::{self, epoch_cell};

/// Newest items of a line kept one by one; far more than are ever on their way at once.
const ITEMS_KEPT: u64 = 5_000;
/// Dead letters kept of one store; the oldest go first.
const DEAD_LETTERS_KEPT: u32 = 1_000;
const DEAD_LETTER_BYTES_MAX: usize = 64 << 10;

/// Takes what is new of a batch.
pub(super) fn take_batch(tx: &Connection, batch: &Batch, now: Timestamp) -> Result<Taken> {
    let cursor = cursor(tx, &batch.store, batch.epoch)?;
    let standing = Taken {
        committed: cursor.map_or(0, |cursor| cursor.committed),
        ..Taken::default()
    };
    let Some(first) = batch.envelopes.first() else {
        return Ok(standing);
    };
    stores::heard(tx, &batch.store, batch.epoch, now)?;
    if !joins(cursor, first.seq) {
        return Ok(standing);
    }
    let cursor = cursor.unwrap_or(Cursor {
        committed: first.seq - 1,
        kept_from: first.seq,
    });
    let mut taken = Taken {
        committed: cursor.committed,
        ..Taken::default()
    };
    let mut days = BTreeSet::new();
    for envelope in &batch.envelopes {
        if !is_new(tx, batch, cursor, envelope.seq)? {
            taken.duplicates += 1;
            continue;
        }
        taken.items += 1;
        taken.committed = taken.committed.max(envelope.seq);
        match apply(tx, &batch.store, envelope)? {
            Ok(day) => days.extend(day),
            Err(reason) => {
                taken.dead_letters += 1;
                bury(tx, batch, envelope, &reason, now)?;
            }
        }
    }
    for day in days {
        facts::roll_up(tx, &batch.store, day)?;
    }
    advance(tx, batch, cursor, &taken, now)?;
    Ok(taken)
}

/// Notes an item as taken; false when it was taken before. Below `kept_from` the cursor proves
/// it, above the unique key of the table decides and nothing else.
fn is_new(tx: &Connection, batch: &Batch, cursor: Cursor, seq: u64) -> Result<bool> {
    if seq < cursor.kept_from {
        return Ok(false);
    }
    let rows = tx
        .prepare_cached(
            "insert or ignore into intake_item (store, epoch, seq) values (?1, ?2, ?3)",
        )?
        .execute(params![
            batch.store.as_str(),
            epoch_cell(batch.epoch),
            seq.cast_signed()
        ])?;
    Ok(rows == 1)
}

/// Brings one item into effect. Gives the day whose roll-up it changes, or why it is unreadable.
fn apply(
    tx: &Connection,
    store: &StoreId,
    envelope: &Envelope,
) -> Result<std::result::Result<Option<i64>, String>> {
    let item = match serde_json::from_str(envelope.body.get()) {
        Ok(item) => item,
        Err(error) => return Ok(Err(error.to_string())),
    };
    match item {
        Item::Profile(profile) => {
            let saved = stores::save_profile(tx, store, &profile)?;
            Ok(saved.map(|()| None).map_err(str::to_owned))
        }
        Item::Fact(revision) => Ok(match facts::apply(tx, store, &revision)? {
            Applied::Changed { day } => Ok(Some(day)),
            Applied::Old => Ok(None),
            Applied::Unusable(reason) => Err(reason.to_owned()),
        }),
    }
}

fn bury(
    tx: &Connection,
    batch: &Batch,
    envelope: &Envelope,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    let store = batch.store.as_str();
    tracing::warn!(store, seq = envelope.seq, reason, "item is unreadable");
    let body = envelope.body.get().as_bytes();
    tx.prepare_cached(
        "insert into intake_dead_letter (store, epoch, seq, received_ms, reason, body, size)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        store,
        epoch_cell(batch.epoch),
        envelope.seq.cast_signed(),
        to_ms(now),
        reason,
        &body[..body.len().min(DEAD_LETTER_BYTES_MAX)],
        i64::try_from(body.len()).unwrap_or(i64::MAX),
    ])?;
    tx.prepare_cached(
        "delete from intake_dead_letter where store = ?1 and id <= (
             select id from intake_dead_letter where store = ?1
             order by id desc limit 1 offset ?2)",
    )?
    .execute(params![store, DEAD_LETTERS_KEPT])?;
    Ok(())
}

fn cursor(tx: &Connection, store: &StoreId, epoch: Epoch) -> Result<Option<Cursor>> {
    tx.prepare_cached(
        "select committed, kept_from from intake_cursor where store = ?1 and epoch = ?2",
    )?
    .query_row(params![store.as_str(), epoch_cell(epoch)], |row| {
        Ok(Cursor {
            committed: row.get::<_, i64>(0)?.cast_unsigned(),
            kept_from: row.get::<_, i64>(1)?.cast_unsigned(),
        })
    })
    .optional()
}

/// Highest item on disk; 0 for a line that has not begun.
pub(super) fn committed(tx: &Connection, store: &StoreId, epoch: Epoch) -> Result<u64> {
    Ok(cursor(tx, store, epoch)?.map_or(0, |cursor| cursor.committed))
}

fn advance(
    tx: &Connection,
    batch: &Batch,
    cursor: Cursor,
    taken: &Taken,
    now: Timestamp,
) -> Result<()> {
    let (store, epoch) = (batch.store.as_str(), epoch_cell(batch.epoch));
    let kept_from = cursor
        .kept_from
        .max((taken.committed + 1).saturating_sub(ITEMS_KEPT));
    if kept_from > cursor.kept_from {
        tx.prepare_cached("delete from intake_item where store = ?1 and epoch = ?2 and seq < ?3")?
            .execute(params![store, epoch, kept_from.cast_signed()])?;
    }
    tx.prepare_cached(
        "insert into intake_cursor values (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8)
         on conflict (store, epoch) do update set
             committed = excluded.committed, kept_from = excluded.kept_from,
             batches = batches + 1, items = items + excluded.items,
             duplicates = duplicates + excluded.duplicates,
             dead_letters = dead_letters + excluded.dead_letters, last_ms = excluded.last_ms",
    )?
    .execute(params![
        store,
        epoch,
        taken.committed.cast_signed(),
        kept_from.cast_signed(),
        taken.items.cast_signed(),
        taken.duplicates.cast_signed(),
        taken.dead_letters.cast_signed(),
        to_ms(now),
    ])?;
    Ok(())
}

/// What came in since the database was made.
///
/// # Errors
/// When the database refuses.
pub fn sums(connection: &Connection) -> Result<IntakeSums> {
    let sql = "select coalesce(sum(batches), 0), coalesce(sum(items), 0),
                      coalesce(sum(duplicates), 0), coalesce(sum(dead_letters), 0), max(last_ms)
               from intake_cursor";
    connection.query_row(sql, [], |row| {
        let sum = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
        Ok(IntakeSums {
            batches: sum(0)?,
            items: sum(1)?,
            duplicates: sum(2)?,
            dead_letters: sum(3)?,
            last: row.get::<_, Option<i64>>(4)?.map(from_ms),
        })
    })
}
