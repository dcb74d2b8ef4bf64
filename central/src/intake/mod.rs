//! Takes in what halls send upward: checks it, commits it, and only then answers.
//!
//! The wire delivers at least once and in any order the network likes; the effect is once. One
//! message is one job of the writer: all of it is on disk when the answer leaves, or none.
//! [`Intake::receive`] knows no transport; zenoh is one caller, the door's requests are another.

mod behind;
pub mod links;
mod model;
mod store;
mod task;

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{Clock, Database, StoreError, crash_point};
use zhiban_sync::seal::{self, Purpose};
use zhiban_sync::wire::unpack;
use zhiban_vocabulary::envelope::{Answer, Batch, Claim, Claims, Heartbeat, PROTOCOL, Upward};
use zhiban_vocabulary::topics;

pub use model::{IntakeSums, Refusal};
pub use store::sums;
pub use task::Listener;

use crate::questions::Questions;
use crate::stores;
use crate::trust::Members;

/// Largest message; a hall keeps its batches far below.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Who asks in whose name whether anybody answers: no member, and sent away without a word in the log.
pub(crate) const PROBE: &str = "zhiban-probe";

/// Items of one batch; a hall sends half as many.
const ITEMS_MAX: usize = 1_000;
/// How often commits of other programs are looked for.
const OTHERS_EVERY: Duration = Duration::from_secs(2);
/// The database keeps signed numbers.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// The way in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    store: Database,
    clock: Clock,
    members: Members,
    questions: Questions,
    changed: watch::Sender<u64>,
}

impl Intake {
    #[must_use]
    pub fn new(store: Database, clock: Clock, members: Members) -> Self {
        let (changed, _) = watch::channel(0);
        Self {
            questions: Questions::new(store.clone()),
            store,
            clock,
            members,
            changed,
        }
    }

    /// Those whose answers come in here.
    #[must_use]
    pub const fn questions(&self) -> &Questions {
        &self.questions
    }

    /// Counts up after each commit that changed something pages show.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes one message that came to `key`. The answer may leave: what it says is on disk.
    ///
    /// # Errors
    /// When the database failed. Nothing was taken and nothing may be answered, so that the hall
    /// sends the same again; it is not the message's fault.
    pub async fn receive(&self, key: &str, bytes: Vec<u8>) -> Result<Answer, StoreError> {
        let (asked, members) = (key.to_owned(), self.members.clone());
        // Signatures and unpacking are work for a thread of their own: the listener serves others.
        let verified = tokio::task::spawn_blocking(move || verify(&members, &asked, &bytes)).await;
        let verified = verified.map_err(|error| StoreError::Database(error.to_string()))?;
        crash_point!("intake: verified");
        match verified {
            Ok(Upward::Batch(batch)) => self.take_batch(batch).await,
            Ok(Upward::Heartbeat(beat)) => self.take_beat(beat).await,
            Ok(Upward::Answered(answered)) => {
                if !self.questions.heard(answered).await? {
                    metrics::counter!("zhiban_questions_late_total").increment(1);
                }
                Ok(Answer::Noted)
            }
            Err(refusal) => {
                if topics::store_of_up(key).is_none_or(|store| store.as_str() != PROBE) {
                    metrics::counter!("zhiban_intake_refused_total").increment(1);
                    tracing::warn!(key, %refusal, "message refused");
                }
                Ok(Answer::Refused {
                    reason: refusal.to_string(),
                })
            }
        }
    }

    async fn take_batch(&self, batch: Batch) -> Result<Answer, StoreError> {
        let now = self.clock.now();
        let taken = self
            .store
            .write(move |tx| store::take_batch(tx, &batch, now))
            .await?;
        crash_point!("intake: on disk, not answered");
        metrics::counter!("zhiban_intake_items_total").increment(taken.items);
        metrics::counter!("zhiban_intake_duplicates_total").increment(taken.duplicates);
        metrics::counter!("zhiban_intake_refused_items_total").increment(taken.refused.into());
        if taken.items > 0 {
            self.note_change();
        }
        Ok(taken.answer)
    }

    /// Heartbeats are answered with the cursors, so that the hall learns of a lost answer early.
    async fn take_beat(&self, beat: Heartbeat) -> Result<Answer, StoreError> {
        let now = self.clock.now();
        let (answer, is_new) = self
            .store
            .write(move |tx| store::take_beat(tx, &beat, now))
            .await?;
        if is_new {
            metrics::counter!("zhiban_intake_heartbeats_total").increment(1);
            self.note_change();
        } else {
            metrics::counter!("zhiban_intake_old_heartbeats_total").increment(1);
        }
        Ok(answer)
    }

    /// Counts up also after commits of other programs on the same database, until `shutdown`.
    pub async fn watch_others(self, shutdown: CancellationToken) {
        let mut known = None;
        loop {
            if let Ok(heard) = self.store.read(stores::last_heard).await
                && heard != known
            {
                known = heard;
                self.note_change();
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(OTHERS_EVERY) => {}
            }
        }
    }

    fn note_change(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Whether a message may be taken at all. The one place for proof of origin: a router hides who sent
/// it, so a message to the key of a store must be signed with a key of that store.
fn verify(members: &Members, key: &str, bytes: &[u8]) -> Result<Upward, Refusal> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Refusal::TooLarge(bytes.len()));
    }
    let named = topics::store_of_up(key).ok_or_else(|| Refusal::NoStore(short(key)))?;
    // Before anything is unpacked: a stranger costs one look at the signature.
    let (packed, _) = seal::open(Purpose::Up, &named, bytes, members.keys_of(&named))?;
    let message = unpack(packed).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    let upward: Upward =
        serde_json::from_slice(&message).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    let store = match &upward {
        Upward::Batch(batch) => &batch.store,
        Upward::Heartbeat(beat) => &beat.store,
        Upward::Answered(answered) => &answered.store,
    };
    if named != *store {
        return Err(Refusal::WrongKey {
            key: short(key),
            store: store.clone(),
        });
    }
    match &upward {
        Upward::Batch(batch) => check_batch(batch)?,
        Upward::Heartbeat(beat) => {
            check_protocol(beat.protocol)?;
            check_claims(&beat.claims)?;
        }
        Upward::Answered(answered) => check_protocol(answered.protocol)?,
    }
    Ok(upward)
}

fn short(key: &str) -> String {
    key.chars().take(100).collect()
}

fn check_protocol(protocol: u32) -> Result<(), Refusal> {
    if protocol == PROTOCOL {
        Ok(())
    } else {
        Err(Refusal::Protocol(protocol))
    }
}

/// Claims of numbers nobody can have given are no claims.
fn check_claims(claims: &Claims) -> Result<(), Refusal> {
    let possible = |claim: &Claim| claim.born <= NUMBER_MAX && claim.settled <= NUMBER_MAX;
    if possible(&claims.live) && possible(&claims.history) {
        Ok(())
    } else {
        Err(Refusal::Numbers)
    }
}

fn check_batch(batch: &Batch) -> Result<(), Refusal> {
    check_protocol(batch.protocol)?;
    let in_order = |pair: &[zhiban_vocabulary::envelope::Envelope]| {
        pair[0].seq.checked_add(1) == Some(pair[1].seq)
    };
    let first = batch.envelopes.first().map_or(1, |envelope| envelope.seq);
    let last = batch.envelopes.last().map_or(1, |envelope| envelope.seq);
    check_claims(&batch.claims)?;
    if first == 0 || last > NUMBER_MAX || batch.envelopes.len() > ITEMS_MAX {
        return Err(Refusal::Numbers);
    }
    if !batch.envelopes.windows(2).all(in_order) {
        return Err(Refusal::Numbers);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
