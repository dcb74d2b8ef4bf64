//! Routes: open the window, see who asks, let in or refuse.

use axum::extract::{Path, State as Given};
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::StoreError;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_vocabulary::roles::Capability;
use zhiban_vocabulary::{CounterId, DeviceId};

use super::store::{self, Claim, Decision, State, Tried, WRONG_CODES_MAX};
use super::{Ask, Joining};
use crate::devices::{Joined, NewDevice, file};
use crate::routes::with_state;

/// Longest reason of a refusal, in characters.
const REASON_CHARS_MAX: usize = 128;

/// Adds the routes of this slice.
pub fn add_routes(api: Api, joining: &Joining) -> Api {
    let manage = Access::Needs(Capability::DevicesManage);
    api.route(manage, with_state(routes!(read_joining), joining))
        .route(manage, with_state(routes!(set_window), joining))
        .route(manage, with_state(routes!(decide), joining))
        .route(Access::Public, with_state(routes!(read_authority), joining))
}

#[derive(Debug, Serialize, ToSchema)]
struct JoiningView {
    /// `null` while no device may ask.
    window: Option<WindowView>,
    claims: Vec<ClaimView>,
    /// SHA-256 of the certificate of the hall's authority, 64 hexadecimal digits: what a device
    /// that speaks TLS should find at the door.
    fingerprint: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct WindowView {
    /// What a device asks with: user `provision`, this as password.
    key: String,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// A device that asks to join.
#[derive(Debug, Serialize, ToSchema)]
struct ClaimView {
    id: i64,
    serial: String,
    kind: String,
    /// The id it would like, or one made of its serial number.
    wished: String,
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    mac: Option<String>,
    address: String,
    /// Its serial number is known to the hall: a second box, or the same one set up anew.
    clash: bool,
    /// The device that has this serial number; `null` when only another request has it.
    owner: Option<String>,
    /// Models of kiosk the hall has, when this one is one too many (S0-2.5-3a): once let in it is
    /// shut out until its model is approved.
    other_models: Option<Vec<String>>,
    tries_left: u32,
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
}

impl ClaimView {
    fn of(
        connection: &Connection,
        joining: &Joining,
        claim: Claim,
    ) -> rusqlite::Result<Option<Self>> {
        let Ok(said) = serde_json::from_str::<Said>(&claim.said) else {
            return Ok(None);
        };
        let other_models = match (said.kind.as_str(), &said.model) {
            ("kiosk", Some(model)) => joining.0.devices.too_many_models(connection, model)?,
            _ => None,
        };
        Ok(Some(Self {
            owner: file::owner_of(connection, &claim.serial)?,
            other_models,
            tries_left: WRONG_CODES_MAX.saturating_sub(claim.wrong_codes),
            id: claim.id,
            wished: wished_id(said.id.as_deref(), &said.kind, &claim.serial),
            serial: claim.serial,
            kind: said.kind,
            vendor: said.vendor,
            model: said.model,
            firmware: said.firmware,
            mac: said.mac,
            address: claim.address,
            clash: claim.state == State::Clash,
            asked: claim.asked,
        }))
    }
}

/// What was kept of [`Ask`].
#[derive(Deserialize)]
struct Said {
    kind: String,
    id: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    hardware: Option<String>,
    mac: Option<String>,
}

fn wished_id(id: Option<&str>, kind: &str, serial: &str) -> String {
    if let Some(id) = id.filter(|id| id.parse::<DeviceId>().is_ok()) {
        return id.to_owned();
    }
    let tail: String = serial
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let tail = &tail[tail.len().saturating_sub(6)..];
    format!("{kind}-{tail}")
}

/// The window for new devices, and who asks.
#[utoipa::path(get, path = "/api/v1/joining", tag = "joining",
    responses((status = 200, body = JoiningView)))]
async fn read_joining(Given(joining): Given<Joining>) -> Result<Json<JoiningView>> {
    let (asked, now) = (joining.clone(), joining.0.clock.now());
    let read = move |connection: &Connection| {
        let mut claims = Vec::new();
        for claim in store::waiting(connection, now)? {
            claims.extend(ClaimView::of(connection, &asked, claim)?);
        }
        Ok(claims)
    };
    let claims = joining.0.store.read(read).await?;
    Ok(Json(JoiningView {
        window: window_view(&joining),
        claims,
        fingerprint: joining.authority().fingerprint(),
    }))
}

/// The certificate of the hall's authority (PEM), which signs the hall's doors and devices. No
/// secret: a device must have it before it can trust the door.
#[utoipa::path(get, path = "/api/v1/joining/authority.pem", tag = "joining",
    responses((status = 200, body = String, content_type = "application/x-pem-file")))]
async fn read_authority(Given(joining): Given<Joining>) -> impl IntoResponse {
    let pem = joining.authority().pem().to_owned();
    ([(header::CONTENT_TYPE, "application/x-pem-file")], pem)
}

fn window_view(joining: &Joining) -> Option<WindowView> {
    let now = joining.0.clock.now();
    let window = joining.window().clone()?;
    (window.until > now).then(|| WindowView {
        key: window.shown_key(),
        until: window.until,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WindowBody {
    open: bool,
}

/// Opens the window for ten minutes with a new key, or closes it.
#[utoipa::path(post, path = "/api/v1/joining/window", tag = "joining", request_body = WindowBody,
    responses((status = 200, body = Option<WindowView>)))]
async fn set_window(
    Given(joining): Given<Joining>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(body): Json<WindowBody>,
) -> Result<Json<Option<WindowView>>> {
    let detail = if body.open { "open" } else { "closed" };
    let audit = move |connection: &Connection| {
        let (staff, from) = (who.staff.as_str(), address.to_string());
        note(connection, staff, &from, "joining.window", detail)
    };
    joining.0.store.write(audit).await?;
    if body.open {
        let _ = joining.open_window();
    } else {
        joining.close_window();
    }
    Ok(Json(window_view(&joining)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideBody {
    approve: bool,
    /// The code the device shows; for approval.
    #[serde(default)]
    code: String,
    /// The id it gets; for approval.
    #[serde(default)]
    device: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    counter: Option<String>,
    /// For a serial number that is known: this box is the new one, the other is shut out.
    #[serde(default)]
    replace: bool,
    /// For a refusal.
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedClaim {
    /// `approved` or `refused`
    state: &'static str,
    pub(super) device: Option<String>,
}

#[cfg(test)]
impl DecideBody {
    pub(super) fn approval(device: &str, code: &str, replace: bool) -> Self {
        Self {
            approve: true,
            code: code.into(),
            device: device.into(),
            name: String::new(),
            counter: None,
            replace,
            reason: String::new(),
        }
    }
}

/// Lets a device in, by the code it shows, or refuses it.
#[utoipa::path(post, path = "/api/v1/joining/claims/{id}", tag = "joining",
    params(("id" = i64, Path)), request_body = DecideBody,
    responses((status = 200, body = DecidedClaim)))]
async fn decide(
    Given(joining): Given<Joining>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<i64>,
    Json(body): Json<DecideBody>,
) -> Result<Json<DecidedClaim>> {
    let read = move |connection: &Connection| Ok(store::find(connection, id)?);
    let claim = joining.0.store.read(read).await?;
    let waits = |claim: &Claim| matches!(claim.state, State::Pending | State::Clash);
    let claim = claim
        .filter(waits)
        .ok_or_else(|| WebError::NotFound(format!("request {id}")))?;
    let from = (who.staff.to_string(), address.to_string());
    let decided = if body.approve {
        approve(&joining, claim, body, from).await?
    } else {
        refuse(&joining, claim, &body.reason, from).await?
    };
    Ok(Json(decided))
}

pub(super) async fn refuse(
    joining: &Joining,
    claim: Claim,
    reason: &str,
    (staff, address): (String, String),
) -> Result<DecidedClaim> {
    let (now, reason) = (joining.0.clock.now(), reason.trim().to_owned());
    let is_bad = reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control);
    if is_bad {
        let problem = format!("expected at most {REASON_CHARS_MAX} plain characters");
        let facts = json!({ "max": REASON_CHARS_MAX });
        return Err(WebError::invalid("reason", problem).because("reason-length", facts));
    }
    let wished = serde_json::from_str::<Said>(&claim.said)
        .map(|said| wished_id(said.id.as_deref(), &said.kind, &claim.serial));
    let write = move |connection: &Connection| {
        let decision = Decision {
            state: State::Refused,
            device: None,
            reason: Some(&reason),
            who: &staff,
        };
        store::decide(connection, claim.id, decision, now)?;
        // It has no file yet: that of the device it would be, or claims to be.
        let owner = file::owner_of(connection, &claim.serial)?;
        if let Some(device) = owner.or(wished.ok()) {
            let facts = json!({
                "serial": claim.serial, "address": claim.address, "reason": decision.reason,
            });
            let facts = facts.to_string();
            file::write(connection, &device, "join-refused", &facts, &staff, now)?;
        }
        let detail = format!("serial {}", claim.serial);
        note(connection, &staff, &address, "joining.refuse", &detail)
    };
    joining.0.store.write(write).await?;
    joining.0.devices.look_again();
    Ok(DecidedClaim {
        state: "refused",
        device: None,
    })
}

pub(super) async fn approve(
    joining: &Joining,
    claim: Claim,
    body: DecideBody,
    (staff, address): (String, String),
) -> Result<DecidedClaim> {
    check_code(joining, &claim, &body.code).await?;
    if claim.state == State::Clash && !body.replace {
        let problem = "this serial number is known: expected replace = true";
        let facts = json!({ "serial": claim.serial });
        return Err(WebError::invalid("replace", problem).because("serial-known", facts));
    }
    let joined = joined(&claim, &body)?;
    let device = joined.new.device.to_string();
    write_approval(joining, claim, joined, (staff, address)).await?;
    Ok(DecidedClaim {
        state: "approved",
        device: Some(device),
    })
}

async fn write_approval(
    joining: &Joining,
    claim: Claim,
    joined: Joined,
    (staff, address): (String, String),
) -> std::result::Result<(), StoreError> {
    let (registry, now) = (joining.0.devices.registry().clone(), joining.0.clock.now());
    let write = move |connection: &Connection| -> std::result::Result<(), StoreError> {
        crate::devices::join(connection, &registry, &joined, &staff, now)?;
        let id = joined.new.device.as_str();
        let decision = Decision {
            state: State::Approved,
            device: Some(id),
            reason: Some("the credential was not fetched in time"),
            who: &staff,
        };
        store::decide(connection, claim.id, decision, now)?;
        store::end_others(connection, &claim, id)?;
        let detail = format!("{id} serial {}", claim.serial);
        note(connection, &staff, &address, "joining.approve", &detail)
    };
    joining.0.store.write(write).await?;
    joining.0.devices.look_again();
    Ok(())
}

/// Lets a device in under the id it would like, asking nobody.
pub(super) async fn admit(
    joining: &Joining,
    claim: Claim,
) -> std::result::Result<DeviceId, StoreError> {
    let refused = |error: &dyn std::fmt::Display| StoreError::Refused(error.to_string());
    let said: Said = serde_json::from_str(&claim.said).map_err(|error| refused(&error))?;
    let body = DecideBody {
        approve: true,
        device: wished_id(said.id.as_deref(), &said.kind, &claim.serial),
        replace: true,
        code: String::new(),
        name: String::new(),
        counter: None,
        reason: String::new(),
    };
    let joined = joined(&claim, &body).map_err(|error| refused(&error))?;
    let device = joined.new.device.clone();
    let who = ("hall".to_owned(), "local".to_owned());
    write_approval(joining, claim, joined, who).await?;
    Ok(device)
}

fn joined(claim: &Claim, body: &DecideBody) -> Result<Joined> {
    let said: Said =
        serde_json::from_str(&claim.said).map_err(|error| WebError::Conflict(error.to_string()))?;
    let device: DeviceId = body
        .device
        .trim()
        .parse()
        .map_err(|error| WebError::invalid("device", error))?;
    let kind = said
        .kind
        .parse()
        .map_err(|error: String| WebError::invalid("kind", error))?;
    let counter = body.counter.as_deref().filter(|text| !text.is_empty());
    let counter: Option<CounterId> = counter
        .map(str::parse)
        .transpose()
        .map_err(|error| WebError::invalid("counter", error))?;
    let name = match body.name.trim() {
        "" => device.to_string(),
        name => name.to_owned(),
    };
    let ask = Ask {
        serial: claim.serial.clone(),
        token: String::new(),
        kind,
        id: None,
        vendor: said.vendor,
        model: said.model,
        firmware: said.firmware,
        hardware: said.hardware,
        mac: said.mac,
        csr: None,
    };
    Ok(Joined {
        identity: ask.identity(),
        new: NewDevice {
            device,
            kind,
            name,
            counter,
        },
        replaces: body.replace,
    })
}

/// The person stands before the device: that is what the code proves.
async fn check_code(joining: &Joining, claim: &Claim, code: &str) -> Result<()> {
    let typed: String = code.chars().filter(char::is_ascii_digit).collect();
    let (id, now) = (claim.id, joining.0.clock.now());
    let write = move |connection: &Connection| store::try_code(connection, id, &typed, now);
    match joining.0.store.write(write).await? {
        Tried::Right => Ok(()),
        Tried::Over => Err(WebError::NotFound(format!("request {id}"))),
        Tried::Wrong(left) => {
            let problem = format!("not the code this device shows; {left} more tries");
            let facts = json!({ "tries_left": left });
            Err(WebError::invalid("code", problem).because("code-wrong", facts))
        }
    }
}
