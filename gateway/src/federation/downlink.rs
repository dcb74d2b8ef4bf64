//! Asks the centre what is new, with one long poll after the other, beside the courier: neither
//! waits for the other.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
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

/// Time for an answer: nobody waits longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Questions that are answered at once; more come with a later poll again.
const ANSWERS_MAX: usize = 16;
/// Answers the centre took that are remembered: a poll it answered just before still brings their
/// questions.
const TAKEN_MAX: usize = 256;
/// Until the next poll, where the last one brought only what is being answered.
const ANSWERING: Duration = Duration::from_millis(500);

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
    #[error("the centre is busy")]
    Busy,
    #[error("the same documents came again")]
    NoProgress,
    /// The centre heard a later poll of this hall.
    #[error("another box polls for this hall, or this one was put back in time")]
    Behind,
}

/// Answers in the making, beside the polls: a slow one keeps nobody else waiting.
#[derive(Default)]
struct Answers<'d> {
    running: FuturesUnordered<BoxFuture<'d, Done>>,
    /// Their questions, which come with each poll until they are answered.
    under_way: HashSet<u64>,
    /// The questions answered last.
    taken: VecDeque<u64>,
}

/// A question that is not being answered any more.
struct Done {
    question: u64,
    is_taken: bool,
}

impl Answers<'_> {
    /// Does something while answers go on.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(done) = self.running.next() => self.end(&done),
            }
        }
    }

    fn end(&mut self, done: &Done) {
        self.under_way.remove(&done.question);
        if done.is_taken {
            self.taken.truncate(TAKEN_MAX - 1);
            self.taken.push_front(done.question);
        }
    }

    /// Whether a question is to be answered now; it counts as under way then.
    fn begin(&mut self, question: u64) -> bool {
        !self.taken.contains(&question)
            && self.under_way.len() < ANSWERS_MAX
            && self.under_way.insert(question)
    }
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
        let mut answers = Answers::default();
        loop {
            let round = tokio::select! {
                () = shutdown.cancelled() => return,
                round = answers.beside(self.round()) => round,
            };
            let pause = match round {
                Ok((next, questions)) => {
                    failures = 0;
                    let is_new = self.answer_all(questions, &mut answers);
                    match next {
                        Next::AtOnce if is_new => continue,
                        Next::AtOnce => ANSWERING,
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
                () = answers.beside(tokio::time::sleep(pause)) => {}
            }
        }
    }

    /// Begins to answer what is not being answered yet; false when there was nothing but such.
    fn answer_all<'d>(&'d self, questions: Vec<Question>, answers: &mut Answers<'d>) -> bool {
        let mut is_new = questions.is_empty();
        for question in questions {
            if answers.begin(question.id) {
                is_new = true;
                answers.running.push(Box::pin(async move {
                    let id = question.id;
                    let answer = tokio::time::timeout(ANSWER_TIME_MAX, self.answer(question));
                    let is_taken = answer.await.unwrap_or(false);
                    if !is_taken {
                        // It comes again with the next poll; not as fast as polls can be.
                        tokio::time::sleep(SOON).await;
                    }
                    Done {
                        question: id,
                        is_taken,
                    }
                }));
            }
        }
        is_new
    }

    /// One poll: when to ask again, and what the centre asks.
    async fn round(&self) -> Result<(Next, Vec<Question>), Problem> {
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
                return Ok((Next::After(2 * pause.min(PAUSE_MAX)), Vec::new()));
            }
        };
        let moved = fetched.upto != has || !fetched.questions.is_empty();
        let next = match (fetched.is_empty(), moved) {
            (true, _) if asked.elapsed() < SOON => Next::After(2 * SOON),
            (true, _) | (false, true) => Next::AtOnce,
            (false, false) => return Err(Problem::NoProgress),
        };
        Ok((next, self.keep(fetched).await?))
    }

    /// Answers a question. One whose answer is lost comes with the next poll again, while somebody
    /// waits for it.
    /// False when the centre did not get it.
    async fn answer(&self, question: Question) -> bool {
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
                Answer::Busy { .. } => Err(Problem::Busy),
                _ => Ok(()),
            }
        };
        let answered = answered.await;
        if let Err(problem) = &answered {
            tracing::warn!(%problem, "a question of the centre was not answered");
        }
        answered.is_ok()
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

#[cfg(test)]
mod tests {
    use super::{ANSWERS_MAX, Answers, Done};

    #[test]
    fn a_question_is_answered_once_where_the_centre_took_the_answer() {
        let mut answers = Answers::default();
        assert!(answers.begin(1));
        assert!(!answers.begin(1), "it is under way");
        answers.end(&Done {
            question: 1,
            is_taken: false,
        });
        assert!(answers.begin(1), "the centre did not get it");
        answers.end(&Done {
            question: 1,
            is_taken: true,
        });
        assert!(!answers.begin(1), "a poll read it before");
        for question in 2..2 + ANSWERS_MAX as u64 {
            assert!(answers.begin(question));
        }
        assert!(!answers.begin(100), "a later poll brings it again");
    }
}
