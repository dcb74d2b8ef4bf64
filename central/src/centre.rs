//! What the routes of all slices share.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::UtoipaMethodRouter;
use zhiban_kernel::health::Health;
use zhiban_kernel::{Clock, Database};
use zhiban_vocabulary::time::BusinessDay;

use crate::downlink::Bell;

/// State of the routes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Centre {
    pub store: Database,
    pub clock: Clock,
    /// Zone of the days people pick.
    pub zone: TimeZone,
    /// Counts up after commits that change what pages show.
    pub changes: watch::Receiver<u64>,
    /// To be rung after commits that give halls something to fetch.
    pub bell: Bell,
    pub health: Health,
    /// Real time of the start.
    pub started: Timestamp,
    pub listen: Vec<String>,
    /// Ends streams.
    pub shutdown: CancellationToken,
}

impl Centre {
    /// The day people at the centre live in.
    #[must_use]
    pub fn today(&self) -> BusinessDay {
        BusinessDay::of(self.clock.now(), &self.zone)
    }

    /// Binds routes to this state.
    pub fn with(&self, (schemas, paths, handlers): UtoipaMethodRouter<Self>) -> UtoipaMethodRouter {
        (schemas, paths, handlers.with_state(self.clone()))
    }
}
