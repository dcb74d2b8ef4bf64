//! Hands commands to their devices until each has ended.
//!
//! What a driver says of one goes the way of all reports: into the journal, and by the follower
//! into the row.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Map, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zhiban_drivers::supervise::{CommandError, Supervisor};
use zhiban_drivers::{NotDone, Order};
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::{Command, CommandKind, CommandState, CommandStatus, Failure};
use zhiban_vocabulary::report::{Observation, compose};
use zhiban_vocabulary::topics;

use super::store::{Asked, Progress};
use super::{Wake, note, store};
use crate::broker::Broker;
use crate::devices;
use crate::journal::{self, Journal, Submission};

/// How often open commands are looked at without being asked to.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// First and longest pause before a command is handed over again; doubled in between, so that a
/// board that speaks and only forgets to answer does not speak without end.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);
/// How long after the end of its time a driver that began before is waited for.
const AT_IT_MAX: Duration = Duration::from_secs(15);

/// How long the log of commands is kept: a year, and time to look at it.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);
/// How often older ones are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// Task `commands`.
#[derive(Debug)]
pub struct Dispatcher {
    journal: Journal,
    store: Store,
    clock: Clock,
    drivers: Arc<Supervisor>,
    broker: Broker,
    wake: Wake,
    /// Commands that are with their device, or not to be tried before then.
    out: HashMap<i64, Out>,
    outcomes: JoinSet<Outcome>,
    /// What drivers said and nobody has noted yet.
    said: VecDeque<Outcome>,
    prune_next: Instant,
}

#[derive(Debug)]
enum Out {
    OnTopic,
    /// Its driver does not begin after `until`.
    WithDriver {
        until: Instant,
    },
    NotBefore(Instant),
    /// Its driver has said what came of it, and the follower is to note that.
    Ended,
}

/// What a driver said; `None` when it ended before it could.
#[derive(Debug)]
struct Outcome {
    id: i64,
    device: DeviceId,
    /// How often it had been handed over before.
    attempts: u32,
    result: Option<Result<(), NotDone>>,
}

impl Outcome {
    /// What a device that comes in by MQTT would say; `None` where it is to be told again.
    fn report(&self) -> Option<Submission> {
        let (status, reason) = match &self.result {
            Some(Ok(())) => (CommandStatus::Successful, None),
            Some(Err(NotDone::Refused(reason))) => (CommandStatus::Failed, Some(reason.clone())),
            Some(Err(NotDone::PutOff(_))) | None => return None,
        };
        let state = Observation::Command(CommandState {
            command: self.id.to_string(),
            status,
            reason,
        });
        Some(Submission {
            door: journal::Door::Wired,
            device: self.device.clone(),
            kind: state.kind().as_str().into(),
            payload: compose(&state, None, None).into(),
            topic: None,
            redelivery: None,
        })
    }
}

impl Dispatcher {
    #[must_use]
    pub fn new(journal: Journal, drivers: Arc<Supervisor>, broker: Broker, wake: Wake) -> Self {
        Self {
            store: journal.store().clone(),
            clock: journal.clock(),
            journal,
            drivers,
            broker,
            wake,
            out: HashMap::new(),
            outcomes: JoinSet::new(),
            said: VecDeque::new(),
            prune_next: Instant::now(),
        }
    }

    /// Runs until `shutdown`; what is open then is tried again by the next run.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let wake = self.wake.clone();
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "commands wait");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = wake.0.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Some(outcome) = self.outcomes.join_next() => self.said.extend(outcome.ok()),
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        // First of all, so that nothing counts as expired that was done.
        self.settle().await?;
        let read = |connection: &_| Ok(store::open(connection)?);
        let open = self.store.read(read).await?;
        self.out
            .retain(|id, _| open.iter().any(|asked| asked.id == *id));
        for asked in open {
            if self.is_over(&asked) {
                self.expire(asked).await?;
            } else if self.is_due(asked.id) {
                self.hand_over(asked).await?;
            }
        }
        self.take_ended_away().await?;
        self.prune().await
    }

    async fn prune(&mut self) -> Result<(), StoreError> {
        if self.prune_next > Instant::now() {
            return Ok(());
        }
        let before = self.clock.now() - KEPT;
        let write = move |connection: &_| Ok(store::prune(connection, before)?);
        self.store.write(write).await?;
        self.prune_next = Instant::now() + PRUNE_EVERY;
        Ok(())
    }

    fn is_over(&self, asked: &Asked) -> bool {
        match self.out.get(&asked.id) {
            Some(Out::WithDriver { until }) => *until + AT_IT_MAX <= Instant::now(),
            Some(Out::Ended) => false,
            _ => asked.expires <= self.clock.now(),
        }
    }

    fn is_due(&self, id: i64) -> bool {
        match self.out.get(&id) {
            None => true,
            Some(Out::NotBefore(then)) => *then <= Instant::now(),
            Some(Out::OnTopic | Out::WithDriver { .. } | Out::Ended) => false,
        }
    }

    /// Takes commands that have ended from their topics, also those an earlier run of the program
    /// published: a device that comes back next week must not restart then.
    async fn take_ended_away(&self) -> Result<(), StoreError> {
        let read = |connection: &_| Ok(store::to_take_away(connection)?);
        for asked in self.store.read(read).await? {
            let topic = topic_of(&asked);
            self.broker.publish(&topic, Bytes::new(), true).await?;
            let write = move |connection: &_| Ok(store::note_taken_away(connection, asked.id)?);
            self.store.write(write).await?;
        }
        Ok(())
    }

    /// What hangs on a wire is its driver's alone, also while that is not running. An older text
    /// never comes behind a newer one: the screen would end on a call of before.
    async fn hand_over(&mut self, asked: Asked) -> Result<(), StoreError> {
        let (id, device) = (asked.id, asked.device.clone());
        let shows = asked.command.kind() == CommandKind::Display;
        let read = move |connection: &_| {
            let device = device.as_str();
            let is_outdated = shows && store::is_outdated(connection, device, id)?;
            Ok((is_outdated, devices::is_wired(connection, device)?))
        };
        match self.store.read(read).await? {
            (true, _) => {
                let reason = "something newer is shown".into();
                self.fail(asked, Failure::Overtaken, reason).await
            }
            (false, true) => self.order(asked).await,
            (false, false) => self.publish(asked).await,
        }
    }

    async fn publish(&mut self, asked: Asked) -> Result<(), StoreError> {
        let topic = topic_of(&asked);
        if !self.is_on_topic(&asked, &topic).await? {
            // Noted first: what may lie on a topic is taken away, whatever happens.
            self.count_attempt(asked.id, true).await?;
            let payload = payload(&asked.command);
            self.broker.publish(&topic, payload, true).await?;
        }
        self.out.insert(asked.id, Out::OnTopic);
        Ok(())
    }

    /// Whether an earlier run of the program published it. By now its device may have answered
    /// there, and a device that has begun is not to begin again.
    async fn is_on_topic(&self, asked: &Asked, topic: &str) -> Result<bool, StoreError> {
        Ok(asked.attempts > 0 && self.broker.keeps(topic).await?)
    }

    async fn order(&mut self, asked: Asked) -> Result<(), StoreError> {
        let left = asked.expires.duration_since(self.clock.now());
        let left = self.clock.real_wait(left.try_into().unwrap_or_default());
        let until = Instant::now() + left;
        let (order, outcome) = Order::new(asked.command.clone(), until);
        match self.drivers.command(&asked.device, order) {
            Ok(()) => {
                let (id, device, attempts) = (asked.id, asked.device, asked.attempts);
                self.out.insert(id, Out::WithDriver { until });
                self.outcomes.spawn(async move {
                    Outcome {
                        id,
                        device,
                        attempts,
                        result: outcome.await.ok(),
                    }
                });
                self.count_attempt(id, false).await?;
            }
            Err(error @ CommandError::NotUnderstood(..)) => {
                self.fail(asked, Failure::Unsupported, error.to_string())
                    .await?;
            }
            Err(CommandError::UnknownDevice(_) | CommandError::Stopped(_)) => {
                let then = Instant::now() + AGAIN_AFTER;
                self.out.insert(asked.id, Out::NotBefore(then));
            }
        }
        Ok(())
    }

    async fn count_attempt(&self, id: i64, by_topic: bool) -> Result<(), StoreError> {
        let count = move |connection: &_| Ok(store::count_attempt(connection, id, by_topic)?);
        self.store.write(count).await
    }

    /// Notes what drivers said. What cannot be noted now is kept for the next time.
    async fn settle(&mut self) -> Result<(), StoreError> {
        while let Some(Ok(outcome)) = self.outcomes.try_join_next() {
            self.said.push_back(outcome);
        }
        while let Some(outcome) = self.said.front() {
            let (id, attempts) = (outcome.id, outcome.attempts);
            let out = if let Some(report) = outcome.report() {
                self.journal.submit(vec![report]).await?;
                Out::Ended
            } else {
                if let Some(Err(NotDone::PutOff(reason))) = &outcome.result {
                    let (device, reason) = (outcome.device.clone(), reason.clone());
                    self.note(id, device, None, reason).await?;
                }
                Out::NotBefore(Instant::now() + again_after(attempts))
            };
            self.out.insert(id, out);
            self.said.pop_front();
        }
        Ok(())
    }

    async fn expire(&self, asked: Asked) -> Result<(), StoreError> {
        let (failure, reason) = match &asked.reason {
            Some(why) => (Failure::Unanswered, format!("expired: {why}")),
            None => {
                let reason = "expired before the device did it".to_owned();
                (Failure::Expired, reason)
            }
        };
        self.fail(asked, failure, reason).await
    }

    async fn fail(&self, asked: Asked, failure: Failure, reason: String) -> Result<(), StoreError> {
        self.note(asked.id, asked.device, Some(failure), reason)
            .await
    }

    /// Without a failure it waits to be told again.
    async fn note(
        &self,
        id: i64,
        device: DeviceId,
        failure: Option<Failure>,
        reason: String,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let write = move |connection: &_| {
            let progress = Progress {
                status: match failure {
                    Some(_) => CommandStatus::Failed,
                    None => CommandStatus::Init,
                },
                failure,
                reason: Some(&reason),
            };
            Ok(note(connection, id, &device, progress, now)?)
        };
        self.store.write(write).await
    }
}

/// Pause after an attempt that had `attempts` before it.
fn again_after(attempts: u32) -> Duration {
    AGAIN_AFTER
        .saturating_mul(1 << attempts.min(5))
        .min(AGAIN_AFTER_MAX)
}

fn topic_of(asked: &Asked) -> String {
    topics::command(&asked.device, asked.command.kind(), &asked.id.to_string())
}

/// The command as thin-edge.io writes it: its fields beside `status`.
fn payload(command: &Command) -> Bytes {
    let mut fields = match serde_json::to_value(command) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("status".into(), CommandStatus::Init.as_str().into());
    Value::Object(fields).to_string().into()
}
