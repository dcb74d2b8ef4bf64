//! Becoming a member of the fleet (接入), and staying one.

use std::path::Path;

use serde::Serialize;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::{
    ALPN_HTTP, Denial, DenialReason, EnrolRequest, EnrolmentCode, Membership, PATH_ENROL,
    PATH_RENEW, RenewRequest,
};

use super::member::{self, Member, MemberError};
use super::request::{self, Connection};
use super::tls;

const JSON: &str = "application/json";

/// Why the hall did not become a member.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Nobody answers there, or not in a form that is understood.
    #[error("{door} is not reached: {problem}")]
    Unreachable { door: String, problem: String },
    /// Whoever answers there does not have the authority the code names.
    #[error("{door} is not the centre this code is from ({problem})")]
    OtherCentre { door: String, problem: String },
    #[error("the centre refuses: {text}")]
    Denied { reason: DenialReason, text: String },
    #[error(transparent)]
    Member(#[from] MemberError),
}

/// Enrols the hall at the centre behind `door` and keeps what it gave.
///
/// # Errors
/// [`EnrolError`]; what the hall was before it still is.
pub async fn enrol(
    data: &Path,
    store: &StoreId,
    door: &str,
    code: &EnrolmentCode,
) -> Result<Member, EnrolError> {
    let config = tls::as_stranger(code, ALPN_HTTP).map_err(|error| unreachable_at(door, error))?;
    let mut connection = request::open(door, config)
        .await
        .map_err(|error| not_opened(door, &error))?;
    let (key, request) = member::next_key(data)?;
    let asked = EnrolRequest {
        store: store.clone(),
        secret: code.secret.to_hex(),
        request,
    };
    let mut membership = ask(&mut connection, door, PATH_ENROL, &asked).await?;
    if membership.doors.is_empty() {
        membership.doors.push(door.to_owned());
    }
    member::keep(data, store, &key, membership)?;
    let kept = Member::read(data)?;
    kept.ok_or_else(|| unreachable_at(door, "it is gone again"))
}

/// Asks for the next certificate, with a new key.
///
/// # Errors
/// [`EnrolError`] of the last door that was tried.
pub(super) async fn renew(
    data: &Path,
    member: &Member,
    doors: &[String],
) -> Result<(), EnrolError> {
    let doors = if doors.is_empty() {
        &member.doors
    } else {
        doors
    };
    let mut last = unreachable_at("the centre", "it has no address");
    for door in doors {
        match renew_at(data, member, door).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn renew_at(data: &Path, member: &Member, door: &str) -> Result<(), EnrolError> {
    let config = tls::as_member(member, ALPN_HTTP).map_err(|error| unreachable_at(door, error))?;
    let mut connection = request::open(door, config)
        .await
        .map_err(|error| unreachable_at(door, error))?;
    let (key, request) = member::next_key(data)?;
    let asked = RenewRequest { request };
    let mut membership = ask(&mut connection, door, PATH_RENEW, &asked).await?;
    if membership.doors.is_empty() {
        membership.doors.clone_from(&member.doors);
    }
    member::keep(data, &member.store, &key, membership)?;
    Ok(())
}

async fn ask(
    connection: &mut Connection,
    door: &str,
    path: &str,
    asked: &impl Serialize,
) -> Result<Membership, EnrolError> {
    let body = serde_json::to_vec(asked).unwrap_or_default();
    let (status, answer) = request::post(connection, path, JSON, body)
        .await
        .map_err(|error| unreachable_at(door, error))?;
    if status.is_success() {
        return serde_json::from_slice(&answer).map_err(|error| unreachable_at(door, error));
    }
    match serde_json::from_slice(&answer) {
        Ok(Denial { denied, text }) => Err(EnrolError::Denied {
            reason: denied,
            text,
        }),
        Err(_) => Err(unreachable_at(door, format!("it answered {status}"))),
    }
}

fn unreachable_at(door: &str, problem: impl std::fmt::Display) -> EnrolError {
    EnrolError::Unreachable {
        door: door.to_owned(),
        problem: problem.to_string(),
    }
}

/// Tells another centre from no centre.
fn not_opened(door: &str, error: &std::io::Error) -> EnrolError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => EnrolError::OtherCentre {
            door: door.to_owned(),
            problem: problem.to_string(),
        },
        _ => unreachable_at(door, error),
    }
}
