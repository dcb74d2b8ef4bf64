//! The journal: every report, durable before anyone is told so, once.
//!
//! All doors end in [`Journal::submit`]. Followers read from their own cursor and are woken by
//! [`Journal::head`].

mod api;
mod ear;
mod follow;
mod letters;
mod model;
mod pages;
mod proof;
mod prune;
mod seen;
mod store;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;
use zhiban_kernel::{Clock, Store, StoreError, crash_point};

pub use api::add_routes;
pub(crate) use ear::Heard;
pub use follow::{Follower, follow};
pub use model::{ClockFlag, DeadLetter, Door, Entry, Outcome, Redelivery, Submission};
pub use pages::{RawReport, reports_of_device, reports_of_ids};
pub(crate) use pages::{last_letters, letters_per_device};
pub use proof::{TOLD_AGAIN, note_of_hall, prove_rows, rescue};
pub use prune::{
    SeenPlace, oldest_id, oldest_ms, prune_letters, prune_reports, prune_seen, read_by_all,
};
pub use store::{
    Counts, counts, entries_after, follower_position, has_unread_before, position_of, set_value,
    value,
};

use ear::Ear;
use model::Prepared;

/// Handle to the journal; cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    head: watch::Sender<i64>,
    accepted: AtomicU64,
    refused: AtomicU64,
    last_refusal: Mutex<Option<String>>,
    ear: OnceLock<Ear>,
}

impl Journal {
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open(store: Store, clock: Clock) -> Result<Self, StoreError> {
        let last = store
            .read(|connection| Ok(store::last_id(connection)?))
            .await?;
        let (head, _) = watch::channel(last);
        let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            head,
            accepted,
            refused,
            last_refusal: Mutex::default(),
            ear: OnceLock::new(),
        })))
    }

    /// Takes reports from a door and answers, one outcome each, after the commit. A report that
    /// cannot be understood becomes a dead letter; one that came before is not kept again.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was kept, and the device must not be told otherwise.
    pub async fn submit(&self, submissions: Vec<Submission>) -> Result<Vec<Outcome>, StoreError> {
        let count = submissions.len() as u64;
        let now = self.0.clock.now();
        let prepared: Vec<_> = submissions
            .into_iter()
            .map(|submission| Prepared::new(submission, now))
            .collect();
        let written = self
            .0
            .store
            .write(move |connection| {
                crash_point!("journal: about to append");
                let written = store::append(connection, &prepared, now)?;
                // Freed here would be time the writer has for others.
                Ok((written, prepared))
            })
            .await;
        crash_point!("journal: on disk, not answered");
        let (outcomes, last) = match written {
            Ok((written, prepared)) => {
                if let Some(ear) = self.0.ear.get() {
                    ear.tell(&prepared);
                }
                written
            }
            Err(error) => {
                self.0.refused.fetch_add(count, Ordering::Relaxed);
                *self.last_refusal_lock() = Some(error.to_string());
                metrics::counter!("zhiban_reports_refused_total").increment(count);
                return Err(error);
            }
        };
        self.0.accepted.fetch_add(count, Ordering::Relaxed);
        metrics::counter!("zhiban_reports_total").increment(count);
        if let Some(last) = last {
            self.0.head.send_if_modified(|head| {
                let grew = last > *head;
                *head = last.max(*head);
                grew
            });
        }
        Ok(outcomes)
    }

    /// Lets one listener hear every numbered report as it came; a second one hears nothing.
    pub(crate) fn overhear(&self, hear: impl Fn(Heard) + Send + Sync + 'static) {
        let _ = self.0.ear.set(Ear::new(hear));
    }

    /// Keeps something no report could be made of, such as a frame with an unknown topic.
    ///
    /// # Errors
    /// [`StoreError`]: it was not kept.
    pub async fn bury(&self, letter: DeadLetter) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0
            .store
            .write(move |connection| Ok(letters::bury(connection, &letter, now)?))
            .await
    }

    /// Id of the last committed report, and every change of it.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<i64> {
        self.0.head.subscribe()
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Why reports were refused last; for whoever sees that more were refused.
    #[must_use]
    pub fn last_refusal(&self) -> Option<String> {
        self.last_refusal_lock().clone()
    }

    fn last_refusal_lock(&self) -> MutexGuard<'_, Option<String>> {
        let last = self.0.last_refusal.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports accepted and refused since the start of the program.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (
            self.0.accepted.load(Ordering::Relaxed),
            self.0.refused.load(Ordering::Relaxed),
        )
    }
}

/// Brings the tables of all slices to today's shape.
///
/// # Errors
/// When a migration fails or the database is newer than this program.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    use zhiban_kernel::{people, store::migrate};
    migrate(
        connection,
        people::migrations::migrations::runner(),
        "people_migration",
    )?;
    migrate(
        connection,
        migrations::migrations::runner(),
        "gateway_migration",
    )
}

mod migrations {
    refinery::embed_migrations!("migrations");
}
