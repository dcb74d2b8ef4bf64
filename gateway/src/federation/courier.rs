//! Sends the outbox upward, oldest first, and deletes only what the centre has on disk.
//!
//! One batch is under way at a time. The answer carries the highest number committed; if it does
//! not come, the same rows are sent again and the centre passes over those it has.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{
    Answer, Batch, Epoch, Heartbeat, Item, LiveSnapshot, PROTOCOL, Upward,
};
use zhiban_vocabulary::time::BusinessDay;

use super::epoch::renew_epoch;
use super::outbox;
use super::uplink::{Uplink, UplinkError};
use crate::queue;
use jiff::tz::TimeZone;

const BATCH_ROWS: u32 = 500;
const BATCH_BYTES: usize = 512 << 10;
const LOOK_EVERY: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How the line to the centre does.
#[derive(Debug, Clone, Default)]
pub struct UplinkState {
    pub connected: bool,
    /// The hall's clock.
    pub last_ack: Option<Timestamp>,
    pub problem: Option<String>,
    /// Once known; starts anew when hall and centre no longer speak of the same rows.
    pub epoch: Option<Epoch>,
}

/// Carries the outbox to the centre.
#[derive(Debug)]
pub struct Courier<U> {
    pub uplink: U,
    pub store: Store,
    pub clock: Clock,
    pub hall: StoreId,
    pub zone: TimeZone,
    pub epoch: Epoch,
    /// Where the epoch is kept.
    pub data: PathBuf,
    /// Stated at every start and in every new epoch.
    pub profile: Item,
    pub heartbeat: Duration,
    pub state: watch::Sender<UplinkState>,
}

#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the centre refused the batch: {0}")]
    Refused(String),
    #[error("the centre answered for epoch {0:?}, which is not ours")]
    OtherEpoch(Epoch),
}

impl<U: Uplink> Courier<U> {
    /// Carries until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut retry = RETRY_FIRST;
        let mut next_beat = tokio::time::Instant::now();
        if let Err(error) = self.state_profile().await {
            tracing::warn!(%error, "the profile is stated at the next start");
        }
        loop {
            let carried = tokio::select! {
                () = shutdown.cancelled() => return,
                carried = self.carry(&mut next_beat) => carried,
            };
            let pause = match carried {
                Ok(true) => {
                    retry = RETRY_FIRST;
                    Duration::ZERO
                }
                Ok(false) => {
                    retry = RETRY_FIRST;
                    self.clock.real_wait(LOOK_EVERY)
                }
                Err(error) => {
                    self.note_problem(&error);
                    let pause = jittered(retry);
                    retry = (retry * 2).min(RETRY_MAX);
                    pause
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends a due heartbeat and one batch; true when more waits.
    async fn carry(&mut self, next_beat: &mut tokio::time::Instant) -> Result<bool, CarryError> {
        // Live before history: a heartbeat never waits behind a backlog.
        if tokio::time::Instant::now() >= *next_beat {
            self.beat().await?;
            let interval = self.clock.real_wait(self.heartbeat);
            *next_beat = tokio::time::Instant::now() + jittered(interval);
        }
        let read = |c: &rusqlite::Connection| {
            let envelopes = outbox::oldest(c, BATCH_ROWS, BATCH_BYTES)?;
            Ok((envelopes, outbox::highest(c)?))
        };
        let (envelopes, highest) = self.store.read(read).await?;
        let Some(first) = envelopes.first().map(|envelope| envelope.seq) else {
            return Ok(false);
        };
        let batch = Batch {
            protocol: PROTOCOL,
            store: self.hall.clone(),
            epoch: self.epoch,
            envelopes,
        };
        let answer = self.uplink.send(to_bytes(&Upward::Batch(batch))?).await?;
        let committed = self.read_answer(answer)?;
        if let Some(reason) = lives_differ(committed, first, highest) {
            return self.start_epoch(reason).await;
        }
        let pruned = self
            .store
            .write(move |c| Ok(outbox::prune(c, committed)?))
            .await?;
        metrics::counter!("zhiban_uplink_rows_total").increment(pruned as u64);
        Ok(pruned > 0)
    }

    /// Goes on in a new epoch, in which the centre expects nothing.
    async fn start_epoch(&mut self, reason: &'static str) -> Result<bool, CarryError> {
        tracing::error!(reason, "new epoch");
        self.epoch = renew_epoch(&self.store, &self.data).await?;
        self.state_profile().await?;
        self.state
            .send_modify(|state| state.epoch = Some(self.epoch));
        Ok(true)
    }

    async fn state_profile(&self) -> Result<(), StoreError> {
        let (profile, now) = (self.profile.clone(), self.clock.now());
        self.store
            .write(move |c| outbox::put(c, &profile, now))
            .await
    }

    async fn beat(&self) -> Result<(), CarryError> {
        let now = self.clock.now();
        let zone = self.zone.clone();
        let read = move |connection: &rusqlite::Connection| {
            let live = queue::live(connection, BusinessDay::of(now, &zone), now)?;
            Ok((outbox::backlog(connection, now)?, live))
        };
        let (backlog, live) = self.store.read(read).await?;
        let heartbeat = Heartbeat {
            store: self.hall.clone(),
            epoch: self.epoch,
            at: now,
            version: env!("CARGO_PKG_VERSION").into(),
            backlog: backlog.rows,
            oldest_unsent_s: backlog.oldest_unsent_s,
            live: Some(snapshot(&live)),
        };
        let answer = self
            .uplink
            .send(to_bytes(&Upward::Heartbeat(heartbeat))?)
            .await?;
        self.read_answer(answer)?;
        Ok(())
    }

    fn read_answer(&self, answer: Answer) -> Result<u64, CarryError> {
        match answer {
            Answer::Committed { epoch, committed } if epoch == self.epoch => {
                let last_ack = Some(self.clock.now());
                self.state.send_replace(UplinkState {
                    connected: true,
                    last_ack,
                    problem: None,
                    epoch: Some(epoch),
                });
                Ok(committed)
            }
            Answer::Committed { epoch, .. } => Err(CarryError::OtherEpoch(epoch)),
            Answer::Refused { reason } => Err(CarryError::Refused(reason)),
        }
    }

    fn note_problem(&self, error: &CarryError) {
        let was_connected = self.state.borrow().connected;
        if was_connected || self.state.borrow().problem.is_none() {
            tracing::warn!(%error, "the centre is not reached, facts wait here");
        }
        self.state.send_modify(|state| {
            state.connected = false;
            state.problem = Some(error.to_string());
        });
    }
}

/// Why the numbers of hall and centre cannot be of the same life; `None` when they can.
fn lives_differ(committed: u64, first: u64, highest: u64) -> Option<&'static str> {
    if committed > highest {
        return Some("the centre has rows this hall never made: an older copy is running");
    }
    // What lies between was pruned here, because the centre once said that it had it.
    (committed + 1 < first).then_some("the centre has lost rows it had")
}

fn snapshot(live: &queue::Live) -> LiveSnapshot {
    let open = live
        .counters
        .iter()
        .filter(|counter| counter.state == zhiban_vocabulary::counter::CounterState::Open);
    LiveSnapshot {
        waiting: live.waiting,
        in_hall: live.in_hall,
        longest_wait_s: live.longest.as_ref().map(|ticket| ticket.for_s),
        open_counters: u32::try_from(open.count()).unwrap_or(u32::MAX),
    }
}

fn to_bytes(message: &Upward) -> Result<Vec<u8>, CarryError> {
    serde_json::to_vec(message)
        .map_err(|error| CarryError::Store(StoreError::Database(error.to_string())))
}

/// Half to one and a half times as long, so that halls do not come back in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_belong_together_are_noticed() {
        assert_eq!(lives_differ(10, 11, 20), None);
        assert_eq!(lives_differ(15, 11, 20), None, "an answer was lost");
        assert_eq!(lives_differ(20, 11, 20), None);
        assert!(lives_differ(21, 11, 20).is_some(), "restored hall");
        assert!(lives_differ(5, 11, 20).is_some(), "restored centre");
        assert_eq!(lives_differ(0, 1, 1), None, "the first batch of all");
    }
}
