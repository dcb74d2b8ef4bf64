//! The HTTP door: 2xx after the commit.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use base64::Engine;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_vocabulary::DeviceId;

use crate::devices::{Devices, Proof};
use crate::journal::{Door, Journal, Outcome, Submission};
use crate::routes::with_state;

/// Most reports in one request.
const REPORTS_MAX: usize = 1_000;

#[derive(Debug, Clone)]
struct HttpDoor {
    journal: Journal,
    devices: Devices,
}

/// Adds the routes of this door.
pub fn add_routes(api: Api, journal: &Journal, devices: &Devices) -> Api {
    let door = HttpDoor {
        journal: journal.clone(),
        devices: devices.clone(),
    };
    api.route(Access::Device, with_state(routes!(post_reports), &door))
}

/// What became of the reports of one request.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Taken {
    accepted: usize,
    /// Had come before.
    duplicates: usize,
    /// Kept with their bytes for a person to look at.
    dead_lettered: Vec<DeadLettered>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DeadLettered {
    index: usize,
    code: &'static str,
    reason: String,
}

/// Takes one report, or `{"reports": […]}`, from a device that signs in with its id and secret
/// (HTTP Basic). Each report is an object with `kind`, `time`, `boot`, `seq` and the fields of
/// its kind. Answers after all of them are on disk.
#[utoipa::path(post, path = "/api/v1/reports", tag = "doors", request_body = Object,
    responses((status = 200, body = Taken)))]
async fn post_reports(
    State(door): State<HttpDoor>,
    Peer(address): Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Taken>> {
    let device = signed_in_device(&door.devices, &headers)?;
    door.devices.speaks_from(&device, address).await?;
    // It may be shut out by now.
    signed_in_device(&door.devices, &headers)?;
    let reports = split(&body)?;
    let submissions = reports
        .iter()
        .map(|report| submission(&device, report))
        .collect();
    let outcomes = door.journal.submit(submissions).await?;
    let mut taken = Taken::default();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Outcome::Committed(_) => taken.accepted += 1,
            Outcome::Duplicate => taken.duplicates += 1,
            Outcome::DeadLettered { code, reason } => {
                taken.dead_lettered.push(DeadLettered {
                    index,
                    code,
                    reason,
                });
            }
        }
    }
    Ok(Json(taken))
}

fn signed_in_device(devices: &Devices, headers: &HeaderMap) -> Result<DeviceId> {
    let (name, secret) = basic(headers).ok_or(WebError::NotSignedIn)?;
    let device: DeviceId = name.parse().map_err(|_| WebError::WrongCredentials)?;
    let proof = Proof::Password(secret);
    if devices.knows(&device, &proof) {
        return Ok(device);
    }
    let shut_out = devices.shut_out(&device, &proof);
    Err(shut_out.map_or(WebError::WrongCredentials, WebError::ShutOut))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value.strip_prefix("Basic ")?)
        .ok()?;
    let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}

/// The reports of a body, each as it was written.
fn split(body: &[u8]) -> Result<Vec<Box<RawValue>>> {
    #[derive(serde::Deserialize)]
    struct Many {
        reports: Vec<Box<RawValue>>,
    }
    let bad = |error: serde_json::Error| WebError::invalid("body", error);
    let whole: Box<RawValue> = serde_json::from_slice(body).map_err(bad)?;
    let reports = match serde_json::from_str::<Many>(whole.get()) {
        Ok(many) => many.reports,
        Err(_) => vec![whole],
    };
    if reports.len() > REPORTS_MAX {
        let problem = format!("expected at most {REPORTS_MAX}, found {}", reports.len());
        return Err(WebError::invalid("reports", problem));
    }
    Ok(reports)
}

fn submission(device: &DeviceId, report: &RawValue) -> Submission {
    #[derive(serde::Deserialize)]
    struct Kind {
        kind: String,
    }
    // Without a kind it becomes a dead letter under the empty kind.
    let kind = serde_json::from_str(report.get())
        .map(|Kind { kind }| kind)
        .unwrap_or_default();
    Submission {
        door: Door::Http,
        device: device.clone(),
        kind,
        payload: bytes::Bytes::copy_from_slice(report.get().as_bytes()),
        topic: None,
        redelivery: None,
    }
}
