//! The first steps on a new box: a list that fills itself, and the few things it asks a person.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_config::GatewayConfig;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError, page_address};
use zhiban_kernel::{StoreError, doctor};
use zhiban_vocabulary::device::Severity;
use zhiban_vocabulary::roles::Capability;

use super::UpkeepState;
use super::settings::{self, HallSettings};
use crate::devices::{self, HALL};
use crate::documents;
use crate::joining;
use crate::journal::{Door, Submission};
use crate::routes::with_state;

/// The steps in the order they are shown. All but the first can be confirmed as they are.
const STEPS: [&str; 8] = [
    "password", "hall", "network", "clock", "devices", "centre", "backup", "alarm",
];

/// Adds the routes.
pub(super) fn add_routes(api: Api, state: &UpkeepState) -> Api {
    let read = Access::Needs(Capability::BoxRead);
    let manage = Access::Needs(Capability::BoxManage);
    api.route(read, with_state(routes!(read_steps), state))
        .route(manage, with_state(routes!(confirm), state))
        .route(manage, with_state(routes!(set_hall), state))
        .route(manage, with_state(routes!(test_alarm), state))
        .route(manage, with_state(routes!(restart), state))
}

/// The list, and what its lines say.
#[derive(Debug, Serialize, ToSchema)]
struct FirstSteps {
    /// Nothing is open.
    done: bool,
    steps: Vec<Step>,
    hall: HallSettings,
    /// Name and hours are the centre's; this hall may propose (P-01).
    hall_is_masters: bool,
    /// Settings wait for the next start of the program.
    restart_needed: bool,
    /// There is somebody who starts the program again: systemd.
    can_restart: bool,
    /// Where the panel is opened from other computers, or from the box alone.
    page: String,
    /// Whether a time server is followed; `null` where that cannot be told.
    clock_synchronized: Option<bool>,
    devices: u32,
    waiting: u32,
    /// `null` in a hall that stands alone.
    centre_connected: Option<bool>,
    backup_folder: String,
    /// The backups are on the disk of the data.
    backup_same_disk: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    backup_last: Option<Timestamp>,
    backup_problem: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    alarm_tested: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Step {
    /// `password`, `hall`, `network`, `clock`, `devices`, `centre`, `backup` or `alarm`
    step: &'static str,
    /// It is so, by what the box sees.
    done: bool,
    /// A person said that it is as it should be.
    confirmed: bool,
}

/// What the database knows of the steps.
struct Known {
    hall: Option<HallSettings>,
    /// Master data of the centre hold; the panel's are a draft.
    has_master: bool,
    tested: Option<Timestamp>,
    confirmed: Vec<String>,
    devices: u32,
    waiting: u32,
}

fn known(
    connection: &Connection,
    config: &GatewayConfig,
    now: Timestamp,
) -> std::result::Result<Known, StoreError> {
    Ok(Known {
        hall: settings::in_force(connection, config)?,
        has_master: documents::master(connection, &config.hall.store)?.is_some(),
        tested: settings::alarm_tested(connection)?,
        confirmed: settings::confirmed(connection)?,
        devices: devices::count_in_use(connection)?,
        waiting: joining::count_waiting(connection, now)?,
    })
}

/// The first steps, filled in as far as the box sees them.
#[utoipa::path(get, path = "/api/v1/first-steps", tag = "box", responses((status = 200, body = FirstSteps)))]
async fn read_steps(State(state): State<UpkeepState>) -> Result<Json<FirstSteps>> {
    let now = state.journal.clock().now();
    let config = Arc::clone(&state.config);
    let read = move |connection: &Connection| known(connection, &config, now);
    let known = state.journal.store().read(read).await?;
    Ok(Json(view(&state, known)))
}

fn view(state: &UpkeepState, known: Known) -> FirstSteps {
    let nightly = state
        .nightly
        .as_ref()
        .map(|nightly| nightly.borrow().clone());
    let nightly = nightly.unwrap_or_default();
    let in_force = HallSettings::of(&state.config);
    let web = &state.config.web;
    let listen = web.tls.as_ref().map_or(web.listen, |tls| tls.listen);
    let uplink = state.line.state.borrow().clone();
    let centre_connected = uplink.enrolled.then_some(uplink.connected);
    let backup_same_disk = doctor::is_same_disk(&state.config.hall.data, &state.backup_folder);
    let clock_synchronized = clock_synchronized();
    let is_done = |step: &str| match step {
        "hall" => known.hall.is_some(),
        "network" => !listen.ip().is_loopback(),
        "clock" => clock_synchronized == Some(true),
        "devices" => known.devices > 0 && known.waiting == 0,
        "centre" => centre_connected == Some(true),
        "backup" => nightly.last.is_some() && nightly.problem.is_none() && !backup_same_disk,
        "alarm" => known.tested.is_some(),
        // Whoever reads this has signed in.
        _ => true,
    };
    let step = |step| Step {
        step,
        done: is_done(step),
        confirmed: known.confirmed.iter().any(|one| one == step),
    };
    let steps: Vec<_> = STEPS.into_iter().map(step).collect();
    FirstSteps {
        done: steps.iter().all(|step| step.done || step.confirmed),
        steps,
        restart_needed: known.hall.as_ref().is_some_and(|hall| *hall != in_force),
        hall: known.hall.unwrap_or(in_force),
        hall_is_masters: known.has_master,
        can_restart: can_restart(),
        page: page_address(web.listen, web.tls.as_ref().map(|tls| tls.listen)),
        clock_synchronized,
        devices: known.devices,
        waiting: known.waiting,
        centre_connected,
        backup_folder: state.backup_folder.display().to_string(),
        backup_same_disk,
        backup_last: nightly.last,
        backup_problem: nightly.problem,
        alarm_tested: known.tested,
    }
}

/// What systemd-timesyncd leaves behind once it follows a server; another daemon cannot be told.
fn clock_synchronized() -> Option<bool> {
    let folder = Path::new("/run/systemd/timesync");
    folder
        .exists()
        .then(|| folder.join("synchronized").exists())
}

fn can_restart() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    step: String,
}

/// Says that a step is as it should be.
#[utoipa::path(post, path = "/api/v1/first-steps/confirm", tag = "box", request_body = Confirmation,
    responses((status = 204), (status = 422)))]
async fn confirm(
    State(state): State<UpkeepState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(Confirmation { step }): Json<Confirmation>,
) -> Result<StatusCode> {
    if !STEPS[1..].contains(&step.as_str()) {
        let expected = format!("expected one of {}", STEPS[1..].join(", "));
        return Err(WebError::Invalid {
            field: "step",
            problem: expected,
        });
    }
    let now = state.journal.clock().now();
    let work = move |connection: &Connection| {
        settings::confirm(connection, &step, who.staff.as_str(), now)?;
        let from = address.to_string();
        note(connection, who.staff.as_str(), &from, "box.confirm", &step)
    };
    state.journal.store().write(work).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Settles name and opening hours of the hall; they take hold when the program starts again.
#[utoipa::path(put, path = "/api/v1/first-steps/hall", tag = "box", request_body = HallSettings,
    responses((status = 204), (status = 422)))]
async fn set_hall(
    State(state): State<UpkeepState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(mut hall): Json<HallSettings>,
) -> Result<StatusCode> {
    hall.name = hall.name.trim().to_owned();
    if let Some((field, expected)) = hall.problem(&state.config) {
        return Err(WebError::Invalid {
            field,
            problem: expected,
        });
    }
    let now = state.journal.clock().now();
    let (id, from) = (state.config.hall.store.clone(), address.to_string());
    let work = move |connection: &Connection| {
        let staff = who.staff.as_str();
        let told = format!("{} {}–{}", hall.name, hall.opens, hall.closes);
        if documents::master(connection, &id)?.is_some() {
            note(connection, staff, &from, "box.hall-refused", &told)?;
            return Ok(false);
        }
        settings::set_hall(connection, &hall, staff, now)?;
        note(connection, staff, &from, "box.hall", &told)?;
        // The draft counts here until the centre's master data come. More proposals than the
        // centre reads need not keep anybody from setting up a hall.
        match documents::propose(connection, hall.fields(), None, staff, now) {
            Err(StoreError::RefusedBecause { .. }) | Ok(()) => Ok(true),
            Err(error) => Err(error),
        }
    };
    match state.journal.store().write(work).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(is_masters()),
    }
}

/// P-01: a hall does not change its own master data.
fn is_masters() -> WebError {
    let why = "name and hours are master data of the centre: propose the change";
    WebError::Conflict(why.into()).because("masters-are-the-centres", json!({}))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestAlarm {
    /// False ends it.
    raised: bool,
}

/// Raises an alarm of the hall that means nothing, the way all alarms go, or ends it.
#[utoipa::path(post, path = "/api/v1/first-steps/test-alarm", tag = "box", request_body = TestAlarm,
    responses((status = 204)))]
async fn test_alarm(
    State(state): State<UpkeepState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(TestAlarm { raised }): Json<TestAlarm>,
) -> Result<StatusCode> {
    let severity = if raised {
        Severity::Warning
    } else {
        Severity::Cleared
    };
    let alarm =
        json!({ "alarm": "test", "severity": severity, "text": "a person tests the alarms" });
    let submission = Submission {
        door: Door::Hall,
        device: HALL.parse().map_err(|_| StoreError::Refused(HALL.into()))?,
        kind: "device.alarm".into(),
        payload: alarm.to_string().into(),
        topic: None,
        redelivery: None,
    };
    state.journal.submit(vec![submission]).await?;
    let now = state.journal.clock().now();
    let work = move |connection: &Connection| {
        settings::note_alarm_tested(connection, who.staff.as_str(), now)?;
        let (from, told) = (address.to_string(), severity.as_str());
        note(
            connection,
            who.staff.as_str(),
            &from,
            "box.test-alarm",
            told,
        )
    };
    state.journal.store().write(work).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Starts the program again, where systemd does so.
#[utoipa::path(post, path = "/api/v1/box/restart", tag = "box", responses((status = 204), (status = 409)))]
async fn restart(
    State(state): State<UpkeepState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    if !can_restart() {
        let why = "nobody would start the program again: it does not run as a service of systemd";
        return Err(WebError::Conflict(why.into()));
    }
    let work = move |connection: &Connection| {
        note(
            connection,
            who.staff.as_str(),
            &address.to_string(),
            "box.restart",
            "",
        )
    };
    state.journal.store().write(work).await?;
    state.stop.cancel();
    Ok(StatusCode::NO_CONTENT)
}
