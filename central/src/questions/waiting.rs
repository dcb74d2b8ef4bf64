//! Those of this process who wait for an answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use zhiban_vocabulary::down::Outcome;

/// See the module; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>);

impl Waiting {
    /// Waits for the answer to a question, until what is given back is dropped.
    pub(super) fn wait_for(&self, id: u64) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.retain(|_, sender| !sender.is_closed());
        waiting.insert(id, sender);
        receiver
    }

    pub(super) fn is_waited_for(&self, id: u64) -> bool {
        self.waiting()
            .get(&id)
            .is_some_and(|sender| !sender.is_closed())
    }

    pub(super) fn hand_over(&self, id: u64, outcome: Outcome) {
        if let Some(sender) = self.waiting().remove(&id) {
            // Who gave up in this moment is not told.
            let _ = sender.send(outcome);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
