//! The one seat of a device, and what must happen when it is given up, also by a panic.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use zhiban_vocabulary::DeviceId;

use super::Shared;
use super::sessions::Parked;

/// Held from CONNACK until the link to the router is closed.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    device: DeviceId,
    number: u64,
    linked: bool,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Seat {
    pub(super) fn new(
        shared: Arc<Shared>,
        device: DeviceId,
        number: u64,
        guard: OwnedMutexGuard<()>,
    ) -> Self {
        Self {
            shared,
            device,
            number,
            linked: false,
            guard: Some(guard),
        }
    }

    pub(super) fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Notes that the seat's number now names a link of the router.
    pub(super) fn link(&mut self) {
        self.linked = true;
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked
    }

    /// Closes the link; messages that are under way to it can still be read.
    pub(super) async fn unlink(&mut self) {
        if self.linked {
            self.linked = false;
            self.shared.bus.close(self.number).await;
        }
    }

    pub(super) async fn give_up(mut self, parked: Option<Parked>) {
        self.unlink().await;
        self.shared
            .sessions
            .leave(&self.device, self.number, parked);
        self.guard = None;
    }
}

impl Drop for Seat {
    /// Without [`Seat::give_up`] the connection's task has panicked: clean up in another.
    fn drop(&mut self) {
        self.shared.devices.disconnected(&self.device, self.number);
        let Some(guard) = self.guard.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // Not a seat itself: a runtime that is shutting down drops it at once.
        let (shared, device, number) = (Arc::clone(&self.shared), self.device.clone(), self.number);
        let linked = self.linked;
        runtime.spawn(async move {
            if linked {
                shared.bus.close(number).await;
            }
            shared.sessions.leave(&device, number, None);
            drop(guard);
        });
    }
}
