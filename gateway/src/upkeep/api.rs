//! Routes: how the box looks after itself.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_config::GatewayConfig;
use zhiban_kernel::backup::NightlyState;
use zhiban_kernel::clock::from_ms;
use zhiban_kernel::doctor::{Update, last_update};
use zhiban_kernel::web::{Access, Api, Result};
use zhiban_vocabulary::roles::Capability;

use super::first_steps;
use super::retention::{self, Dropped};
use crate::federation::Line;
use crate::journal::{self, Journal};
use crate::routes::with_state;

/// What the routes work on; cheap to clone.
#[derive(Debug, Clone)]
pub struct UpkeepState {
    pub journal: Journal,
    /// As it is in force.
    pub config: Arc<GatewayConfig>,
    pub backup_folder: PathBuf,
    /// `None` in a replay, which is not backed up.
    pub nightly: Option<watch::Receiver<NightlyState>>,
    pub line: Line,
    /// Ends the program.
    pub stop: CancellationToken,
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, state: &UpkeepState) -> Api {
    let read = Access::Needs(Capability::BoxRead);
    let api = api.route(read, with_state(routes!(read_upkeep), state));
    first_steps::add_routes(api, state)
}

#[derive(Debug, Serialize, ToSchema)]
struct UpkeepView {
    /// `null` in a replay, which is not backed up.
    backup: Option<BackupView>,
    /// The last update of the program, if there was one.
    update: Option<UpdateView>,
    retention: RetentionView,
}

#[derive(Debug, Serialize, ToSchema)]
struct BackupView {
    folder: String,
    /// By the clock on the wall.
    #[schema(value_type = String)]
    at: jiff::civil::Time,
    keep: u32,
    /// The newest that was read back and compared.
    #[schema(value_type = Option<String>, format = DateTime)]
    last: Option<Timestamp>,
    bytes: Option<u64>,
    /// Why the last try failed.
    problem: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RetentionView {
    report_days: u32,
    disk_percent: u32,
    used_bytes: u64,
    limit_bytes: Option<u64>,
    /// When the oldest report arrived that is still here.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_report: Option<Timestamp>,
    dropped: Vec<DroppedView>,
}

/// What went before its time, for want of room.
#[derive(Debug, Serialize, ToSchema)]
struct DroppedView {
    /// `settled`, `report`, `command`, `letter` or `unsent`
    what: String,
    rows: i64,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
struct UpdateView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `installed` or `rolled-back`
    outcome: String,
    from: String,
    to: String,
    reason: String,
}

impl From<Update> for UpdateView {
    fn from(update: Update) -> Self {
        let Update {
            at,
            outcome,
            from,
            to,
            reason,
        } = update;
        Self {
            at,
            outcome,
            from,
            to,
            reason,
        }
    }
}

impl From<Dropped> for DroppedView {
    fn from(one: Dropped) -> Self {
        let Dropped {
            what,
            rows,
            since,
            last,
        } = one;
        Self {
            what,
            rows,
            since,
            last,
        }
    }
}

/// The nightly backup, and what left the box for want of room.
#[utoipa::path(get, path = "/api/v1/upkeep", tag = "box", responses((status = 200, body = UpkeepView)))]
async fn read_upkeep(State(state): State<UpkeepState>) -> Result<Json<UpkeepView>> {
    let read = |connection: &rusqlite::Connection| {
        Ok((
            retention::used_bytes(connection)?,
            journal::oldest_ms(connection)?,
            retention::dropped(connection)?,
        ))
    };
    let (used_bytes, oldest, dropped) = state.journal.store().read(read).await?;
    let backup = state.nightly.as_ref().map(|nightly| {
        let now = nightly.borrow().clone();
        BackupView {
            folder: state.backup_folder.display().to_string(),
            at: state.config.backup.at,
            keep: state.config.backup.keep,
            last: now.last,
            bytes: now.bytes,
            problem: now.problem,
        }
    });
    let retention = RetentionView {
        report_days: state.config.retention.report_days,
        disk_percent: state.config.retention.disk_percent,
        used_bytes,
        limit_bytes: retention::limit_bytes(state.journal.store(), state.config.retention),
        oldest_report: oldest.map(from_ms),
        dropped: dropped.into_iter().map(DroppedView::from).collect(),
    };
    let update = last_update(&state.config.hall.data).map(UpdateView::from);
    Ok(Json(UpkeepView {
        backup,
        update,
        retention,
    }))
}
