//! All SQL of the intake.

use std::collections::BTreeSet;

use jiff::Timestamp;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Bound, Result, Sql};
use zhiban_kernel::{StoreError, crash_point, values};
use zhiban_sync::intake::{self, Cursor, Digest, Ledger, Outcome};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{
    Answer, Batch, Envelope, Epoch, Estrangement, Heartbeat, Item, Lane, Marks,
};

use super::model::{IntakeSums, Taken};
use crate::alarms;
use crate::facts;
use crate::stores::{self, epoch_cell};

/// Dead letters kept of one store; the oldest go first.
const DEAD_LETTERS_KEPT: u32 = 1_000;
/// Readers quote what they could not read, however long.
const REASON_CHARS_MAX: usize = 300;
const DEAD_LETTER_BYTES_MAX: usize = 64 << 10;

/// Takes what is new of a batch.
pub(super) fn take_batch(tx: &dyn Sql, batch: &Batch, now: Timestamp) -> Result<Taken> {
    let (store, epoch) = (&batch.store, batch.epoch);
    hold(tx, store)?;
    if batch.envelopes.is_empty() {
        let answer = committed(tx, store, epoch, now)?;
        return Ok(Taken::nothing(answer));
    }
    if stores::is_over(tx, store, epoch, now)? {
        return Ok(Taken::nothing(estranged(store, epoch, Estrangement::Over)));
    }
    let mut ledger = SqlLedger::new(tx, store, epoch, now);
    let taken = match intake::take(&mut ledger, batch)? {
        Outcome::Taken(taken) => taken,
        Outcome::Estranged(cause) => {
            return Ok(Taken::nothing(estranged(store, epoch, cause)));
        }
    };
    crash_point!("intake: items kept, days not rolled up");
    for day in ledger.days {
        facts::roll_up(tx, store, day)?;
        stores::note_day(tx, store, day)?;
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
pub(super) fn take_beat(tx: &dyn Sql, beat: &Heartbeat, now: Timestamp) -> Result<(Answer, bool)> {
    let (store, epoch) = (&beat.store, beat.epoch);
    hold(tx, store)?;
    if stores::is_over(tx, store, epoch, now)? {
        return Ok((estranged(store, epoch, Estrangement::Over), false));
    }
    let mut ledger = SqlLedger::new(tx, store, epoch, now);
    if let Err(cause) = intake::compare(&mut ledger, &beat.claims)? {
        return Ok((estranged(store, epoch, cause), false));
    }
    let is_new = stores::beat(tx, beat, now)?;
    Ok((committed(tx, &beat.store, beat.epoch, now)?, is_new))
}

/// What one hall says is taken one message after the other, whichever intake it came to. The lock
/// is by name: a hall nobody knows yet has no row to lock, and a probe must not make one.
fn hold(tx: &dyn Sql, store: &StoreId) -> Result<()> {
    tx.lock(&format!("store {store}"))
}

fn estranged(store: &StoreId, epoch: Epoch, cause: Estrangement) -> Answer {
    tracing::error!(%store, ?cause, "hall and centre do not speak of the same rows");
    Answer::Estranged { epoch, cause }
}

/// The centre's disk for one store and epoch.
struct SqlLedger<'t> {
    tx: &'t dyn Sql,
    store: &'t StoreId,
    epoch: Epoch,
    /// Asked for with the first new item that can be read: nothing else makes an epoch known.
    life: Option<u32>,
    now: Timestamp,
    /// Whose roll-up changes.
    days: BTreeSet<i64>,
    /// Items taken and not written yet; the cursor goes over them with them.
    kept: Vec<(u64, Digest)>,
}

impl Ledger for SqlLedger<'_> {
    type Error = StoreError;

    fn cursor(&mut self, lane: Lane) -> Result<Option<Cursor>> {
        cursor(self.tx, self.store, self.epoch, lane)
    }

    fn committed_in(&mut self, epoch: Epoch, lane: Lane) -> Result<u64> {
        let cursor = cursor(self.tx, self.store, epoch, lane)?;
        Ok(cursor.map_or(0, |cursor| cursor.committed))
    }

    fn digest(&mut self, lane: Lane, seq: u64) -> Result<Option<Digest>> {
        let query = "select digest from intake_item
             where store = ?1 and epoch = ?2 and lane = ?3 and seq = ?4";
        self.tx.optional(query, &self.item(lane, seq), |row| {
            Ok(Digest(row.get::<i64>(0)?.cast_unsigned()))
        })
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
        self.kept.push((envelope.seq, digest));
        Ok(Ok(()))
    }

    fn advance(&mut self, lane: Lane, cursor: Cursor) -> Result<()> {
        let row = |(seq, digest): &(u64, Digest)| {
            let digest = Bound::Integer(Some(digest.0.cast_signed()));
            [&self.item(lane, *seq)[..], &[digest]].concat()
        };
        crash_point!("intake: facts kept, numbers not");
        let rows: Vec<_> = self.kept.iter().map(row).collect();
        self.tx.insert("intake_item", &rows)?;
        self.tx.post(
            "delete from intake_item where store = ?1 and epoch = ?2 and lane = ?3 and seq < ?4",
            &self.item(lane, cursor.kept_from),
        )?;
        self.tx.post(
            "insert into intake_cursor (store, epoch, lane, committed, kept_from, last_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (store, epoch, lane) do update set
                 committed = excluded.committed, kept_from = excluded.kept_from,
                 last_ms = excluded.last_ms",
            values![
                self.store.as_str(),
                epoch_cell(self.epoch),
                lane.as_str(),
                cursor.committed.cast_signed(),
                cursor.kept_from.cast_signed(),
                to_ms(self.now),
            ],
        )
    }
}

impl<'t> SqlLedger<'t> {
    fn new(tx: &'t dyn Sql, store: &'t StoreId, epoch: Epoch, now: Timestamp) -> Self {
        Self {
            tx,
            store,
            epoch,
            life: None,
            now,
            days: BTreeSet::new(),
            kept: Vec::new(),
        }
    }

    /// The key of an item.
    fn item(&self, lane: Lane, seq: u64) -> [Bound<'_>; 4] {
        [
            Bound::Text(Some(self.store.as_str())),
            Bound::Integer(Some(epoch_cell(self.epoch))),
            Bound::Text(Some(lane.as_str())),
            Bound::Integer(Some(seq.cast_signed())),
        ]
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
            Item::Fact(revision) => {
                let days = &mut self.days;
                let applied = facts::apply(self.tx, self.store, life, &revision, days)?;
                Ok(applied.map_err(str::to_owned))
            }
            Item::Alarm(note) => {
                alarms::apply(self.tx, self.store, &note)?;
                Ok(Ok(()))
            }
            Item::Proposal(proposal) => {
                crate::documents::propose(self.tx, self.store, &proposal, self.now)
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
        let kept = &body[..body.len().min(DEAD_LETTER_BYTES_MAX)];
        self.tx.execute(
            "insert into intake_dead_letter
                 (store, epoch, lane, seq, received_ms, reason, body, size)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             on conflict (store, epoch, lane, seq) do update set
                 tries = intake_dead_letter.tries + 1, reason = excluded.reason",
            values![
                store,
                epoch_cell(self.epoch),
                lane.as_str(),
                envelope.seq.cast_signed(),
                to_ms(self.now),
                reason,
                kept,
                body.len() as u64,
            ],
        )?;
        self.tx.execute(
            "delete from intake_dead_letter where store = ?1 and id <= (
                 select id from intake_dead_letter where store = ?1
                 order by id desc limit 1 offset ?2)",
            values![store, DEAD_LETTERS_KEPT],
        )?;
        Ok(())
    }

    fn note_set_aside(&self, lane: Lane, seq: u64) -> Result<()> {
        self.tx.post(
            "update intake_dead_letter set set_aside = true
             where store = ?1 and epoch = ?2 and lane = ?3 and seq = ?4",
            &self.item(lane, seq),
        )
    }
}

fn cursor(tx: &dyn Sql, store: &StoreId, epoch: Epoch, lane: Lane) -> Result<Option<Cursor>> {
    tx.optional(
        "select committed, kept_from from intake_cursor
         where store = ?1 and epoch = ?2 and lane = ?3",
        values![store.as_str(), epoch_cell(epoch), lane.as_str()],
        |row| {
            Ok(Cursor {
                committed: row.get::<i64>(0)?.cast_unsigned(),
                kept_from: row.get::<i64>(1)?.cast_unsigned(),
            })
        },
    )
}

/// The answer that says how far both lanes are on disk.
fn committed(tx: &dyn Sql, store: &StoreId, epoch: Epoch, now: Timestamp) -> Result<Answer> {
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
fn count(tx: &dyn Sql, batch: &Batch, taken: &intake::Taken) -> Result<()> {
    tx.post(
        "update intake_cursor set batches = batches + 1, items = items + ?4,
             duplicates = duplicates + ?5
         where store = ?1 and epoch = ?2 and lane = ?3",
        values![
            batch.store.as_str(),
            epoch_cell(batch.epoch),
            batch.lane.as_str(),
            taken.new,
            taken.duplicates,
        ],
    )
}

/// What came in since the database was made.
///
/// # Errors
/// When the database refuses.
pub fn sums(sql: &dyn Sql) -> Result<IntakeSums> {
    let query = "select cast(coalesce(sum(batches), 0) as bigint),
                        cast(coalesce(sum(items), 0) as bigint),
                        cast(coalesce(sum(duplicates), 0) as bigint), max(last_ms),
                        (select count(*) from intake_dead_letter)
                 from intake_cursor";
    sql.one(query, &[], |row| {
        Ok(IntakeSums {
            batches: row.get(0)?,
            items: row.get(1)?,
            duplicates: row.get(2)?,
            last: row.get::<Option<i64>>(3)?.map(from_ms),
            dead_letters: row.get(4)?,
        })
    })
}
