//! Routes of health, figures, rescue and box.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::health::{Part, Report, Status};
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_kernel::{Clock, telemetry};
use zhiban_vocabulary::roles::Capability;

use super::page;
use crate::centre::Centre;
use crate::compare::Fresh;
use crate::halls::rows_today;
use crate::intake;

/// Adds the routes of this slice.
#[must_use]
pub fn add_routes(api: Api, centre: &Centre) -> Api {
    let boxes = Access::Needs(Capability::BoxRead);
    api.route(Access::Public, centre.with(routes!(read_health)))
        .route(Access::Public, centre.with(routes!(read_metrics)))
        .route(Access::Public, centre.with(routes!(read_status)))
        .route(boxes, centre.with(routes!(read_box)))
}

/// Details are for people with the right, and for the machine itself.
fn may_look(peer: Peer, who: Option<&Extension<SignedIn>>) -> bool {
    peer.0.is_loopback() || who.is_some_and(|Extension(who)| who.may(Capability::BoxRead))
}

/// Health as far as the asker may know it.
fn report(centre: &Centre, with_detail: bool) -> Report {
    let mut report = centre.health.report();
    if !with_detail {
        report.parts.iter_mut().for_each(Part::hide_detail);
    }
    report
}

/// Health of all parts, proved every 12 s by doing what they are for.
#[utoipa::path(get, path = "/health", tag = "watch",
    responses((status = 200, body = Report), (status = 503, body = Report)))]
async fn read_health(
    State(centre): State<Centre>,
    peer: Peer,
    who: Option<Extension<SignedIn>>,
) -> impl IntoResponse {
    let report = report(&centre, may_look(peer, who.as_ref()));
    let status = match report.status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report))
}

/// Figures for Prometheus; from this machine, or with `box.read`.
#[utoipa::path(get, path = "/metrics", tag = "watch",
    responses((status = 200, content_type = "text/plain", body = String)))]
async fn read_metrics(
    State(centre): State<Centre>,
    peer: Peer,
    who: Option<Extension<SignedIn>>,
) -> Result<impl IntoResponse> {
    if !may_look(peer, who.as_ref()) {
        return Err(match who {
            Some(_) => WebError::Forbidden(Capability::BoxRead),
            None => WebError::NotSignedIn,
        });
    }
    // A broken database must not take away the figures that show it.
    if let Ok(bytes) = centre.store.size_bytes().await {
        // Sizes fit a float exactly far beyond any disk.
        #[expect(clippy::cast_precision_loss, reason = "shown, not computed with")]
        metrics::gauge!("zhiban_database_bytes").set(bytes as f64);
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((kind, telemetry::figures()))
}

/// The rescue page: no script, works in any browser.
#[utoipa::path(get, path = "/status", tag = "watch",
    responses((status = 200, content_type = "text/html", body = String)))]
async fn read_status(
    State(centre): State<Centre>,
    peer: Peer,
    who: Option<Extension<SignedIn>>,
) -> impl IntoResponse {
    let with_detail = may_look(peer, who.as_ref());
    // A broken database must not take the page away that says so.
    let view = if with_detail {
        view(&centre).await.ok()
    } else {
        None
    };
    Html(page::status(&report(&centre, with_detail), view.as_ref()))
}

/// The program itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BoxView {
    pub(super) version: &'static str,
    /// The clock outside, also in a replay.
    #[schema(value_type = String, format = DateTime)]
    pub(super) started: Timestamp,
    pub(super) uptime_s: u64,
    pub(super) database_bytes: u64,
    pub(super) intake: IntakeView,
    pub(super) stores: StoresView,
    pub(super) listen: Vec<String>,
}

/// What came in since the database was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IntakeView {
    pub(super) batches: u64,
    pub(super) items: u64,
    pub(super) duplicates: u64,
    pub(super) dead_letters: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) last: Option<Timestamp>,
}

/// How many halls there are, and how they do today.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct StoresView {
    pub(super) known: usize,
    pub(super) live: usize,
    pub(super) late: usize,
    pub(super) offline: usize,
}

/// State of the program.
#[utoipa::path(get, path = "/api/v1/box", tag = "watch",
    responses((status = 200, body = BoxView)))]
async fn read_box(State(centre): State<Centre>) -> Result<Json<BoxView>> {
    Ok(Json(view(&centre).await?))
}

async fn view(centre: &Centre) -> Result<BoxView> {
    let sums = centre.store.read(intake::sums).await?;
    let uptime_s = Clock::real_now().duration_since(centre.started).as_secs();
    Ok(BoxView {
        version: env!("CARGO_PKG_VERSION"),
        started: centre.started,
        uptime_s: u64::try_from(uptime_s).unwrap_or(0),
        database_bytes: centre.store.size_bytes().await?,
        intake: IntakeView {
            batches: sums.batches,
            items: sums.items,
            duplicates: sums.duplicates,
            dead_letters: sums.dead_letters,
            last: sums.last,
        },
        stores: count_stores(centre).await?,
        listen: centre.listen.clone(),
    })
}

async fn count_stores(centre: &Centre) -> Result<StoresView> {
    let mut view = StoresView::default();
    for row in rows_today(centre).await? {
        view.known += 1;
        match row.fresh {
            Fresh::Live => view.live += 1,
            Fresh::Late => view.late += 1,
            Fresh::Offline => view.offline += 1,
            Fresh::Never => {}
        }
    }
    Ok(view)
}
