//! Answers the long polls of halls (长轮询): what is new for one of them at once, nothing after a
//! while.
//!
//! A poll that waits costs a place in a map and a timer. One look a second, or when the bell is
//! rung, finds what changed for all halls together, and only those concerned are woken to read the
//! database.

mod bell;
mod model;
mod polls;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database, StoreError};
use zhiban_sync::seal::PublicKey;
use zhiban_vocabulary::down::{Cursor, Fetched, HOLD_S, Poll, Polled};

pub use bell::Bell;
pub use model::POLL_BYTES_MAX;

use crate::documents::{self, Concerned};
use crate::intake::Refusal;
use crate::questions;
use crate::trust::Members;
use polls::Polls;

/// How often is looked for what other programs changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Polls that are verified or read for at once; the others wait for their turn.
const WORK_MAX: usize = 16;

/// The way down; cheap to clone.
#[derive(Debug, Clone)]
pub struct Downlink(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Database,
    members: Members,
    bell: Bell,
    polls: Polls,
    work: Semaphore,
    hold: Duration,
    stop: CancellationToken,
}

impl Downlink {
    /// Polls that wait end with `stop`.
    #[must_use]
    pub fn new(store: Database, members: Members, bell: Bell, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            store,
            members,
            bell,
            polls: Polls::default(),
            work: Semaphore::new(WORK_MAX),
            hold: Duration::from_secs(HOLD_S.into()),
            stop,
        }))
    }

    /// With another time polls are held.
    #[cfg(test)]
    fn holding(self, hold: Duration) -> Self {
        let Inner {
            store,
            members,
            bell,
            stop,
            ..
        } = &*self.0;
        Self(Arc::new(Inner {
            store: store.clone(),
            members: members.clone(),
            bell: bell.clone(),
            polls: Polls::default(),
            work: Semaphore::new(WORK_MAX),
            hold,
            stop: stop.clone(),
        }))
    }

    /// Halls that polled.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.polls.count()
    }

    /// Answers a poll that came to `key`, packed as it travels; it may take [`HOLD_S`] seconds.
    ///
    /// # Errors
    /// When the database failed; the hall polls again.
    pub async fn poll(&self, key: String, bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let answer = match self.verify(&key, bytes).await? {
            Ok((poll, signer)) => self.hold(poll, signer).await?,
            Err(refusal) => {
                metrics::counter!("zhiban_downlink_refused_total").increment(1);
                tracing::warn!(key, %refusal, "poll refused");
                let reason = refusal.to_string();
                Polled::Refused { reason }
            }
        };
        Ok(model::encode(answer))
    }

    /// What is answered where there is no room.
    #[must_use]
    pub fn busy(retry_after_ms: u32) -> Vec<u8> {
        model::encode(Polled::Busy { retry_after_ms })
    }

    async fn verify(
        &self,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<Result<(Poll, PublicKey), Refusal>, StoreError> {
        let _turn = self.0.work.acquire().await;
        let (members, key) = (self.0.members.clone(), key.to_owned());
        let verified = move || model::verify(&members, &key, &bytes);
        let verified = tokio::task::spawn_blocking(verified).await;
        verified.map_err(|error| StoreError::Database(error.to_string()))
    }

    /// Holds a poll until there is something, or somebody else polls for the hall.
    async fn hold(&self, poll: Poll, signer: PublicKey) -> Result<Polled, StoreError> {
        let inner = &self.0;
        let wake = match inner.polls.enter(&poll.store, poll.number, signer) {
            Ok(wake) => wake,
            Err(number) => return Ok(Polled::Behind { number }),
        };
        metrics::gauge!("zhiban_downlink_waiting").increment(1);
        let _waiting = Waiting;
        // Spread: halls that came together must not come together again.
        let share = 0.75 + 0.25 * rand::rng().random::<f64>();
        let until = Instant::now() + inner.hold.mul_f64(share);
        let stands = loop {
            let fetched = self.fetch(&poll).await?;
            if !inner.members.keys_of(&poll.store).contains(&signer) {
                let reason = "the hall does not belong to the fleet any more".into();
                return Ok(Polled::Refused { reason });
            }
            if !fetched.is_empty() {
                return Ok(Polled::Fetched(fetched));
            }
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep_until(until) => break fetched.upto,
                () = inner.stop.cancelled() => break fetched.upto,
            }
            if !inner.polls.is_newest(&poll.store, poll.number) {
                break poll.has;
            }
        };
        Ok(Polled::Fetched(Fetched::nothing(stands)))
    }

    async fn fetch(&self, poll: &Poll) -> Result<Fetched, StoreError> {
        let _turn = self.0.work.acquire().await;
        let (store, has) = (poll.store.clone(), poll.has);
        let read = move |tx: &dyn Sql| {
            let mut fetched = documents::since(tx, &store, has)?;
            fetched.questions = questions::pending(tx, &store, Clock::real_now())?;
            Ok(fetched)
        };
        self.0.store.read(read).await
    }

    /// Wakes the polls that are concerned by what changed, until `shutdown`.
    pub async fn watch(self, shutdown: CancellationToken) {
        let inner = &self.0;
        let mut known = Cursor::default();
        let mut members = inner.members.changes();
        loop {
            match self.look(known).await {
                Ok(upto) => known = upto,
                Err(error) => tracing::warn!(%error, "polls wait longer"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = inner.bell.rung() => {}
                Ok(()) = members.changed() => inner.polls.wake_shut_out(&inner.members),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Looks what changed since `known`.
    async fn look(&self, known: Cursor) -> Result<Cursor, StoreError> {
        let read = move |tx: &dyn Sql| {
            let asked = questions::halls_asked(tx, Clock::real_now())?;
            Ok((documents::changes(tx, known)?, asked))
        };
        let (changes, asked) = self.0.store.read(read).await?;
        self.0.polls.wake(&changes.concerned);
        self.0.polls.wake(&Concerned::Halls(asked));
        Ok(changes.upto)
    }
}

/// A poll that waits, for the gauge.
struct Waiting;

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!("zhiban_downlink_waiting").decrement(1);
    }
}

#[cfg(test)]
mod tests;
