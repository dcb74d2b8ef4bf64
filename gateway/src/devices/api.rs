//! Routes of the devices page.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::roles::Capability;

use super::model::{Device, NewDevice, new_secret, secret_hash};
use super::{Devices, store};
use crate::journal::{self, RawReport};
use crate::routes::with_state;

/// Adds the routes of this slice.
pub fn add_routes(api: Api, devices: &Devices) -> Api {
    let read = Access::Needs(Capability::DevicesRead);
    let manage = Access::Needs(Capability::DevicesManage);
    api.route(read, with_state(routes!(list_devices), devices))
        .route(manage, with_state(routes!(add_device), devices))
        .route(manage, with_state(routes!(change_device), devices))
        .route(read, with_state(routes!(read_reports), devices))
}

#[derive(Debug, Serialize, ToSchema)]
struct DevicesView {
    devices: Vec<DeviceView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DeviceView {
    device: String,
    kind: String,
    name: String,
    counter: Option<String>,
    driver: String,
    /// `active` or `retired`
    state: &'static str,
    /// `null` for wired devices, whose health says it.
    connected: Option<bool>,
    address: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_report: Option<Timestamp>,
    reports: i64,
    dead_letters: i64,
    /// Its clock cannot be right.
    clock_suspect: bool,
    health: HealthView,
}

#[derive(Debug, Serialize, ToSchema)]
struct HealthView {
    /// `up`, `degraded`, `down` or `unknown`
    status: String,
    detail: String,
}

/// All devices of the hall.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices",
    responses((status = 200, body = DevicesView)))]
async fn list_devices(State(devices): State<Devices>) -> Result<Json<DevicesView>> {
    let read = |connection: &Connection| {
        let letters = journal::letters_per_device(connection)?;
        Ok((
            store::all(connection)?,
            store::all_seen(connection)?,
            letters,
        ))
    };
    let (all, mut seen, letters) = devices.0.store.read(read).await?;
    let view = |device: Device| {
        let key = device.device.to_string();
        let letters = letters.get(&key).copied().unwrap_or(0);
        view(
            &devices,
            device,
            seen.remove(&key).unwrap_or_default(),
            letters,
        )
    };
    Ok(Json(DevicesView {
        devices: all.into_iter().map(view).collect(),
    }))
}

fn view(devices: &Devices, device: Device, seen: store::SeenRow, dead_letters: i64) -> DeviceView {
    let address = devices.address_of(&device.device);
    DeviceView {
        connected: (!device.is_wired()).then_some(address.is_some()),
        address: address.map(|address| address.to_string()),
        state: if device.active { "active" } else { "retired" },
        device: device.device.to_string(),
        kind: device.kind,
        name: device.name,
        counter: device.counter.map(|counter| counter.to_string()),
        driver: device.driver,
        last_report: seen.last_report,
        reports: seen.reports,
        dead_letters,
        clock_suspect: seen.clock_suspect,
        health: HealthView {
            status: seen.health.unwrap_or_else(|| "unknown".into()),
            detail: seen.health_detail.unwrap_or_default(),
        },
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDeviceBody {
    device: String,
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    counter: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    device: String,
    /// Shown this once.
    secret: Option<String>,
}

/// Registers a device that comes in by MQTT or HTTP.
#[utoipa::path(post, path = "/api/v1/devices", tag = "devices", request_body = NewDeviceBody,
    responses((status = 201, body = SecretView)))]
async fn add_device(
    State(devices): State<Devices>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(body): Json<NewDeviceBody>,
) -> Result<impl IntoResponse> {
    let device: zhiban_vocabulary::DeviceId = body
        .device
        .parse()
        .map_err(|error| WebError::invalid("device", error))?;
    let kind = body
        .kind
        .parse()
        .map_err(|error: String| WebError::invalid("kind", error))?;
    let counter = parse_counter(body.counter.as_deref())?;
    let name = if body.name.trim().is_empty() {
        device.to_string()
    } else {
        body.name
    };
    let id = device.to_string();
    let new = NewDevice {
        device,
        kind,
        name,
        counter,
    };
    let detail = format!("{id} {}", new.kind.as_str());
    let secret = devices
        .add(new, audit(who, address, "devices.add", detail))
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(SecretView {
            device: id,
            secret: Some(secret),
        }),
    ))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeviceChange {
    name: Option<String>,
    /// `null` takes the device away from its counter; absent leaves it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    counter: Option<Option<String>>,
    /// `active` or `retired`
    state: Option<String>,
    #[serde(default)]
    new_secret: bool,
}

/// Tells "null" from "absent".
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes or retires a device, or gives it a new secret. What wires say is in `gateway.toml`.
#[utoipa::path(post, path = "/api/v1/devices/{device}", tag = "devices",
    request_body = DeviceChange, params(("device" = String, Path)),
    responses((status = 200, body = SecretView)))]
async fn change_device(
    State(devices): State<Devices>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<String>,
    Json(body): Json<DeviceChange>,
) -> Result<Json<SecretView>> {
    let key = id.clone();
    let found = devices
        .0
        .store
        .read(move |c| Ok(store::find(c, &key)?))
        .await?;
    let device = found.ok_or_else(|| WebError::NotFound(format!("device {id}")))?;
    if device.is_wired() {
        return Err(WebError::Conflict(
            "wired devices are changed in gateway.toml".into(),
        ));
    }
    let secret = body.new_secret.then(new_secret);
    let change = store::Change {
        name: body.name,
        counter: match body.counter {
            Some(counter) => Some(parse_counter(counter.as_deref())?),
            None => None,
        },
        active: match body.state.as_deref() {
            None => None,
            Some("active") => Some(true),
            Some("retired") => Some(false),
            Some(other) => {
                let problem = format!("expected active or retired, found {other:?}");
                return Err(WebError::invalid("state", problem));
            }
        },
        secret_hash: secret.as_deref().map(secret_hash),
    };
    let audit = audit(who, address, "devices.change", change.summary(&id));
    devices.change(id.clone(), change, audit).await?;
    Ok(Json(SecretView { device: id, secret }))
}

/// Writes the line of the audit log, in the transaction of what it tells of.
fn audit(
    who: SignedIn,
    address: std::net::IpAddr,
    action: &'static str,
    detail: String,
) -> impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static {
    move |connection| {
        let (staff, from) = (who.staff.as_str(), address.to_string());
        note(connection, staff, &from, action, &detail)
    }
}

fn parse_counter(text: Option<&str>) -> Result<Option<CounterId>> {
    let text = text.filter(|text| !text.is_empty());
    text.map(str::parse)
        .transpose()
        .map_err(|error| WebError::invalid("counter", error))
}

#[derive(Deserialize, IntoParams)]
struct ReportPage {
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ReportsView {
    reports: Vec<ReportView>,
}

/// One report of a device.
#[derive(Debug, Serialize, ToSchema)]
struct ReportView {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    received: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    kind: String,
    boot: Option<String>,
    seq: Option<u64>,
    /// `ok`, `late` or `suspect`
    clock: &'static str,
    #[schema(value_type = Object)]
    payload: Value,
}

impl From<RawReport> for ReportView {
    fn from(report: RawReport) -> Self {
        Self {
            id: report.id,
            received: report.received,
            time: report.time,
            kind: report.kind,
            boot: report.boot,
            seq: report.seq,
            clock: report.clock.as_str(),
            payload: serde_json::from_slice(&report.payload).unwrap_or(Value::Null),
        }
    }
}

/// What a device reported, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{device}/reports", tag = "devices",
    params(("device" = String, Path), ReportPage), responses((status = 200, body = ReportsView)))]
async fn read_reports(
    State(devices): State<Devices>,
    Path(device): Path<String>,
    Query(page): Query<ReportPage>,
) -> Result<Json<ReportsView>> {
    let read = move |connection: &Connection| {
        let before = page.before.unwrap_or(i64::MAX);
        let limit = page.limit.unwrap_or(50).min(500);
        Ok(journal::reports_of_device(
            connection, &device, before, limit,
        )?)
    };
    let reports = devices.0.store.read(read).await?;
    Ok(Json(ReportsView {
        reports: reports.into_iter().map(ReportView::from).collect(),
    }))
}
