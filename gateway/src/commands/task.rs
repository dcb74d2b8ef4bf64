//! Hands commands to their devices until each has ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zhiban_drivers::supervise::{CommandError, Supervisor};
use zhiban_drivers::{NotDone, Order};
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::{Command, CommandStatus, Failure};
use zhiban_vocabulary::topics;

use super::store::{Asked, Progress};
use super::{Wake, store};
use crate::broker::Broker;

/// How often open commands are looked at without being asked to.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pause before a command that got lost with its driver is handed over again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Task `commands`.
#[derive(Debug)]
pub struct Dispatcher {
    store: Store,
    clock: Clock,
    drivers: Arc<Supervisor>,
    broker: Broker,
    wake: Wake,
    /// Commands that are with their device, or not to be tried before then.
    out: HashMap<i64, Out>,
    outcomes: JoinSet<Outcome>,
}

#[derive(Debug)]
enum Out {
    WithDriver,
    /// Published; to be taken from its topic when it ends.
    OnTopic(String),
    NotBefore(Instant),
}

/// What a driver said; `None` when it ended before it could.
#[derive(Debug)]
struct Outcome {
    id: i64,
    device: DeviceId,
    result: Option<Result<(), NotDone>>,
}

impl Dispatcher {
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        drivers: Arc<Supervisor>,
        broker: Broker,
        wake: Wake,
    ) -> Self {
        Self {
            store,
            clock,
            drivers,
            broker,
            wake,
            out: HashMap::new(),
            outcomes: JoinSet::new(),
        }
    }

    /// Runs until `shutdown`; what is open then is tried again by the next run.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let wake = self.wake.clone();
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "commands wait");
            }
            let outcome = tokio::select! {
                () = shutdown.cancelled() => return,
                () = wake.0.notified() => None,
                () = tokio::time::sleep(LOOK_EVERY) => None,
                Some(outcome) = self.outcomes.join_next() => outcome.ok(),
            };
            if let Some(outcome) = outcome
                && let Err(error) = self.settle(outcome).await
            {
                tracing::warn!(%error, "the outcome of a command was not noted");
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let open = self
            .store
            .read(|connection| Ok(store::open(connection)?))
            .await?;
        self.clear_ended(&open).await?;
        for asked in open {
            if asked.expires <= self.clock.now() {
                self.take_back(&asked);
                let expired = NotDone {
                    why: Failure::Expired,
                    text: "expired before the device did it".into(),
                };
                self.end(asked.id, asked.device, Err(expired)).await?;
            } else if self.is_due(asked.id) {
                self.hand_over(asked).await?;
            }
        }
        Ok(())
    }

    /// Also what an earlier run of the program published is to be taken from its topic: a device
    /// that comes back next week must not restart then.
    fn take_back(&mut self, asked: &Asked) {
        if asked.attempts > 0 && !matches!(self.out.get(&asked.id), Some(Out::WithDriver)) {
            let id = asked.id.to_string();
            let topic = topics::command(&asked.device, asked.command.kind(), &id);
            self.out.insert(asked.id, Out::OnTopic(topic));
        }
    }

    fn is_due(&self, id: i64) -> bool {
        match self.out.get(&id) {
            None => true,
            Some(Out::NotBefore(then)) => *then <= Instant::now(),
            Some(Out::WithDriver | Out::OnTopic(_)) => false,
        }
    }

    /// Takes the topics of commands that have ended away, so that no device does them again.
    async fn clear_ended(&mut self, open: &[Asked]) -> Result<(), StoreError> {
        let ended: Vec<i64> = self
            .out
            .keys()
            .copied()
            .filter(|id| !open.iter().any(|asked| asked.id == *id))
            .collect();
        for id in ended {
            if let Some(Out::OnTopic(topic)) = self.out.remove(&id) {
                self.broker.publish(&topic, Bytes::new(), true).await?;
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self, asked: Asked) -> Result<(), StoreError> {
        let (order, outcome) = Order::new(asked.command.clone());
        match self.drivers.command(&asked.device, order) {
            Ok(()) => {
                self.out.insert(asked.id, Out::WithDriver);
                let (id, device) = (asked.id, asked.device.clone());
                self.outcomes.spawn(async move {
                    let result = outcome.await.ok();
                    Outcome { id, device, result }
                });
            }
            Err(CommandError::UnknownDevice(_)) => self.publish(&asked).await?,
            Err(error @ CommandError::NotUnderstood(..)) => {
                let unsupported = NotDone {
                    why: Failure::Unsupported,
                    text: error.to_string(),
                };
                return self.end(asked.id, asked.device, Err(unsupported)).await;
            }
            Err(CommandError::Stopped(_)) => {
                let then = Instant::now() + AGAIN_AFTER;
                self.out.insert(asked.id, Out::NotBefore(then));
                return Ok(());
            }
        }
        let id = asked.id;
        let count = move |connection: &_| Ok(store::count_attempt(connection, id)?);
        self.store.write(count).await
    }

    async fn publish(&mut self, asked: &Asked) -> Result<(), StoreError> {
        let id = asked.id.to_string();
        let topic = topics::command(&asked.device, asked.command.kind(), &id);
        let payload = payload(&asked.command);
        self.broker.publish(&topic, payload, true).await?;
        self.out.insert(asked.id, Out::OnTopic(topic));
        Ok(())
    }

    async fn settle(&mut self, outcome: Outcome) -> Result<(), StoreError> {
        let Outcome { id, device, result } = outcome;
        if let Some(result) = result {
            return self.end(id, device, result).await;
        }
        let then = Instant::now() + AGAIN_AFTER;
        self.out.insert(id, Out::NotBefore(then));
        Ok(())
    }

    async fn end(
        &mut self,
        id: i64,
        device: DeviceId,
        result: Result<(), NotDone>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let write = move |connection: &_| {
            let failed = result.as_ref().err();
            let progress = Progress {
                status: match failed {
                    None => CommandStatus::Successful,
                    Some(_) => CommandStatus::Failed,
                },
                failure: failed.map(|not_done| not_done.why),
                reason: failed.map(|not_done| not_done.text.as_str()),
            };
            store::note(connection, id, &device, progress, now)?;
            Ok(())
        };
        self.store.write(write).await
    }
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
