//! Asks the centre what is new, with one long poll after the other, beside the courier: neither
//! waits for the other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::RngExt as _;
use rusqlite::Connection;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_sync::wire::pack;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{Answered, Fetched, Poll, Polled, Question};
use zhiban_vocabulary::envelope::{Answer, PROTOCOL, Upward};

use super::carrier::Carrier;
use super::uplink::{Uplink as _, UplinkError};
use crate::journal::{set_value, value};
use crate::{across, documents};

/// The number of the last poll.
const NUMBER: &str = "federation_poll";
/// An empty answer that comes sooner was no wait: another box polls for this hall, or the centre
/// stops. So as not to chase each other, the next poll waits.
const SOON: Duration = Duration::from_secs(5);
/// First pause after a failure; doubled with each.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Time for all answers that came with one poll.
const ANSWERS_TIME_MAX: Duration = Duration::from_secs(10);

/// How the way down does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DownlinkState {
    /// When the centre last answered a poll, by the hall's clock.
    pub fetched: Option<Timestamp>,
    pub problem: Option<String>,
}

/// Polls for one hall.
#[derive(Debug)]
pub(super) struct Downlink {
    pub(super) carrier: Arc<Carrier>,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) hall: StoreId,
    pub(super) zone: TimeZone,
    pub(super) state: watch::Sender<DownlinkState>,
}

/// Why a poll fetched nothing.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the answer cannot be made: {0}")]
    Message(#[from] serde_json::Error),
    #[error("the centre refused: {0}")]
    Refused(String),
    #[error("the same documents came again")]
    NoProgress,
    /// The centre heard a later poll of this hall.
    #[error("another box polls for this hall, or this one was put back in time")]
    Behind,
}

/// What comes after a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    AtOnce,
    After(Duration),
}

impl Downlink {
    /// Polls until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0;
        loop {
            let round = tokio::select! {
                () = shutdown.cancelled() => return,
                round = self.round() => round,
            };
            let pause = match round {
                Ok(next) => {
                    failures = 0;
                    match next {
                        Next::AtOnce => continue,
                        Next::After(pause) => pause,
                    }
                }
                Err(problem) => {
                    self.note_problem(&problem);
                    failures += 1;
                    pause_after(failures)
                }
            };
            let pause = pause.mul_f64(0.5 + 0.5 * rand::rng().random::<f64>());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One poll, and what comes of it.
    async fn round(&self) -> Result<Next, Problem> {
        let poll = self.next_poll().await?;
        let (has, number, asked) = (poll.has, poll.number, Instant::now());
        let message = pack(&serde_json::to_vec(&poll)?);
        let fetched = match self.carrier.poll(&message).await? {
            Polled::Fetched(fetched) => fetched,
            Polled::Behind { number: heard } => {
                self.count_from(heard.max(number)).await?;
                return Err(Problem::Behind);
            }
            Polled::Refused { reason } => return Err(Problem::Refused(reason)),
            Polled::Busy { retry_after_ms } => {
                let pause = Duration::from_millis(retry_after_ms.into());
                return Ok(Next::After(2 * pause.min(PAUSE_MAX)));
            }
        };
        let moved = fetched.upto != has || !fetched.questions.is_empty();
        let next = match (fetched.is_empty(), moved) {
            (true, _) if asked.elapsed() < SOON => Next::After(2 * SOON),
            (true, _) | (false, true) => Next::AtOnce,
            (false, false) => return Err(Problem::NoProgress),
        };
        let questions = self.keep(fetched).await?;
        let answers = join_all(questions.into_iter().map(|question| self.answer(question)));
        // Nobody waits longer.
        let _ = tokio::time::timeout(ANSWERS_TIME_MAX, answers).await;
        Ok(next)
    }

    /// Answers a question. One whose answer is lost comes with the next poll again, while somebody
    /// waits for it.
    async fn answer(&self, question: Question) {
        let answered = async {
            let outcome = across::answer(&self.store, &self.zone, &question).await?;
            let answered = Upward::Answered(Answered {
                protocol: PROTOCOL,
                store: self.hall.clone(),
                id: question.id,
                outcome,
            });
            let message = pack(&serde_json::to_vec(&answered)?);
            match self.carrier.send(message).await? {
                Answer::Refused { reason } => Err(Problem::Refused(reason)),
                _ => Ok(()),
            }
        };
        if let Err(problem) = answered.await {
            tracing::warn!(%problem, "a question of the centre was not answered");
        }
    }

    /// The next poll. Its number is on disk before it leaves, so that none is used twice.
    async fn next_poll(&self) -> Result<Poll, StoreError> {
        let count = |connection: &Connection| {
            let number = value(connection, NUMBER)? + 1;
            set_value(connection, NUMBER, number)?;
            Ok((number.unsigned_abs(), documents::cursor(connection)?))
        };
        let (number, has) = self.store.write(count).await?;
        Ok(Poll {
            protocol: PROTOCOL,
            store: self.hall.clone(),
            number,
            has,
        })
    }

    /// A disk that was put back in time counts on from what the centre heard last.
    async fn count_from(&self, heard: u64) -> Result<(), StoreError> {
        let heard = i64::try_from(heard).unwrap_or(0);
        self.store
            .write(move |connection| Ok(set_value(connection, NUMBER, heard)?))
            .await
    }

    /// Keeps the documents, and gives the questions.
    async fn keep(&self, mut fetched: Fetched) -> Result<Vec<Question>, StoreError> {
        let now = self.clock.now();
        let questions = std::mem::take(&mut fetched.questions);
        self.store
            .write(move |connection| documents::apply(connection, &fetched, now))
            .await?;
        self.state.send_replace(DownlinkState {
            fetched: Some(now),
            problem: None,
        });
        Ok(questions)
    }

    fn note_problem(&self, problem: &Problem) {
        if self.state.borrow().problem.is_none() {
            tracing::warn!(%problem, "nothing is fetched from the centre");
        }
        let problem = Some(problem.to_string());
        self.state.send_modify(|state| state.problem = problem);
    }
}

fn pause_after(failures: u32) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1 << failures.min(7));
    doubled.min(PAUSE_MAX)
}
