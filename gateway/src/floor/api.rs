//! Routes of the floor page: the whole state once, and a stream of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use utoipa_axum::routes;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::from_ms;
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::roles::Capability;
use zhiban_vocabulary::time::BusinessDay;

use super::model::{self, FloorView, FreshnessView, HallView, TotalsView, UplinkView};
use crate::federation::{self, UplinkState};
use crate::journal::{self, Follower, Journal};
use crate::queue::{Names, QueueFollower};
use crate::routes::with_state;
use crate::{climate, devices, documents, queue};

/// Shortest time between two messages to a page.
const MESSAGE_EVERY: Duration = Duration::from_millis(250);
/// Longest time without one: waiting times grow without any event.
const MESSAGE_AT_LEAST_EVERY: Duration = Duration::from_secs(10);

/// What the floor page is made of; cheap to clone.
#[derive(Debug, Clone)]
pub struct Floor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    journal: Journal,
    names: Names,
    zone: TimeZone,
    hall: HallView,
    store: StoreId,
    climate: climate::Rule,
    uplink: watch::Receiver<UplinkState>,
    /// The last message, made once for all pages that are open.
    message: watch::Sender<Arc<str>>,
    shutdown: CancellationToken,
}

impl Floor {
    #[must_use]
    pub fn new(
        journal: Journal,
        names: Names,
        config: &zhiban_config::GatewayConfig,
        uplink: watch::Receiver<UplinkState>,
        shutdown: CancellationToken,
    ) -> Self {
        let hall = HallView {
            store: config.hall.store.to_string(),
            name: config.hall.name.clone(),
        };
        let (message, _) = watch::channel(Arc::from(""));
        Self(Arc::new(Inner {
            journal,
            names,
            zone: config.hall.zone(),
            hall,
            store: config.hall.store.clone(),
            climate: climate::Rule::new(config),
            uplink,
            message,
            shutdown,
        }))
    }

    /// Makes a message after each change, while any page is open, until shutdown.
    pub async fn run(self) {
        let mut head = self.0.journal.head();
        loop {
            head.mark_unchanged();
            if self.0.message.receiver_count() > 0 {
                match self.message().await {
                    Ok(message) => {
                        self.0.message.send_replace(message);
                    }
                    Err(error) => tracing::warn!(%error, "the floor cannot be read"),
                }
            }
            let changed = async {
                tokio::time::sleep(MESSAGE_EVERY).await;
                let _ = tokio::time::timeout(MESSAGE_AT_LEAST_EVERY, head.changed()).await;
                // The followers need a moment to read what just arrived.
                tokio::time::sleep(MESSAGE_EVERY / 5).await;
            };
            tokio::select! {
                () = self.0.shutdown.cancelled() => return,
                () = changed => {}
            }
        }
    }

    async fn message(&self) -> std::result::Result<Arc<str>, StoreError> {
        let view = self.view().await?;
        let text = serde_json::to_string(&view);
        text.map(Arc::from)
            .map_err(|error| StoreError::Database(error.to_string()))
    }

    async fn view(&self) -> std::result::Result<FloorView, StoreError> {
        let inner = Arc::clone(&self.0);
        let now = inner.journal.clock().now();
        self.0
            .journal
            .store()
            .read(move |connection| inner.read(connection, now))
            .await
    }
}

impl Inner {
    fn read(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> std::result::Result<FloorView, StoreError> {
        let day = BusinessDay::of(now, &self.zone);
        let live = queue::live(connection, day, now)?;
        let rule = self.climate.on(connection, day)?;
        let levels = documents::thresholds(connection, &self.store, day.0)?;
        Ok(FloorView {
            at: now,
            hall: self.hall.clone(),
            day: day.to_string(),
            totals: TotalsView::from(&live),
            queues: model::queues(&live, &self.names),
            counters: model::counters(live.counters, &self.names),
            climate: model::climate(climate::latest(connection)?, &rule, now),
            limits: model::limits(&levels),
            freshness: self.freshness(connection, now)?,
        })
    }

    fn freshness(
        &self,
        connection: &Connection,
        now: Timestamp,
    ) -> std::result::Result<FreshnessView, StoreError> {
        let last = journal::counts(connection)?.last_id;
        let position = journal::follower_position(connection, QueueFollower::NAME)?;
        let uplink = uplink_view(connection, &self.uplink.borrow(), now)?;
        let sql = "select max(last_report_ms) from devices_seen";
        let last_event: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(FreshnessView {
            last_event: last_event.map(from_ms),
            journal_lag: last - position,
            uplink,
            clock_suspect_devices: devices::clock_suspects(connection)?,
        })
    }
}

/// The line to the centre as pages show it; `None` for a hall that stands alone.
pub(crate) fn uplink_view(
    connection: &Connection,
    state: &UplinkState,
    now: Timestamp,
) -> std::result::Result<Option<UplinkView>, StoreError> {
    if !state.enrolled {
        return Ok(None);
    }
    let backlog = federation::backlog(connection, now)?;
    Ok(Some(UplinkView {
        connected: state.connected,
        backlog: backlog.rows,
        oldest_unsent_s: backlog.oldest_unsent_s,
        last_ack: state.last_ack,
        problem: state.problem.clone(),
        shut_out: state.shut_out,
        twin: state.twin,
        set_aside: federation::unsent_letters(connection)?,
    }))
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, floor: &Floor) -> Api {
    let rule = Access::Needs(Capability::FloorRead);
    api.route(rule, with_state(routes!(read_floor), floor))
        .route(rule, with_state(routes!(stream_floor), floor))
}

/// The hall right now.
#[utoipa::path(get, path = "/api/v1/floor", tag = "floor",
    responses((status = 200, body = FloorView)))]
async fn read_floor(State(floor): State<Floor>) -> Result<Response> {
    let message = floor.message().await?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        message.to_string(),
    )
        .into_response())
}

/// The hall, whole, at once and after each change.
#[utoipa::path(get, path = "/api/v1/floor/stream", tag = "floor",
    responses((status = 200, content_type = "text/event-stream", body = FloorView)))]
async fn stream_floor(
    State(floor): State<Floor>,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    if floor.0.shutdown.is_cancelled() {
        return Err(WebError::Unavailable("stopping".into()));
    }
    // The page gets the state of this moment first, then what the common messages say.
    let first = floor.message().await?;
    let mut updates = floor.0.message.subscribe();
    updates.mark_unchanged();
    let messages = futures_util::stream::once(async move { first })
        .chain(WatchStream::from_changes(updates))
        .filter(|message| futures_util::future::ready(!message.is_empty()))
        .map(|message| Ok(Event::default().event("floor").data(&*message)))
        .take_until(floor.0.shutdown.clone().cancelled_owned());
    let keep_alive = KeepAlive::new()
        .interval(Duration::from_secs(10))
        .text("keep-alive");
    Ok(Sse::new(messages).keep_alive(keep_alive))
}
