//! Commands to devices: each is a row before it leaves, is acknowledged by its device, tried again
//! until it expires, and stays as the log of what the hall told whom.
//!
//! Whoever wants a device to do something writes the row in its own transaction ([`ask`]) and
//! wakes the dispatcher, which hands it to the wired driver or publishes it on the device's topic.

mod api;
mod closing;
mod follower;
mod store;
mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::Notify;
use zhiban_kernel::Clock;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::{Command, CommandStatus};
use zhiban_vocabulary::device::Severity;

use crate::devices::file;

pub use api::add_routes;
pub use closing::Switching;
pub use follower::CommandsFollower;
pub use store::{Shown, last_display, last_shown, prune_ended};
pub use task::Dispatcher;

use store::Progress;

/// Who asks when it is no person.
pub const HALL: &str = "hall";
/// A call or a text is history after this.
pub const DISPLAY_EXPIRES: Duration = Duration::from_secs(60);
/// A restart that comes much later hits somebody at work.
pub const RESTART_EXPIRES: Duration = Duration::from_secs(5 * 60);

/// Tells the dispatcher that there is something to do; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Writes a command down; to be followed by [`Wake::wake`] once committed. Gives its number.
///
/// # Errors
/// When the database cannot be written.
pub fn ask(
    connection: &Connection,
    device: &DeviceId,
    command: &Command,
    asked_by: &str,
    clock: Clock,
) -> rusqlite::Result<i64> {
    let now = clock.now();
    // Also in a replay that runs faster than the wires.
    let expires = now + expires_after(command) * clock.replay_speed().unwrap_or(1);
    store::insert(connection, device, command, asked_by, now, expires)
}

/// Notes how far a device has come. What has ended stays ended. Where the hall's own switching
/// failed it raises an alarm: nobody is there to look (S3-4.2.3-B).
///
/// # Errors
/// When the database cannot be written.
fn note(
    connection: &Connection,
    id: i64,
    device: &DeviceId,
    progress: Progress<'_>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let is_news = store::note(connection, id, device, progress, now)?;
    let has_failed = progress.status == CommandStatus::Failed;
    if is_news
        && has_failed
        && let Some(on) = store::switches_on(connection, id)?
    {
        let why = progress.reason.unwrap_or("the device does not say why");
        not_switched(connection, device, on, why, now)?;
    }
    Ok(())
}

fn not_switched(
    connection: &Connection,
    device: &DeviceId,
    on: bool,
    why: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let what = if on {
        "switch-on-failed"
    } else {
        "switch-off-failed"
    };
    file::write_alarm(connection, device.as_str(), what, why, Severity::Major, now)
}

fn expires_after(command: &Command) -> Duration {
    match command {
        Command::Display(_) => DISPLAY_EXPIRES,
        Command::Restart {} | Command::Power { .. } => RESTART_EXPIRES,
    }
}
