//! Questions of people at the centre to halls (下钻): the rows behind a figure lie in the hall, which
//! is asked for them in the answer to its long poll, judges the right itself, and sends them up.
//!
//! A question is a row: it tells any process which hall to wake, and later who asked for what. The
//! answer goes to whoever waits: in the same process directly, in another one by way of that row.

mod api;
mod model;
mod store;
mod waiting;

use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::people::{self, SignedIn};
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database, StoreError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{About, Answered, Outcome};

pub use api::add_routes;
use store::GivenUp;
pub(crate) use store::{halls_asked, pending};
use waiting::Waiting;

use crate::downlink::Bell;

/// How long a person waits for a hall.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How often the answer is looked for that came to another process.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an answer nobody took is kept.
const ANSWER_KEPT: SignedDuration = SignedDuration::from_secs(60);
const CLEAN_EVERY: Duration = Duration::from_secs(20);
/// Who asks says when it is over, by a clock of its own; other processes wait this much longer.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// How long it stays known who asked for what.
const KNOWN: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How long an answer may take from its row to who waits for it, in this process.
const HAND_OVER_TIME_MAX: Duration = Duration::from_secs(2);

/// Questions and those who wait for answers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Questions {
    store: Database,
    bell: Bell,
    waiting: Waiting,
}

/// Who asks from where.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    who: SignedIn,
    address: String,
}

impl Questions {
    #[must_use]
    pub fn new(store: Database) -> Self {
        Self {
            store,
            bell: Bell::default(),
            waiting: Waiting::default(),
        }
    }

    /// The bell of this process.
    #[must_use]
    pub const fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Asks a hall and waits for its answer; `None` when it gave none in time.
    ///
    /// # Errors
    /// When the database failed.
    pub(crate) async fn ask(
        &self,
        hall: StoreId,
        about: &About,
        asker: Asker,
    ) -> Result<Option<Outcome>, StoreError> {
        let id = rand::random::<u64>() >> 11;
        let mut answer = self.waiting.wait_for(id);
        let text = serde_json::to_string(about);
        let text = text.map_err(|error| StoreError::Database(error.to_string()))?;
        let keep = move |tx: &dyn Sql| {
            let (staff, now) = (asker.who.staff.as_str(), Clock::real_now());
            let detail = format!("{hall} {text}");
            people::note(tx, staff, &asker.address, "halls.drill", &detail)?;
            let roles: Vec<_> = asker.who.roles.iter().map(|role| role.as_str()).collect();
            let roles = roles.join(",");
            let until = now + SignedDuration::try_from(ANSWER_TIME_MAX).unwrap_or_default();
            let asked = store::Asked {
                id,
                hall: &hall,
                staff,
                roles: &roles,
                about: &text,
            };
            store::ask(tx, &asked, now, until)
        };
        self.store.write(keep).await?;
        self.bell.ring();
        let found = tokio::time::timeout(ANSWER_TIME_MAX, async {
            tokio::select! {
                Ok(outcome) = &mut answer => Ok(outcome),
                outcome = self.look_for(id) => outcome,
            }
        });
        match found.await {
            Ok(outcome) => outcome.map(Some),
            Err(_) => {
                let away = move |tx: &dyn Sql| store::give_up(tx, id, Clock::real_now());
                match self.store.write(away).await? {
                    GivenUp::Away => Ok(None),
                    // It came in this very moment.
                    GivenUp::Answered(outcome) => Ok(Some(outcome)),
                    GivenUp::HandedOver => {
                        let handed = tokio::time::timeout(HAND_OVER_TIME_MAX, answer).await;
                        Ok(handed.ok().and_then(Result::ok))
                    }
                }
            }
        }
    }

    /// Waits until another process has put the answer down.
    async fn look_for(&self, id: u64) -> Result<Outcome, StoreError> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.store.read(move |tx| store::is_there(tx, id)).await?
                && let Some(outcome) = self.store.write(move |tx| store::take(tx, id)).await?
            {
                return Ok(outcome);
            }
        }
    }

    /// Takes what a hall answers; true when somebody waited for it. Of another hall, too late or a
    /// second time it changes nothing.
    ///
    /// # Errors
    /// When the database failed.
    pub(crate) async fn heard(&self, answered: Answered) -> Result<bool, StoreError> {
        let id = answered.id;
        // Put down only where nobody of this process waits.
        let is_here = self.waiting.is_waited_for(id);
        let outcome = model::bounded(answered.outcome);
        let (hall, kept) = (answered.store, outcome.clone());
        let end = move |tx: &dyn Sql| store::end(tx, &hall, id, &kept, !is_here, Clock::real_now());
        let counts = self.store.write(end).await?;
        if counts && is_here {
            self.waiting.hand_over(id, outcome);
        }
        Ok(counts)
    }

    /// Forgets answers nobody took and what is long past, ends questions whose asker went away, until
    /// `shutdown`.
    pub async fn clean(self, shutdown: CancellationToken) {
        loop {
            let now = Clock::real_now();
            if let Err(error) = self.store.write(move |tx| store::clean(tx, now)).await {
                tracing::warn!(%error, "answers of halls are forgotten later");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(CLEAN_EVERY) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::test_asker;
