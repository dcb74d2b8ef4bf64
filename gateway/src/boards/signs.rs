//! Holds the signs against their counters (S3-4.1.4-B): one that was not there, or did not do what
//! it was told last, is told what its counter does now.
//!
//! Not a follower: that a display has expired is in no journal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::device::HealthStatus;
use zhiban_vocabulary::{CounterId, DeviceId};

use super::store::{self, Sign};
use super::{BoardsFollower, sign_of};
use crate::commands::{self, Shown, Wake};
use crate::devices;
use crate::journal::{self, Follower};
use crate::queue::{self, AtCounter, QueueFollower};

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A sign that comes and goes is told again at most this often.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Task `signs`.
#[derive(Debug)]
pub struct Signs {
    store: Store,
    clock: Clock,
    wake: Wake,
}

impl Signs {
    #[must_use]
    pub fn new(store: Store, clock: Clock, wake: Wake) -> Self {
        Self { store, clock, wake }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "signs will be looked at again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let clock = self.clock;
        let read = move |connection: &Connection| Ok(due(connection, clock.now())?);
        if self.store.read(read).await?.is_empty() {
            return Ok(());
        }
        self.store
            .write(move |connection| tell_again(connection, clock))
            .await?;
        self.wake.wake();
        Ok(())
    }
}

/// Tells each sign whose turn it is what counts now.
pub(super) fn tell_again(connection: &Connection, clock: Clock) -> Result<(), StoreError> {
    for (sign, counter) in due(connection, clock.now())? {
        let command = match now_over(connection, &sign, &counter)? {
            Some(display) => {
                let command = Command::Display(display);
                let told = commands::ask(connection, &sign, &command, commands::HALL, clock)?;
                Some(told)
            }
            None => None,
        };
        store::note_told(connection, &sign, command)?;
    }
    Ok(())
}

/// Signs to be told again. None while one of the two who made of the journal what is asked here has
/// read further than the other: what a sign was told and what its counter does belong together.
fn due(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<(DeviceId, CounterId)>> {
    let mut due = Vec::new();
    let queue = journal::follower_position(connection, QueueFollower::NAME)?;
    if queue != journal::follower_position(connection, BoardsFollower::NAME)? {
        return Ok(due);
    }
    for (sign, counter) in devices::counter_screens(connection)? {
        let known = store::sign(connection, &sign)?;
        let last = commands::last_shown(connection, &sign)?;
        if is_due(known, last.as_ref(), now) {
            due.push((sign, counter));
        }
    }
    Ok(due)
}

fn is_due(known: Sign, last: Option<&Shown>, now: Timestamp) -> bool {
    let Some(last) = last else {
        return known.back.is_some();
    };
    let is_told_again = known.told == Some(last.id);
    // One that has not ended lies on its topic, or is tried again.
    let (Some(ended), false) = (last.ended, known.is_down) else {
        return false;
    };
    if is_told_again && now.duration_since(last.asked) < AGAIN_AFTER {
        return false;
    }
    match known.back {
        Some(back) => last.has_failed || ended < back,
        // Once: who fails then as well must come back first.
        None => last.has_failed && !is_told_again,
    }
}

/// What is to stand over a counter. Of one nobody has heard of, whatever its sign was told last:
/// an old queue host writes texts and tells of no ticket.
fn now_over(
    connection: &Connection,
    sign: &DeviceId,
    counter: &CounterId,
) -> Result<Option<Display>, StoreError> {
    let counter = counter.clone();
    Ok(match queue::at_counter(connection, &counter)? {
        Some(AtCounter::Called(ticket)) => Some(Display::Call { ticket, counter }),
        Some(AtCounter::Served(ticket)) => Some(Display::Serving { ticket }),
        Some(AtCounter::Nobody(state)) => Some(sign_of(state)),
        None => commands::last_display(connection, sign)?,
    })
}

/// A device says how it does.
pub(super) fn heard(
    connection: &Connection,
    device: &DeviceId,
    status: HealthStatus,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let signs = devices::counter_screens(connection)?;
    if !signs.iter().any(|(sign, _)| sign == device) {
        return Ok(());
    }
    if status == HealthStatus::Down {
        return store::note_down(connection, device);
    }
    let last = commands::last_shown(connection, device)?;
    // One that answers that it does not was there.
    let has_missed = last.is_some_and(|last| last.was_missed);
    store::note_up(connection, device, has_missed, at)
}
