//! Routes: health, metrics, and the box page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_drivers::supervise::{DriverState, Supervisor};
use zhiban_kernel::health::{Health, Part, Report, Status};
use zhiban_kernel::people::People;
use zhiban_kernel::store::WriterState;
use zhiban_kernel::web::{Access, Api, Caller, Result, WebError};
use zhiban_kernel::{Store, telemetry};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::Epoch;
use zhiban_vocabulary::roles::Capability;

use crate::broker::Broker;
use crate::federation::Line;
use crate::floor::{UplinkView, uplink_view};
use crate::journal::{self, Journal};
use crate::routes::with_state;

/// What the box page shows is read from these; cheap to clone.
#[derive(Debug, Clone)]
pub struct BoxState {
    pub store_id: StoreId,
    pub epoch: Epoch,
    pub started: Timestamp,
    pub started_at: Instant,
    pub journal: Journal,
    pub broker: Broker,
    pub mqtt: SocketAddr,
    pub mqtts: Option<SocketAddr>,
    pub drivers: Arc<Supervisor>,
    pub line: Line,
}

impl BoxState {
    /// Where the line leads.
    fn doors(&self) -> Vec<String> {
        let member = self.line.member.borrow();
        member
            .as_ref()
            .map_or_else(Vec::new, |member| member.doors.clone())
    }
}

/// Adds the box page's route.
pub fn add_routes(api: Api, state: &BoxState) -> Api {
    api.route(
        Access::Needs(Capability::BoxRead),
        with_state(routes!(read_box), state),
    )
}

/// Routes for machines: health for anyone, figures for this host and those with the right.
pub fn health_router(watch: Watch) -> Router {
    Router::new()
        .route("/health", get(read_health))
        .route("/metrics", get(read_metrics))
        .with_state(watch)
}

/// What machines and the rescue page may see.
#[derive(Debug, Clone)]
pub struct Watch {
    pub health: Health,
    pub people: People,
}

impl Watch {
    /// The health of the parts; in words only for this host and those with the right, because
    /// details name devices and addresses.
    pub async fn report(&self, caller: Caller, headers: &HeaderMap) -> Report {
        let mut report = self.health.report();
        if !self.sees_details(caller, headers).await {
            report.parts.iter_mut().for_each(Part::hide_detail);
        }
        report
    }

    async fn sees_details(&self, caller: Caller, headers: &HeaderMap) -> bool {
        let signed_in = self.people.signed_in(headers, caller.transport).await;
        caller.address.ip().is_loopback()
            || signed_in.is_some_and(|who| who.may(Capability::BoxRead))
    }
}

async fn read_health(State(watch): State<Watch>, caller: Caller, headers: HeaderMap) -> Response {
    let report = watch.report(caller, &headers).await;
    let code = match report.status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(report)).into_response()
}

async fn read_metrics(State(watch): State<Watch>, caller: Caller, headers: HeaderMap) -> Response {
    if watch.sees_details(caller, &headers).await {
        return telemetry::figures().into_response();
    }
    WebError::Forbidden(Capability::BoxRead).into_response()
}

#[derive(Debug, Serialize, ToSchema)]
struct BoxView {
    store: String,
    /// As text: a number this long is not safe in every reader.
    epoch: String,
    version: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started: Timestamp,
    uptime_s: u64,
    disk: DiskView,
    journal: JournalView,
    followers: Vec<FollowerView>,
    doors: DoorsView,
    /// `null` in a hall that stands alone.
    uplink: Option<BoxUplinkView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DiskView {
    free_bytes: Option<u64>,
    total_bytes: Option<u64>,
    database_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct JournalView {
    /// Since the start of the program.
    accepted: u64,
    /// Since the start of the program.
    refused: u64,
    last_id: i64,
    dead_letters: i64,
    dead_letters_dropped: i64,
    /// `running`, `refusing` or `stopped`
    writer: &'static str,
    problem: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FollowerView {
    name: String,
    position: i64,
    lag: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct DoorsView {
    mqtt: MqttView,
    wired: Vec<DriverView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MqttView {
    listen: String,
    /// Of the encrypted door.
    listen_tls: Option<String>,
    connections: usize,
    refused: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct DriverView {
    device: String,
    driver: &'static str,
    /// `running`, `restarting` or `stopped`
    status: &'static str,
    detail: Option<String>,
    restarts: u32,
    bad_frames: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct BoxUplinkView {
    /// Of the centre, as `host:port`.
    doors: Vec<String>,
    #[serde(flatten)]
    line: UplinkView,
    /// When the centre last answered a poll: up to then the hall has what the centre gives out.
    #[schema(value_type = Option<String>, format = DateTime)]
    fetched: Option<Timestamp>,
    fetch_problem: Option<String>,
}

/// The box itself: disk, journal, followers, doors, line to the centre.
#[utoipa::path(get, path = "/api/v1/box", tag = "box", responses((status = 200, body = BoxView)))]
async fn read_box(State(state): State<BoxState>) -> Result<Json<BoxView>> {
    let now = state.journal.clock().now();
    let uplink = state.line.state.borrow().clone();
    let down = state.line.down.borrow().clone();
    let epoch = uplink.epoch.unwrap_or(state.epoch);
    let read = move |connection: &Connection| {
        let line = uplink_view(connection, &uplink, now)?;
        Ok((
            journal::counts(connection)?,
            journal::position_of(connection)?,
            line,
        ))
    };
    let (counts, positions, line) = state.journal.store().read(read).await?;
    let follower = |(name, position): (String, i64)| FollowerView {
        lag: counts.last_id - position,
        name,
        position,
    };
    Ok(Json(BoxView {
        store: state.store_id.to_string(),
        epoch: epoch.0.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        started: state.started,
        uptime_s: state.started_at.elapsed().as_secs(),
        disk: disk(state.journal.store()),
        journal: journal_view(&state.journal, &counts),
        followers: positions.into_iter().map(follower).collect(),
        doors: doors(&state),
        uplink: line.map(|line| BoxUplinkView {
            doors: state.doors(),
            line,
            fetched: down.fetched,
            fetch_problem: down.problem,
        }),
    }))
}

fn disk(store: &Store) -> DiskView {
    let found = store
        .file()
        .parent()
        .and_then(|folder| rustix::fs::statvfs(folder).ok());
    DiskView {
        free_bytes: found
            .as_ref()
            .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        total_bytes: found
            .as_ref()
            .map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
        database_bytes: store.size_bytes(),
    }
}

fn journal_view(journal: &Journal, counts: &journal::Counts) -> JournalView {
    let (accepted, refused) = journal.totals();
    let WriterState {
        stopped, failing, ..
    } = journal.store().state().borrow().clone();
    let writer = match (&stopped, &failing) {
        (Some(_), _) => "stopped",
        (None, Some(_)) => "refusing",
        (None, None) => "running",
    };
    JournalView {
        accepted,
        refused,
        last_id: counts.last_id,
        dead_letters: counts.dead_letters,
        dead_letters_dropped: counts.dead_letters_dropped,
        writer,
        problem: stopped.or(failing),
    }
}

fn doors(state: &BoxState) -> DoorsView {
    let wired = state
        .drivers
        .statuses()
        .into_iter()
        .map(|status| DriverView {
            device: status.device.to_string(),
            driver: status.driver,
            status: match status.state {
                DriverState::Running => "running",
                DriverState::Restarting => "restarting",
                DriverState::Stopped => "stopped",
            },
            detail: status.detail,
            restarts: status.restarts,
            bad_frames: status.bad_frames,
        });
    let mqtt = MqttView {
        listen: state.mqtt.to_string(),
        listen_tls: state.mqtts.map(|address| address.to_string()),
        connections: state.broker.connections(),
        refused: state.broker.refused(),
    };
    DoorsView {
        mqtt,
        wired: wired.collect(),
    }
}
