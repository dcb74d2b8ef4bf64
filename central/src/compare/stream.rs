//! Tells pages that something changed, so that they ask anew.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::centre::Centre;

/// Shortest time between two events; what changes within it is one change.
const PAUSE: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Data of the event `changed`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Changed {
    /// The centre's clock.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// Server-sent events `changed`, at most one each 2 s; the first at once. Events carry no state,
/// so a page that missed some has missed nothing.
#[utoipa::path(get, path = "/api/v1/compare/stream", tag = "compare",
    responses((status = 200, content_type = "text/event-stream", body = Changed)))]
pub(super) async fn stream_changes(
    State(centre): State<Centre>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let shutdown = centre.shutdown.clone();
    let mut changes = centre.changes.clone();
    changes.mark_changed();
    let events = stream::unfold((centre, changes, Duration::ZERO), next)
        .take_until(async move { shutdown.cancelled().await });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

type Listening = (Centre, watch::Receiver<u64>, Duration);

async fn next(
    (centre, mut changes, pause): Listening,
) -> Option<(Result<Event, Infallible>, Listening)> {
    tokio::time::sleep(pause).await;
    // The sender is gone only when the program ends.
    changes.changed().await.ok()?;
    let at = centre.clock.now();
    let event = Event::default().event("changed").json_data(Changed { at });
    Some((Ok(event.ok()?), (centre, changes, PAUSE)))
}
