//! The device side of protocols, over a pseudo terminal, TCP or UDP: for tests, the demo and sales
//! rooms without devices. The simulators themselves are in the folders of their drivers, each only
//! its behaviour; what they have in common is here. Foreign programs prove that a simulator is not
//! just the mirror of our own mistakes.

mod agent;
mod frames;
pub(crate) mod http;
mod place;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

pub use agent::SnmpAgent;
pub use frames::FrameDevice;
pub use place::{DatagramDevice, Device, Framing, Port};

/// The clock a simulated program shows and writes.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Changes of a program that is read again and again, and how many of them were read.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    made: AtomicU64,
    read: watch::Sender<u64>,
}

impl Changes {
    /// Gives the number of a change that was made just now.
    pub(crate) fn made(&self) -> u64 {
        self.made.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// How many were made so far.
    pub(crate) fn so_far(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// The reader has so many of them.
    pub(crate) fn were_read(&self, changes: u64) {
        self.read.send_modify(|read| *read = changes.max(*read));
    }

    /// Waits until the reader has this one.
    pub(crate) async fn until_read(&self, change: u64) {
        // The sender is ours and lives as long as we do.
        let _ = self.read.subscribe().wait_for(|read| *read >= change).await;
    }
}

/// What a simulated device is like at the moment. Whoever panics with it leaves it as it is.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
