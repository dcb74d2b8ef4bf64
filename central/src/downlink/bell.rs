//! Says that there may be something new for halls.

use std::sync::Arc;

use tokio::sync::Notify;

/// Rung after a commit that gives halls something to fetch; cheap to clone. What other programs on
/// the same database commit is found within a second.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits for the next ring; one that came meanwhile counts.
    pub(super) async fn rung(&self) {
        self.0.notified().await;
    }
}
