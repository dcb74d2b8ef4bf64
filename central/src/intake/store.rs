//! All SQL of the intake. PostgreSQL goes beside it, as in `facts`; there the cursor row is locked
//! first (`for update`), here the one writer is the lock.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_sync::intake::{self, Cursor, Digest, Ledger, Outcome};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{
    Answer, Batch, Envelope, Epoch, Estrangement, Heartbeat, Item, Lane, Marks,
};

use super::model::{IntakeSums, Taken};
use crate::alarms;
use crate::facts::{self, Applied};
use crate::stores::{self, epoch_cell};

/// Dead letters kept of one store; the oldest go first.
const DEAD_LETTERS_KEPT: u32 = 1_000;
/// Readers quote what they could not read, however long.
const REASON_CHARS_MAX: usize = 300;
const DEAD_LETTER_BYTES_MAX: usize = 64 << 10;

/// Takes what is new of a batch.
pub(super) fn take_batch(tx: &Connection, batch: &Batch, now: Timestamp) -> Result<Taken> {
    let (store, epoch) = (&batch.store, batch.epoch);
    if batch.envelopes.is_empty() {
        let answer = committed(tx, store, epoch, now)?;
        return Ok(Taken::nothing(answer));
    }
    if stores::is_over(tx, store, epoch, now)? {
        return Ok(Taken::nothing(estranged(store, epoch, Estrangement::Over)));
    }
    let mut ledger = SqliteLedger::new(tx, store, epoch, now);
    let taken = match intake::take(&mut ledger, batch)? {
        Outcome::Taken(taken) => taken,
        Outcome::Estranged(cause) => {
            return Ok(Taken::nothing(estranged(store, epoch, cause)));
        }
    };
    for day in ledger.days {
        facts::roll_up(tx, store, day)?;
    }
    if taken.new > 0 {
        stores::heard(tx, store, epoch, now)?;
    }
    count(tx, batch, &taken)?;
    let mut answer = committed(tx, store, epoch, now)?;
    if let Answer::Committed {
        committed, refused, ..
    } = &mut answer
    {
        committed.set(batch.lane, taken.committed);
        refused.clone_from(&taken.refused);
    }
    Ok(Taken {
        answer,
        items: taken.new,
        duplicates: taken.duplicates,
        refused: taken.refused.is_some(),
    })
}

/// Takes a heartbeat; true when it said something new.
pub(super) fn take_beat(
    tx: &Connection,
    beat: &Heartbeat,
    now: Timestamp,
) -> Result<(Answer, bool)> {
    let (store, epoch) = (&beat.store, beat.epoch);
    if stores::is_over(tx, store, epoch, now)? {
        return Ok((estranged(store, epoch, Estrangement::Over), false));
    }
    let mut ledger = SqliteLedger::new(tx, store, epoch, now);
    if let Err(cause) = intake::compare(&mut ledger, &beat.claims)? {
        return Ok((estranged(store, epoch, cause), false));
    }
    let is_new = stores::beat(tx, beat, now)?;
    Ok((committed(tx, &beat.store, beat.epoch, now)?, is_new))
}

fn estranged(store: &StoreId, epoch: Epoch, cause: Estrangement) -> Answer {
    tracing::error!(%store, ?cause, "hall and centre do not speak of the same rows");
    Answer::Estranged { epoch, cause }
}

/// The centre's disk for one store and epoch.
struct SqliteLedger<'t> {
    tx: &'t Connection,
    store: &'t StoreId,
    epoch: Epoch,
    /// Asked for with the first new item that can be read: nothing else makes an epoch known.
    life: Option<u32>,
    now: Timestamp,
    /// Whose roll-up changes.
    days: BTreeSet<i64>,
}

impl Ledger for SqliteLedger<'_> {
    type Error = rusqlite::Error;

    fn cursor(&mut self, lane: Lane) -> Result<Option<Cursor>> {
        cursor(self.tx, self.store, self.epoch, lane)
    }

    fn committed_in(&mut self, epoch: Epoch, lane: Lane) -> Result<u64> {
        let cursor = cursor(self.tx, self.store, epoch, lane)?;
        Ok(cursor.map_or(0, |cursor| cursor.committed))
    }

    fn digest(&mut self, lane: Lane, seq: u64) -> Result<Option<Digest>> {
        let sql = "select digest from intake_item
             where store = ?1 and epoch = ?2 and lane = ?3 and seq = ?4";
        let key = params![
            self.store.as_str(),
            epoch_cell(self.epoch),
            lane.as_str(),
            seq.cast_signed()
        ];
        let read = |row: &rusqlite::Row<'_>| Ok(Digest(row.get::<_, i64>(0)?.cast_unsigned()));
        self.tx.prepare_cached(sql)?.query_row(key, read).optional()
    }

    fn keep(
        &mut self,
        lane: Lane,
        envelope: &Envelope,
        digest: Digest,
    ) -> Result<std::result::Result<(), String>> {
        if let Err(reason) = self.apply(lane, envelope)? {
            let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
            self.bury(lane, envelope, &reason)?;
            return Ok(Err(reason));
        }
        self.tx
            .prepare_cached("insert into intake_item values (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                self.store.as_str(),
                epoch_cell(self.epoch),
                lane.as_str(),
                envelope.seq.cast_signed(),
                digest.0.cast_signed(),
            ])?;
        Ok(Ok(()))
    }

    fn advance(&mut self, lane: Lane, cursor: Cursor) -> Result<()> {
        let (store, epoch, lane) = (self.store.as_str(), epoch_cell(self.epoch), lane.as_str());
        self.tx
            .prepare_cached(
                "delete from intake_item
                 where store = ?1 and epoch = ?2 and lane = ?3 and seq < ?4",
            )?
            .execute(params![store, epoch, lane, cursor.kept_from.cast_signed()])?;
        self.tx
            .prepare_cached(
                "insert into intake_cursor (store, epoch, lane, committed, kept_from, last_ms)
                 values (?1, ?2, ?3, ?4, ?5, ?6)
                 on conflict (store, epoch, lane) do update set
                     committed = excluded.committed, kept_from = excluded.kept_from,
                     last_ms = excluded.last_ms",
            )?
            .execute(params![
                store,
                epoch,
                lane,
                cursor.committed.cast_signed(),
                cursor.kept_from.cast_signed(),
                to_ms(self.now),
            ])?;
        Ok(())
    }
}

impl<'t> SqliteLedger<'t> {
    fn new(tx: &'t Connection, store: &'t StoreId, epoch: Epoch, now: Timestamp) -> Self {
        Self {
            tx,
            store,
            epoch,
            life: None,
            now,
            days: BTreeSet::new(),
        }
    }

    fn life(&mut self) -> Result<u32> {
        if let Some(life) = self.life {
            return Ok(life);
        }
        let life = stores::life(self.tx, self.store, self.epoch, self.now)?.life;
        self.life = Some(life);
        Ok(life)
    }

    /// Brings one item into effect, or says why it cannot be kept.
    fn apply(
        &mut self,
        lane: Lane,
        envelope: &Envelope,
    ) -> Result<std::result::Result<(), String>> {
        let item = match serde_json::from_str(envelope.body.get()) {
            Ok(item) => item,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let life = self.life()?;
        match item {
            Item::Profile(profile) => {
                let saved = stores::save_profile(self.tx, self.store, &profile)?;
                Ok(saved.map_err(str::to_owned))
            }
            Item::Fact(revision) => Ok(match facts::apply(self.tx, self.store, life, &revision)? {
                Applied::Changed { day } => {
                    self.days.insert(day);
                    Ok(())
                }
                Applied::Old => Ok(()),
                Applied::Unusable(reason) => Err(reason.to_owned()),
            }),
            Item::Alarm(note) => {
                alarms::apply(self.tx, self.store, &note)?;
                Ok(Ok(()))
            }
            Item::SetAside(_) => {
                self.note_set_aside(lane, envelope.seq)?;
                Ok(Ok(()))
            }
        }
    }

    /// Keeps the bytes of an item that cannot be kept otherwise, once.
    fn bury(&self, lane: Lane, envelope: &Envelope, reason: &str) -> Result<()> {
        let store = self.store.as_str();
        tracing::warn!(store, seq = envelope.seq, reason, "item cannot be kept");
        let body = envelope.body.get().as_bytes();
        self.tx
            .prepare_cached(
                "insert into intake_dead_letter
                     (store, epoch, lane, seq, received_ms, reason, body, size)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 on conflict (store, epoch, lane, seq) do update set
                     tries = tries + 1, reason = excluded.reason",
            )?
            .execute(params![
                store,
                epoch_cell(self.epoch),
                lane.as_str(),
                envelope.seq.cast_signed(),
                to_ms(self.now),
                reason,
                &body[..body.len().min(DEAD_LETTER_BYTES_MAX)],
                i64::try_from(body.len()).unwrap_or(i64::MAX),
            ])?;
        self.tx
            .prepare_cached(
                "delete from intake_dead_letter where store = ?1 and id <= (
                     select id from intake_dead_letter where store = ?1
                     order by id desc limit 1 offset ?2)",
            )?
            .execute(params![store, DEAD_LETTERS_KEPT])?;
        Ok(())
    }

    fn note_set_aside(&self, lane: Lane, seq: u64) -> Result<()> {
        let sql = "update intake_dead_letter set set_aside = 1
             where store = ?1 and epoch = ?2 and lane = ?3 and seq = ?4";
        self.tx.prepare_cached(sql)?.execute(params![
            self.store.as_str(),
            epoch_cell(self.epoch),
            lane.as_str(),
            seq.cast_signed()
        ])?;
        Ok(())
    }
}

fn cursor(tx: &Connection, store: &StoreId, epoch: Epoch, lane: Lane) -> Result<Option<Cursor>> {
    tx.prepare_cached(
        "select committed, kept_from from intake_cursor
         where store = ?1 and epoch = ?2 and lane = ?3",
    )?
    .query_row(
        params![store.as_str(), epoch_cell(epoch), lane.as_str()],
        |row| {
            Ok(Cursor {
                committed: row.get::<_, i64>(0)?.cast_unsigned(),
                kept_from: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        },
    )
    .optional()
}

/// The answer that says how far both lanes are on disk.
fn committed(tx: &Connection, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<Answer> {
    let mut committed = Marks::default();
    for lane in Lane::ALL {
        let cursor = cursor(tx, store, epoch, lane)?;
        committed.set(lane, cursor.map_or(0, |cursor| cursor.committed));
    }
    Ok(Answer::Committed {
        epoch,
        committed,
        refused: None,
        twin: stores::has_twin(tx, store, now)?,
        beat: stores::last_beat(tx, store, epoch)?,
    })
}

/// Counts what a batch did; a lane that took nothing yet has no row to count in.
fn count(tx: &Connection, batch: &Batch, taken: &intake::Taken) -> Result<()> {
    tx.prepare_cached(
        "update intake_cursor set batches = batches + 1, items = items + ?4,
             duplicates = duplicates + ?5
         where store = ?1 and epoch = ?2 and lane = ?3",
    )?
    .execute(params![
        batch.store.as_str(),
        epoch_cell(batch.epoch),
        batch.lane.as_str(),
        taken.new.cast_signed(),
        taken.duplicates.cast_signed(),
    ])?;
    Ok(())
}

/// What came in since the database was made.
///
/// # Errors
/// When the database refuses.
pub fn sums(connection: &Connection) -> Result<IntakeSums> {
    let sql = "select coalesce(sum(batches), 0), coalesce(sum(items), 0),
                      coalesce(sum(duplicates), 0), max(last_ms),
                      (select count(*) from intake_dead_letter)
               from intake_cursor";
    connection.query_row(sql, [], |row| {
        let sum = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
        Ok(IntakeSums {
            batches: sum(0)?,
            items: sum(1)?,
            duplicates: sum(2)?,
            last: row.get::<_, Option<i64>>(3)?.map(from_ms),
            dead_letters: sum(4)?,
        })
    })
}
