//! Followers: whoever makes something of the journal.
//!
//! A follower takes no input but the journal, keeps its own cursor, and moves it in the same
//! transaction as what it made: killed at any instant, it goes on as if nothing had happened.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{StoreError, crash_point};

use super::{Entry, Journal, store};

/// Entries per step; small, because the step holds the writer.
const STEP: u32 = 200;
/// Longest time without a look at the journal.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a follower does with a step of entries, in the transaction that moves its cursor.
pub trait Follower: Send + Sync + 'static {
    /// Name of the cursor; never changes.
    const NAME: &'static str;

    /// # Errors
    /// The step is taken back and tried again.
    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError>;

    /// Called once a step is on disk, for those who wait for it.
    fn committed(&self) {}
}

/// Follows until `shutdown`.
pub async fn follow<F: Follower>(journal: Journal, follower: F, shutdown: CancellationToken) {
    let follower = Arc::new(follower);
    let mut head = journal.head();
    // Known from the start, so that one that never makes its first step is seen, too.
    let known = |connection: &Connection| Ok(store::add_follower(connection, F::NAME)?);
    if let Err(error) = journal.store().write(known).await {
        tracing::warn!(follower = F::NAME, %error, "follower is not noted yet");
    }
    loop {
        head.mark_unchanged();
        // News is no reason to try a failing step again at once.
        let (pause, wakes) = match step(&journal, &follower).await {
            Ok(true) => (Duration::ZERO, true),
            Ok(false) => (LOOK_EVERY, true),
            Err(error) => {
                tracing::warn!(follower = F::NAME, %error, "follower will try again");
                (RETRY_AFTER, false)
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = head.changed(), if wakes => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One step; true when there may be more.
async fn step<F: Follower>(journal: &Journal, follower: &Arc<F>) -> Result<bool, StoreError> {
    let read = |connection: &Connection| {
        let position = store::follower_position(connection, F::NAME)?;
        Ok((position, store::entries_after(connection, position, STEP)?))
    };
    let (position, (entries, behind)) = journal.store().read(read).await?;
    if behind == position {
        return Ok(false);
    }
    let applied = Arc::clone(follower);
    journal
        .store()
        .write(move |connection| {
            applied.apply(connection, &entries)?;
            crash_point!("follower: applied, cursor not moved");
            Ok(store::set_position(connection, F::NAME, behind)?)
        })
        .await?;
    crash_point!("follower: cursor moved");
    follower.committed();
    Ok(true)
}
