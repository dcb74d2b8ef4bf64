//! Routes of the devices page.

mod detail;
mod file;
mod reports;
mod requests;
mod view;
mod wired;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use rusqlite::Connection;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_drivers::Trouble;
use zhiban_drivers::supervise::Supervisor;
use zhiban_kernel::StoreError;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::roles::Capability;
use zhiban_vocabulary::{CounterId, DeviceId};

use self::view::{AskView, DeviceView, Known, view};
use super::change::Change;
use super::model::{self, Device, NewDevice, new_secret, secret_hash};
use super::parts;
use super::standing::Turn;
use super::{Devices, file as device_file, store};
use crate::conventions::Topics;
use crate::journal;
use crate::routes::with_state;

/// Longest reason a person gives, in characters.
const REASON_CHARS_MAX: usize = 128;

/// Longest name of a device, in characters.
const NAME_CHARS_MAX: usize = 128;

/// What the routes of this slice work with.
#[derive(Debug, Clone)]
struct Desk {
    devices: Devices,
    drivers: Arc<Supervisor>,
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, devices: &Devices, drivers: &Arc<Supervisor>) -> Api {
    let desk = &Desk {
        devices: devices.clone(),
        drivers: Arc::clone(drivers),
    };
    let read = Access::Needs(Capability::DevicesRead);
    let manage = Access::Needs(Capability::DevicesManage);
    api.route(read, with_state(routes!(list_devices), desk))
        .route(manage, with_state(routes!(add_device), desk))
        .route(read, with_state(routes!(detail::read_device), desk))
        .route(manage, with_state(routes!(change_device), desk))
        .route(read, with_state(routes!(reports::read_reports), desk))
        .route(read, with_state(routes!(file::read_file), desk))
        .route(read, with_state(routes!(requests::list_requests), desk))
        .route(manage, with_state(routes!(requests::decide_request), desk))
        .route(read, with_state(routes!(wired::list_drivers), desk))
        .route(manage, with_state(routes!(wired::search), desk))
        .route(manage, with_state(routes!(wired::read_line), desk))
}

#[derive(Debug, Serialize, ToSchema)]
struct DevicesView {
    devices: Vec<DeviceView>,
    /// Kinds of which the hall has more or fewer in use than master data says.
    miscounts: Vec<Miscount>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Miscount {
    kind: &'static str,
    expected: u32,
    found: u32,
}

/// All devices of the hall.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices",
    responses((status = 200, body = DevicesView)))]
async fn list_devices(State(desk): State<Desk>) -> Result<Json<DevicesView>> {
    let devices = &desk.devices;
    let read = |connection: &Connection| {
        let letters = journal::letters_per_device(connection)?;
        Ok((
            store::all(connection)?,
            store::all_seen(connection)?,
            letters,
            device_file::requests(connection)?,
            parts::of_health(connection)?,
        ))
    };
    let (all, mut seen, letters, requests, mut parts) = devices.0.store.read(read).await?;
    let troubles = troubles(&desk.drivers);
    let miscounts = miscounts(&devices.0.registry.expected, &all);
    let view = |device: Device| {
        let key = device.device.to_string();
        let asks = requests.iter().filter(|request| request.device == key);
        let known = Known {
            seen: seen.remove(&key).unwrap_or_default(),
            dead_letters: letters.get(&key).copied().unwrap_or(0),
            asks: asks.map(AskView::of).collect(),
            trouble: troubles.get(&device.device).copied(),
            parts: parts.remove(&key).unwrap_or_default(),
        };
        view(devices, device, known)
    };
    let devices = all.into_iter().map(view).collect();
    Ok(Json(DevicesView { devices, miscounts }))
}

/// Devices in use, held against master data (E-30).
fn miscounts(expected: &BTreeMap<DeviceKind, u32>, all: &[Device]) -> Vec<Miscount> {
    let count = |kind: DeviceKind| {
        let found = all
            .iter()
            .filter(|device| device.kind == kind.as_str() && device.state == model::State::Active);
        u32::try_from(found.count()).unwrap_or(u32::MAX)
    };
    expected
        .iter()
        .map(|(kind, expected)| Miscount {
            kind: kind.as_str(),
            expected: *expected,
            found: count(*kind),
        })
        .filter(|miscount| miscount.expected != miscount.found)
        .collect()
}

/// What keeps drivers from running, by device.
fn troubles(drivers: &Supervisor) -> HashMap<DeviceId, Trouble> {
    let statuses = drivers.statuses().into_iter();
    statuses
        .filter_map(|status| Some((status.device, status.trouble?)))
        .collect()
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDeviceBody {
    device: String,
    /// Of a device that comes in by MQTT or HTTP; a wired one is what its driver says.
    #[serde(default)]
    kind: Option<String>,
    /// Makes it a wired device.
    #[serde(default)]
    driver: Option<String>,
    /// Of a wired device, as its driver's form asks.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    counter: Option<String>,
    /// Topic prefixes of a device that speaks another form (Home Assistant, Tasmota, Sparkplug).
    #[serde(default)]
    topics: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    device: String,
    /// Shown this once.
    secret: Option<String>,
    /// `active`, `suspended` or `retired`, as it is now: a change of it that is open may shut it out.
    state: &'static str,
}

/// Registers a device: one that comes in by MQTT or HTTP gets a secret, a wired one is started.
#[utoipa::path(post, path = "/api/v1/devices", tag = "devices", request_body = NewDeviceBody,
    responses((status = 201, body = SecretView)))]
async fn add_device(
    State(desk): State<Desk>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(body): Json<NewDeviceBody>,
) -> Result<impl IntoResponse> {
    let device: DeviceId = body
        .device
        .parse()
        .map_err(|error| WebError::invalid("device", error))?;
    let wired = wired_body(body.driver.as_deref(), body.settings.as_ref())?;
    let kind = match (&wired, body.kind.as_deref()) {
        (Some((_, _, kind)), _) => *kind,
        (None, Some(kind)) => kind
            .parse()
            .map_err(|error: String| WebError::invalid("kind", error))?,
        (None, None) => return Err(WebError::invalid("kind", "expected a kind or a driver")),
    };
    let counter = parse_counter(body.counter.as_deref())?;
    let topics = parse_topics(&body.topics, wired.is_some())?;
    let name = match body.name.trim() {
        "" => device.to_string(),
        _ => parse_name(body.name)?,
    };
    let id = device.to_string();
    let new = NewDevice {
        device,
        kind,
        name,
        counter,
    };
    let detail = format!("{id} {}", new.kind.as_str());
    let audit = audit(who, address, "devices.add", detail);
    let devices = desk.devices;
    let secret = match wired {
        Some((driver, settings, _)) => {
            devices.add_wired(new, driver, settings, audit).await?;
            None
        }
        None => Some(devices.add_with_topics(new, topics, audit).await?),
    };
    let state = model::State::Active.as_str();
    let made = SecretView {
        device: id,
        secret,
        state,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Name of the driver, its settings as JSON, and what the device is.
type WiredBody = (&'static str, String, DeviceKind);

fn wired_body(driver: Option<&str>, settings: Option<&Value>) -> Result<Option<WiredBody>> {
    let Some(name) = driver else {
        return Ok(None);
    };
    let driver = zhiban_drivers::find(name)
        .ok_or_else(|| WebError::invalid("driver", format!("no driver {name:?}")))?;
    let empty = Value::Object(serde_json::Map::new());
    let settings = wired::with_hook_key(driver, settings.unwrap_or(&empty).clone());
    let table = wired::check_settings(driver, &settings)?;
    let kind = (driver.build)(table.clone()).map_or(DeviceKind::Other, |built| built.device());
    let json = serde_json::to_string(&table).unwrap_or_default();
    Ok(Some((driver.name, json, kind)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeviceChange {
    name: Option<String>,
    /// `null` takes the device away from its counter; absent leaves it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    counter: Option<Option<String>>,
    /// `active`, `suspended` or `retired`; a device whose change waits for a decision does not
    /// become active by this.
    state: Option<String>,
    /// Why it is suspended or retired, for its file.
    reason: Option<String>,
    #[serde(default)]
    new_secret: bool,
    /// Of a wired device; a secret that is left out stays.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Topic prefixes of a device that speaks another form; an empty list takes them away.
    #[serde(default)]
    topics: Option<Vec<String>>,
}

/// Tells "null" from "absent".
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes or retires a device, or gives it a new secret. A device of `gateway.toml` is changed
/// there.
#[utoipa::path(post, path = "/api/v1/devices/{device}", tag = "devices",
    request_body = DeviceChange, params(("device" = String, Path)),
    responses((status = 200, body = SecretView)))]
async fn change_device(
    State(desk): State<Desk>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<String>,
    Json(body): Json<DeviceChange>,
) -> Result<Json<SecretView>> {
    let devices = desk.devices;
    let key = id.clone();
    let found = devices
        .0
        .store
        .read(move |c| Ok(store::find(c, &key)?))
        .await?;
    let device = found.ok_or_else(|| WebError::NotFound(format!("device {id}")))?;
    if device.from_file {
        let text = "this device is changed in gateway.toml";
        return Err(WebError::Conflict(text.into()).because("owned-by-file", json!({})));
    }
    if body.new_secret && device.is_wired() {
        return Err(WebError::invalid("new_secret", "a wired device has none"));
    }
    let settings = body
        .settings
        .map(|settings| new_settings(&device, settings))
        .transpose()?;
    let secret = body.new_secret.then(new_secret);
    let change = Change {
        name: body.name.map(parse_name).transpose()?,
        counter: match body.counter {
            Some(counter) => Some(parse_counter(counter.as_deref())?),
            None => None,
        },
        turn: body
            .state
            .map(|state| parse_turn(&state, body.reason.as_deref()))
            .transpose()?,
        secret_hash: secret.as_deref().map(secret_hash),
        settings,
        topics: body
            .topics
            .map(|topics| parse_topics(&topics, device.is_wired()))
            .transpose()?,
    };
    let by = who.staff.to_string();
    let audit = audit(who, address, "devices.change", change.summary(&id));
    devices.change(id.clone(), change, by, audit).await?;
    let key = id.clone();
    let changed = devices.0.store.read(move |c| Ok(store::find(c, &key)?));
    let state = changed.await?.map_or(device.state, |device| device.state);
    Ok(Json(SecretView {
        device: id,
        secret,
        state: state.as_str(),
    }))
}

/// What people call a device.
fn parse_name(name: String) -> Result<String> {
    if name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    let problem = format!("expected at most {NAME_CHARS_MAX} plain characters");
    let facts = json!({ "max": NAME_CHARS_MAX });
    Err(WebError::invalid("name", problem).because("text-length", facts))
}

fn parse_turn(state: &str, reason: Option<&str>) -> Result<Turn> {
    let wrong = || {
        let problem = format!("expected active, suspended or retired, found {state:?}");
        WebError::invalid("state", problem)
    };
    Ok(Turn {
        state: model::State::parse(state).ok_or_else(wrong)?,
        why: parse_reason(reason)?,
    })
}

/// A short text for the file of a device; nothing but blanks is none.
fn parse_reason(text: Option<&str>) -> Result<Option<String>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let is_bad =
        |text: &str| text.chars().count() > REASON_CHARS_MAX || text.chars().any(char::is_control);
    if text.is_some_and(is_bad) {
        let problem = format!("expected at most {REASON_CHARS_MAX} plain characters");
        let facts = json!({ "max": REASON_CHARS_MAX });
        return Err(WebError::invalid("reason", problem).because("reason-length", facts));
    }
    Ok(text.map(str::to_owned))
}

/// JSON of a wired device's new settings, checked.
fn new_settings(device: &Device, settings: Value) -> Result<String> {
    let not_wired = || WebError::invalid("settings", "only a wired device has settings");
    let driver = zhiban_drivers::find(&device.driver).ok_or_else(not_wired)?;
    let old = device.settings.as_deref().unwrap_or("{}");
    let whole = wired::with_old_secrets(driver, settings, old);
    let whole = wired::with_hook_key(driver, whole);
    let table = wired::check_settings(driver, &whole)?;
    Ok(serde_json::to_string(&table).unwrap_or_default())
}

/// Writes the line of the audit log, in the transaction of what it tells of.
fn audit(
    who: SignedIn,
    address: std::net::IpAddr,
    action: &'static str,
    detail: String,
) -> impl FnOnce(&Connection) -> std::result::Result<(), StoreError> + Send + 'static {
    move |connection| {
        let (staff, from) = (who.staff.as_str(), address.to_string());
        note(connection, staff, &from, action, &detail)
    }
}

fn parse_topics(given: &[String], is_wired: bool) -> Result<Topics> {
    if is_wired && !given.is_empty() {
        return Err(WebError::invalid("topics", "a wired device has none"));
    }
    Topics::check(given).map_err(|problem| {
        let facts = json!({ "prefix": problem.prefix });
        let reason = problem.reason;
        WebError::invalid("topics", problem).because(reason, facts)
    })
}

fn parse_counter(text: Option<&str>) -> Result<Option<CounterId>> {
    let text = text.filter(|text| !text.is_empty());
    text.map(str::parse)
        .transpose()
        .map_err(|error| WebError::invalid("counter", error))
}
