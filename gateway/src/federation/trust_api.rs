//! Routes: whether the hall belongs to a fleet, and joining one.

use std::path::PathBuf;

use axum::extract::State;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::Store;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::{DenialReason, EnrolmentCode};
use zhiban_vocabulary::roles::Capability;

use super::enrol::{EnrolError, enrol};
use super::member::Member;
use crate::routes::with_state;

/// Where the centre listens unless somebody says otherwise.
const PORT: u16 = 7443;

/// What the routes work on.
#[derive(Debug, Clone)]
pub struct MemberState {
    pub data: PathBuf,
    pub hall: StoreId,
    pub store: Store,
}

/// Adds the routes.
pub fn add_trust_routes(api: Api, state: &MemberState) -> Api {
    let read = Access::Needs(Capability::BoxRead);
    let manage = Access::Needs(Capability::BoxManage);
    api.route(read, with_state(routes!(read_membership), state))
        .route(manage, with_state(routes!(join), state))
}

/// The hall's place in the fleet.
#[derive(Debug, Serialize, ToSchema)]
struct MembershipView {
    store: String,
    /// Absent for a hall that stands alone.
    member: Option<MemberView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    /// Doors of the centre, `host:port`.
    doors: Vec<String>,
    /// SHA-256 of the centre's authority, to compare with what the centre's panel shows.
    fingerprint: String,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// End of the certificate; the next one is asked for at half time.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            fingerprint: member.fingerprint(),
            doors: member.doors,
            since: member.since,
            until: member.until,
        }
    }
}

/// Whether the hall belongs to a fleet.
#[utoipa::path(get, path = "/api/v1/uplink", tag = "uplink",
    responses((status = 200, body = MembershipView)))]
async fn read_membership(State(state): State<MemberState>) -> Result<Json<MembershipView>> {
    let member =
        Member::read(&state.data).map_err(|error| WebError::Internal(error.to_string()))?;
    let member = member.filter(|member| member.store == state.hall);
    Ok(Json(MembershipView {
        store: state.hall.to_string(),
        member: member.map(MemberView::from),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Joining {
    /// Address of the centre, `host` or `host:port`.
    centre: String,
    /// The code the centre made for this hall.
    code: String,
}

/// Joins a fleet with a code of its centre, or joins it anew. Takes a few seconds.
#[utoipa::path(post, path = "/api/v1/uplink/enrol", tag = "uplink", request_body = Joining,
    responses((status = 200, body = MembershipView)))]
async fn join(
    State(state): State<MemberState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(asked): Json<Joining>,
) -> Result<Json<MembershipView>> {
    let code: EnrolmentCode = asked.code.parse().map_err(|error| {
        let problem = WebError::invalid("code", &error);
        problem.because("enrol-code-form", json!({}))
    })?;
    let door = door_of(&asked.centre).ok_or_else(|| {
        let problem = WebError::invalid("centre", "expected a host, or host:port");
        problem.because("enrol-address-form", json!({}))
    })?;
    let member = enrol(&state.data, &state.hall, &door, &code)
        .await
        .map_err(|error| refusal(&error, &door))?;
    let (staff, from) = (who.staff.as_str().to_owned(), address.to_string());
    let noted = state
        .store
        .write(move |c| note(c, &staff, &from, "uplink.enrol", &door));
    noted.await?;
    Ok(Json(MembershipView {
        store: state.hall.to_string(),
        member: Some(member.into()),
    }))
}

/// What a person typed as `host:port`; the port may be left out.
#[must_use]
pub fn door_of(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.contains(['/', ' ', '@']) {
        return None;
    }
    // Colons of an IPv6 address stand in brackets when a port follows.
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        is_port && (!host.contains(':') || host.ends_with(']'))
    });
    match (has_port, text.contains(':'), text.starts_with('[')) {
        (true, ..) => Some(text.to_owned()),
        (false, false, _) => Some(format!("{text}:{PORT}")),
        (false, true, true) if text.ends_with(']') => Some(format!("{text}:{PORT}")),
        (false, true, false) if text.parse::<std::net::Ipv6Addr>().is_ok() => {
            Some(format!("[{text}]:{PORT}"))
        }
        _ => None,
    }
}

/// In words of a closed list, so that the panel says it in its own.
fn refusal(error: &EnrolError, door: &str) -> WebError {
    let text = error.to_string();
    let facts = json!({ "centre": door });
    let conflict = |reason| WebError::Conflict(text.clone()).because(reason, facts.clone());
    match error {
        EnrolError::Unreachable { .. } => {
            WebError::Unavailable(text).because("enrol-unreachable", facts)
        }
        EnrolError::OtherCentre { .. } => conflict("enrol-other-centre"),
        EnrolError::Denied { reason, .. } => match reason {
            DenialReason::Code => conflict("enrol-code-refused"),
            DenialReason::Wait => conflict("enrol-wait"),
            DenialReason::Request | DenialReason::Certificate => conflict("enrol-refused"),
            DenialReason::Unavailable => {
                WebError::Unavailable(text).because("enrol-unreachable", facts)
            }
        },
        EnrolError::Member(_) => WebError::Internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::door_of;

    #[test]
    fn an_address_is_taken_as_people_write_it() {
        for (typed, door) in [
            (" centre.example ", "centre.example:7443"),
            ("10.1.2.3:9000", "10.1.2.3:9000"),
            ("fd00::1", "[fd00::1]:7443"),
            ("[fd00::1]", "[fd00::1]:7443"),
            ("[fd00::1]:9000", "[fd00::1]:9000"),
        ] {
            assert_eq!(door_of(typed).as_deref(), Some(door), "{typed}");
        }
        for wrong in [
            "",
            "https://centre",
            "centre:port",
            "a b",
            "centre:0",
            "x::y",
        ] {
            assert_eq!(door_of(wrong), None, "{wrong}");
        }
    }
}
