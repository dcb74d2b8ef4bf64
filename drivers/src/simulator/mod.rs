//! The device side of protocols, over a pseudo terminal or TCP: for tests, the demo and sales rooms
//! without devices. The simulators themselves are in the folders of their drivers, each only its
//! behaviour; what they have in common is here. Foreign programs prove that a simulator is not just
//! the mirror of our own mistakes.

mod frames;
mod place;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use frames::FrameDevice;
pub use place::{Device, Framing, Port};

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
