//! Drives the hall's end of the line: the rules are in [`zhiban_sync::courier`], here are the
//! database, the transport and the time.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{Clock, Store, StoreError, crash_point};
use zhiban_sync::courier::{Cargo, Limits, Rupture, Standing, Step, Ticket};
use zhiban_sync::wire::pack;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{
    Answer, Batch, Claims, Epoch, Heartbeat, Item, Lane, LiveSnapshot, PROTOCOL, Upward,
};
use zhiban_vocabulary::time::BusinessDay;

use super::epoch::renew_epoch;
use super::uplink::{Uplink, UplinkError};
use super::{letters, outbox};
use crate::journal::{set_value, value};
use crate::queue;

/// How often the outbox is looked at for new rows.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for the next step.
const REST_MAX: Duration = Duration::from_secs(3_600);
/// The pause after the hall's own disk refused.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// The number of the last heartbeat.
const BEAT: &str = "federation_beat";

/// How the line to the centre does.
#[derive(Debug, Clone, Default)]
pub struct UplinkState {
    /// False for a hall that stands alone.
    pub enrolled: bool,
    pub connected: bool,
    /// The hall's clock.
    pub last_ack: Option<Timestamp>,
    pub problem: Option<String>,
    /// The hall's certificate counts no longer: it comes back with a new code only.
    pub shut_out: bool,
    /// Once known; starts anew when hall and centre no longer speak of the same rows.
    pub epoch: Option<Epoch>,
    /// Another box speaks for this hall.
    pub twin: bool,
    /// Number of the last heartbeat the centre heard.
    pub beat: u64,
}

/// Carries the outbox to the centre.
#[derive(Debug)]
pub struct Courier<U> {
    pub uplink: U,
    pub store: Store,
    pub clock: Clock,
    pub hall: StoreId,
    pub zone: TimeZone,
    pub standing: Standing,
    /// Where the epoch is kept.
    pub data: PathBuf,
    /// Stated at every start and in every new epoch.
    pub profile: Item,
    pub heartbeat: Duration,
    pub state: watch::Sender<UplinkState>,
}

type Flight<'c> = Pin<Box<dyn Future<Output = (Ticket, Result<Answer, UplinkError>)> + Send + 'c>>;

impl Courier<()> {
    /// The same with a transport.
    pub(super) fn over<U>(self, uplink: U) -> Courier<U> {
        Courier {
            uplink,
            store: self.store,
            clock: self.clock,
            hall: self.hall,
            zone: self.zone,
            standing: self.standing,
            data: self.data,
            profile: self.profile,
            heartbeat: self.heartbeat,
            state: self.state,
        }
    }
}

impl<U: Uplink> Courier<U> {
    /// Carries until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let limits = Limits {
            beat_every_ms: as_ms(self.clock.real_wait(self.heartbeat)),
            ..Limits::default()
        };
        if let Err(error) = self.state_profile().await {
            tracing::warn!(%error, "the profile is stated at the next start");
        }
        let started = Instant::now();
        let mut line = zhiban_sync::Courier::new(limits, self.standing, rand::rng().random());
        let mut flights: FuturesUnordered<Flight<'_>> = FuturesUnordered::new();
        // Not a pause of each wait: answers that come quickly must not keep live rows unseen.
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now_ms = as_ms(started.elapsed());
            let step = line.next(now_ms);
            let wait = if let Step::Wait { until_ms } = step {
                let wait = Duration::from_millis(until_ms.saturating_sub(now_ms));
                wait.min(REST_MAX)
            } else {
                match self.act(&mut line, step, now_ms, &mut flights).await {
                    Ok(()) => continue,
                    Err(error) => {
                        self.note_problem(&error.to_string());
                        DISK_PAUSE
                    }
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some((ticket, answer)) = flights.next() => {
                    self.hear(&mut line, ticket, answer, as_ms(started.elapsed()));
                }
                () = tokio::time::sleep(wait) => {}
                _ = look.tick() => {
                    if let Err(error) = self.look(&mut line).await {
                        self.note_problem(&error.to_string());
                    }
                }
            }
        }
    }

    /// Does one step. What could not be done is named again.
    async fn act<'c>(
        &'c self,
        line: &mut zhiban_sync::Courier,
        step: Step,
        now_ms: u64,
        flights: &mut FuturesUnordered<Flight<'c>>,
    ) -> Result<(), StoreError> {
        match step {
            Step::Settle { lane, upto } => {
                crash_point!("courier: committed there, not settled here");
                self.store
                    .write(move |c| Ok(outbox::settle(c, lane, upto)?))
                    .await?;
                crash_point!("courier: settled on disk");
                line.settled(lane, upto);
            }
            Step::SetAside { lane, item } => {
                let now = self.clock.now();
                self.store
                    .write(move |c| letters::set_aside(c, lane, &item, now))
                    .await?;
                line.set_aside(lane);
            }
            Step::Begin(rupture) => line.begun(self.begin(rupture).await?, now_ms),
            Step::Beat => {
                let message = self.heartbeat(line.epoch(), line.claims()).await?;
                flights.push(self.send(line.beat_departs(now_ms), message));
            }
            Step::Send(cargo) => match self.batch(cargo).await? {
                Some((last, message)) => {
                    crash_point!("courier: batch read");
                    let ticket = line.departs(cargo.lane, last, now_ms);
                    flights.push(self.send(ticket, message));
                }
                None => line.found_nothing(cargo.lane),
            },
            Step::Wait { .. } => {}
        }
        Ok(())
    }

    fn send(&self, ticket: Ticket, message: Vec<u8>) -> Flight<'_> {
        Box::pin(async move { (ticket, self.uplink.send(message).await) })
    }

    fn hear(
        &self,
        line: &mut zhiban_sync::Courier,
        ticket: Ticket,
        answer: Result<Answer, UplinkError>,
        now_ms: u64,
    ) {
        match answer {
            Ok(answer) => {
                crash_point!("courier: answered");
                line.answered(ticket, &answer, now_ms);
                self.note_answer(line.epoch(), &answer);
            }
            Err(error) => {
                line.lost(ticket, now_ms);
                let shut_out = matches!(error, UplinkError::ShutOut(_));
                self.note_trouble(&error.to_string(), shut_out);
            }
        }
    }

    /// Looks for new rows.
    async fn look(&self, line: &mut zhiban_sync::Courier) -> Result<(), StoreError> {
        let epoch = line.epoch();
        let standing = self
            .store
            .read(move |c| Ok(outbox::standing(c, epoch)?))
            .await?;
        for lane in Lane::ALL {
            line.given(lane, standing.of(lane).given);
        }
        Ok(())
    }

    /// Goes on in a new epoch.
    async fn begin(&self, rupture: Rupture) -> Result<Standing, StoreError> {
        tracing::error!(reason = rupture.as_str(), "new epoch");
        let standing = renew_epoch(&self.store, &self.data, Some(rupture)).await?;
        self.state_profile().await?;
        self.state.send_modify(|state| {
            state.epoch = Some(standing.epoch);
            state.problem = Some(rupture.as_str().into());
        });
        Ok(standing)
    }

    async fn state_profile(&self) -> Result<(), StoreError> {
        let (profile, now) = (self.profile.clone(), self.clock.now());
        self.store
            .write(move |c| outbox::put(c, Lane::History, &profile, now))
            .await
    }

    /// The next batch of a lane with the number of its last row; `None` when nothing waits.
    async fn batch(&self, cargo: Cargo) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let envelopes = self
            .store
            .read(move |c| Ok(outbox::rows(c, &cargo)?))
            .await?;
        let Some(last) = envelopes.last().map(|envelope| envelope.seq) else {
            return Ok(None);
        };
        let batch = Batch {
            protocol: PROTOCOL,
            store: self.hall.clone(),
            epoch: cargo.epoch,
            lane: cargo.lane,
            claims: cargo.claims,
            envelopes,
        };
        Ok(Some((last, to_bytes(&Upward::Batch(batch))?)))
    }

    /// The next heartbeat. Its number is on disk before it leaves, so that none is used twice.
    async fn heartbeat(&self, epoch: Epoch, claims: Claims) -> Result<Vec<u8>, StoreError> {
        let now = self.clock.now();
        let zone = self.zone.clone();
        let heard = self.state.borrow().beat.cast_signed();
        let count = move |connection: &rusqlite::Connection| {
            // A disk that was put back in time counts on from what the centre heard last.
            let number = value(connection, BEAT)?.max(heard) + 1;
            set_value(connection, BEAT, number)?;
            Ok(number)
        };
        let number = self.store.write(count).await?;
        let read = move |connection: &rusqlite::Connection| {
            let live = queue::live(connection, BusinessDay::of(now, &zone), now)?;
            Ok((outbox::backlog(connection, now)?, live))
        };
        let (backlog, live) = self.store.read(read).await?;
        to_bytes(&Upward::Heartbeat(Heartbeat {
            protocol: PROTOCOL,
            store: self.hall.clone(),
            epoch,
            number: number.unsigned_abs(),
            claims,
            at: now,
            version: env!("CARGO_PKG_VERSION").into(),
            backlog: backlog.rows,
            oldest_unsent_s: backlog.oldest_unsent_s,
            live: Some(snapshot(&live)),
        }))
    }

    fn note_answer(&self, ours: Epoch, answer: &Answer) {
        match answer {
            Answer::Committed {
                epoch, twin, beat, ..
            } if *epoch == ours => {
                let last_ack = Some(self.clock.now());
                self.state.send_replace(UplinkState {
                    enrolled: true,
                    connected: true,
                    last_ack,
                    problem: None,
                    shut_out: false,
                    epoch: Some(*epoch),
                    twin: *twin,
                    beat: *beat,
                });
            }
            // Of an epoch that is over, or told when the new one begins.
            Answer::Committed { .. } | Answer::Estranged { .. } | Answer::Noted => {}
            Answer::Refused { reason } => {
                self.note_problem(&format!("the centre refused: {reason}"));
            }
            Answer::Busy { .. } => self.note_problem("the centre is busy"),
        }
    }

    fn note_problem(&self, problem: &str) {
        self.note_trouble(problem, false);
    }

    fn note_trouble(&self, problem: &str, shut_out: bool) {
        let was_connected = self.state.borrow().connected;
        if was_connected || self.state.borrow().problem.is_none() {
            tracing::warn!(problem, "the centre is not reached, facts wait here");
        }
        self.state.send_modify(|state| {
            state.connected = false;
            state.problem = Some(problem.into());
            state.shut_out = shut_out;
        });
    }
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

fn to_bytes(message: &Upward) -> Result<Vec<u8>, StoreError> {
    let text =
        serde_json::to_vec(message).map_err(|error| StoreError::Database(error.to_string()))?;
    Ok(pack(&text))
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
