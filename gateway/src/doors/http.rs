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
use zhiban_kernel::crash_point;
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
/// its kind, or `{"kind": …, "payload": {…}}` with all but the kind in the payload, which a
/// `kiosk.txn` needs, whose own `kind` is the business. Answers after all of them are on disk.
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
    crash_point!("http: on disk, not answered");
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

/// A report whose kind stands beside its fields, not among them.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    kind: String,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// A report whose kind stands among its fields.
#[derive(serde::Deserialize)]
struct Flat {
    kind: String,
}

fn submission(device: &DeviceId, report: &RawValue) -> Submission {
    let (kind, payload) = match serde_json::from_str::<Envelope<'_>>(report.get()) {
        Ok(Envelope { kind, payload }) => (kind, payload),
        // Without a kind it becomes a dead letter under the empty kind.
        Err(_) => match serde_json::from_str(report.get()) {
            Ok(Flat { kind }) => (kind, report),
            Err(_) => (String::new(), report),
        },
    };
    Submission {
        door: Door::Http,
        device: device.clone(),
        kind,
        payload: bytes::Bytes::copy_from_slice(payload.get().as_bytes()),
        topic: None,
        redelivery: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiban_vocabulary::report;

    fn check(body: &str, kind: &str, expected: &str) {
        let body = RawValue::from_string(body.into()).unwrap();
        let submission = submission(&"ks-1".parse().unwrap(), &body);
        assert_eq!(submission.kind, kind, "{body}");
        let answer = match report::parse(&submission.kind, &submission.payload) {
            Ok(parsed) => format!("{parsed:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{body}\n gave {answer}");
    }

    #[test]
    fn the_kind_stands_beside_the_payload_or_among_the_fields() {
        const TXN: &str = r#""method":"cash","succeeded":true,"id":"T-1""#;
        let flat = r#"{"kind":"climate","temperature":21,"boot":"b","seq":1}"#;
        check(flat, "climate", "seq: 1");
        let whole = r#"{"kind":"climate","payload":{"temperature":21,"boot":"b","seq":1}}"#;
        check(whole, "climate", "seq: 1");
        let payload = format!(r#"{{"kind":"payment",{TXN}}}"#);
        let whole = format!(r#"{{"kind":"kiosk.txn","payload":{payload}}}"#);
        check(&whole, "kiosk.txn", r#"kind: "payment""#);
        let says_how = r#"{"kind": "kiosk.txn", "payload": {…}}"#;
        check(
            &format!(r#"{{"kind":"kiosk.txn",{TXN}}}"#),
            "kiosk.txn",
            says_how,
        );
        // The number of a report belongs into its payload, or it would be passed over.
        let beside = format!(r#"{{"kind":"kiosk.txn","payload":{payload},"boot":"b","seq":1}}"#);
        check(&beside, "kiosk.txn", says_how);
        check(r#"{"payload":{}}"#, "", "unknown kind");
    }
}
