//! Routes of the device file and of the changes that wait for a person.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Peer, Result, WebError};

use super::Desk;
use crate::devices::{file, identity};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FileView {
    events: Vec<FileEvent>,
}

/// What happened to the device, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct FileEvent {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `registered`, `identified`, `firmware`, `address`, `identity`, `serial-clash`,
    /// `third-model`, `withdrawn`, `decided`, `changed`, `credential`, `approved` or `retired`
    what: String,
    detail: String,
    /// Staff number, or `hall`.
    who: String,
    /// Severity, where the hall raised an alarm for it.
    alarm: Option<String>,
}

/// The life-long file of a device (S4-3.2.7.3).
#[utoipa::path(get, path = "/api/v1/devices/{device}/file", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = FileView)))]
pub(super) async fn read_file(
    State(desk): State<Desk>,
    Path(device): Path<String>,
) -> Result<Json<FileView>> {
    let read = move |connection: &Connection| Ok(file::events(connection, &device)?);
    let events = desk.devices.0.store.read(read).await?;
    let view = |event: file::Event| FileEvent {
        at: event.at,
        what: event.what,
        detail: event.detail,
        who: event.who,
        alarm: event.alarm,
    };
    let events = events.into_iter().map(view).collect();
    Ok(Json(FileView { events }))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestsView {
    requests: Vec<RequestView>,
}

/// A change of a device that needs a person's approval.
#[derive(Debug, Serialize, ToSchema)]
struct RequestView {
    id: i64,
    device: String,
    /// `identity`, `address`, `third-model` or `serial-clash`
    what: String,
    before: String,
    after: String,
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
}

/// Changes that wait for a person, oldest first (S0-2.5-3).
#[utoipa::path(get, path = "/api/v1/device-requests", tag = "devices",
    responses((status = 200, body = RequestsView)))]
pub(super) async fn list_requests(State(desk): State<Desk>) -> Result<Json<RequestsView>> {
    let read = |connection: &Connection| Ok(file::requests(connection)?);
    let requests = desk.devices.0.store.read(read).await?;
    let view = |request: file::Request| RequestView {
        id: request.id,
        device: request.device,
        what: request.what,
        before: request.before,
        after: request.after,
        asked: request.asked,
    };
    let requests = requests.into_iter().map(view).collect();
    Ok(Json(RequestsView { requests }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionBody {
    grant: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedView {
    device: String,
}

/// Grants a change, which then holds, or refuses it, which shuts the device out.
#[utoipa::path(post, path = "/api/v1/device-requests/{id}", tag = "devices",
    params(("id" = i64, Path)), request_body = DecisionBody,
    responses((status = 200, body = DecidedView)))]
pub(super) async fn decide_request(
    State(desk): State<Desk>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<i64>,
    Json(body): Json<DecisionBody>,
) -> Result<Json<DecidedView>> {
    let (registry, now) = (desk.devices.registry().clone(), desk.devices.0.clock.now());
    let write = move |connection: &Connection| {
        let staff = who.staff.as_str();
        let decided = identity::decide(connection, &registry, id, body.grant, staff, now)?;
        if let Some(request) = &decided {
            let verdict = if body.grant { "granted" } else { "refused" };
            let detail = format!("{} {} {verdict}", request.device, request.what);
            note(
                connection,
                staff,
                &address.to_string(),
                "devices.decide",
                &detail,
            )?;
        }
        Ok(decided)
    };
    let decided = desk.devices.0.store.write(write).await?;
    let request = decided.ok_or_else(|| WebError::NotFound(format!("request {id}")))?;
    desk.devices.0.changed.notify_one();
    Ok(Json(DecidedView {
        device: request.device,
    }))
}
