//! Routes of the changes that wait for a person.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Peer, Result, WebError};

use super::{Desk, parse_reason};
use crate::devices::file::Request;
use crate::devices::identity::{self, Verdict};
use crate::devices::model::PartChange;
use crate::devices::{file, store};

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
    /// What would be another than before. Of a clash: the number two devices have.
    changes: Vec<PartChange>,
    /// Of a clash: the device that had the number first.
    owner: Option<String>,
    /// Of a third model: those the hall has.
    models: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
}

/// Changes that wait for a person, oldest first (S0-2.5-3).
#[utoipa::path(get, path = "/api/v1/device-requests", tag = "devices",
    responses((status = 200, body = RequestsView)))]
pub(super) async fn list_requests(State(desk): State<Desk>) -> Result<Json<RequestsView>> {
    let read = |connection: &Connection| {
        let mut views = Vec::new();
        for request in file::requests(connection)? {
            views.extend(view(connection, request)?);
        }
        Ok(views)
    };
    let requests = desk.devices.0.store.read(read).await?;
    Ok(Json(RequestsView { requests }))
}

fn view(connection: &Connection, request: file::Request) -> rusqlite::Result<Option<RequestView>> {
    let Some(known) = store::find(connection, &request.device)? else {
        return Ok(None);
    };
    let is_third = request.what == "third-model";
    let models = match is_third {
        true => store::kiosk_models(connection, &request.device)?,
        false => Vec::new(),
    };
    let is_clash = request.what == "serial-clash";
    Ok(Some(RequestView {
        id: request.id,
        changes: identity::changes_of(&request, &known),
        owner: is_clash.then(|| request.before.clone()),
        models,
        device: request.device,
        what: request.what,
        asked: request.asked,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionBody {
    grant: bool,
    /// For a refusal: kept in the device's file, and told to the device.
    #[serde(default)]
    reason: Option<String>,
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
    let verdict = Verdict {
        granted: body.grant,
        reason: parse_reason(body.reason.as_deref())?,
    };
    let staff = who.staff.to_string();
    let word = if verdict.granted {
        "granted"
    } else {
        "refused"
    };
    let audit = move |connection: &Connection, request: &Request| {
        let detail = format!("{} {} {word}", request.device, request.what);
        let (staff, from) = (who.staff.as_str(), address.to_string());
        note(connection, staff, &from, "devices.decide", &detail)
    };
    let decided = desk.devices.decide(id, verdict, staff, audit).await?;
    let request = decided.ok_or_else(|| WebError::NotFound(format!("request {id}")))?;
    Ok(Json(DecidedView {
        device: request.device,
    }))
}
