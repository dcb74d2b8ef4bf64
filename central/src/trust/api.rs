//! Routes: which halls belong to the fleet, codes for new ones, shutting one out.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_kernel::{Clock, Database};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::facts::HallProfile;
use zhiban_vocabulary::roles::Capability;

use super::enrol::Trust;
use super::store::{self, Line};

/// Longest reason for shutting a hall out, in characters.
const REASON_CHARS_MAX: usize = 200;

/// What the routes work on.
#[derive(Debug, Clone)]
pub struct TrustState {
    pub store: Database,
    pub trust: Trust,
    /// Where halls come in, as the panel shows it.
    pub door: String,
}

/// Adds the routes of this slice.
#[must_use]
pub fn add_routes(api: Api, state: &TrustState) -> Api {
    fn with(state: &TrustState, routes: UtoipaMethodRouter<TrustState>) -> UtoipaMethodRouter {
        let (schemas, paths, handlers) = routes;
        (schemas, paths, handlers.with_state(state.clone()))
    }
    let needs = Access::Needs(Capability::FleetTrust);
    api.route(Access::Public, with(state, routes!(read_authority)))
        .route(needs, with(state, routes!(read_trust)))
        .route(needs, with(state, routes!(read_certificates)))
        .route(needs, with(state, routes!(make_code, drop_code)))
        .route(needs, with(state, routes!(revoke)))
}

/// The fleet and its authority.
#[derive(Debug, Serialize, ToSchema)]
struct TrustView {
    /// SHA-256 of the authority's certificate.
    fingerprint: String,
    /// Where halls come in.
    door: String,
    halls: Vec<MemberView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    store: String,
    name: Option<String>,
    /// `member`, `invited` (has a code), `ended`, `revoked` or `none`.
    state: &'static str,
    /// End of its certificate.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
    /// Until when its code may be used.
    #[schema(value_type = Option<String>, format = DateTime)]
    code_until: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
}

impl From<Line> for MemberView {
    fn from(line: Line) -> Self {
        let profile = line.profile.as_deref();
        let profile = profile.and_then(|text| serde_json::from_str::<HallProfile>(text).ok());
        let state = match (line.until, line.code_until, line.revoked) {
            (Some(_), ..) => "member",
            (None, Some(_), _) => "invited",
            (None, None, Some(_)) => "revoked",
            (None, None, None) if line.has_certificates => "ended",
            (None, None, None) => "none",
        };
        Self {
            store: line.store,
            name: profile.map(|profile| profile.name),
            state,
            until: line.until,
            revoked: line.revoked,
            code_until: line.code_until,
            last_seen: line.last_seen,
        }
    }
}

/// The certificate of the centre's authority (PEM). No secret: a browser must have it before it can
/// trust the pages.
#[utoipa::path(get, path = "/api/v1/trust/authority.pem", tag = "trust",
    responses((status = 200, body = String, content_type = "application/x-pem-file")))]
async fn read_authority(State(state): State<TrustState>) -> impl IntoResponse {
    let pem = state.trust.authority().pem().to_owned();
    ([(header::CONTENT_TYPE, "application/x-pem-file")], pem)
}

/// Halls that belong to the fleet, did, or may.
#[utoipa::path(get, path = "/api/v1/trust", tag = "trust",
    responses((status = 200, body = TrustView)))]
async fn read_trust(State(state): State<TrustState>) -> Result<Json<TrustView>> {
    let now = Clock::real_now();
    let lines = state.store.read(move |c| store::lines(c, now)).await?;
    Ok(Json(TrustView {
        fingerprint: state.trust.authority().fingerprint(),
        door: state.door,
        halls: lines.into_iter().map(MemberView::from).collect(),
    }))
}

#[derive(Debug, Serialize, ToSchema)]
struct CertificatesView {
    certificates: Vec<CertificateView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CertificateView {
    /// SHA-256, the first 16 digits.
    digest: String,
    #[schema(value_type = String, format = DateTime)]
    issued: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
    revoked_by: Option<String>,
    reason: Option<String>,
}

/// Certificates of one hall, newest first.
#[utoipa::path(get, path = "/api/v1/trust/{store}/certificates", tag = "trust",
    params(("store" = String, Path,)), responses((status = 200, body = CertificatesView)))]
async fn read_certificates(
    State(state): State<TrustState>,
    Path(hall): Path<String>,
) -> Result<Json<CertificatesView>> {
    let hall = hall_id(&hall)?;
    let found = state
        .store
        .read(move |c| store::certificates(c, &hall))
        .await?;
    let view = |kept: super::model::Certificate| CertificateView {
        digest: kept
            .digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02X}"))
            .collect(),
        issued: kept.issued,
        until: kept.until,
        revoked: kept.revoked,
        revoked_by: kept.revoked_by,
        reason: kept.reason,
    };
    let certificates = found.into_iter().map(view).collect();
    Ok(Json(CertificatesView { certificates }))
}

/// A one-time code, shown now and never again.
#[derive(Debug, Serialize, ToSchema)]
struct CodeView {
    code: String,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    door: String,
}

/// Makes a code for a hall; an earlier one counts no longer.
#[utoipa::path(post, path = "/api/v1/trust/{store}/code", tag = "trust",
    params(("store" = String, Path,)), responses((status = 200, body = CodeView)))]
async fn make_code(
    State(state): State<TrustState>,
    Path(hall): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<Json<CodeView>> {
    let hall = hall_id(&hall)?;
    let (staff, from) = (who.staff.as_str(), address.to_string());
    let (code, until) = state.trust.new_code(&hall, staff, &from).await?;
    Ok(Json(CodeView {
        code: code.to_string(),
        until,
        door: state.door,
    }))
}

/// Takes an unused code back.
#[utoipa::path(delete, path = "/api/v1/trust/{store}/code", tag = "trust",
    params(("store" = String, Path,)), responses((status = 204), (status = 404)))]
async fn drop_code(
    State(state): State<TrustState>,
    Path(hall): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    let hall = hall_id(&hall)?;
    let (staff, from) = (who.staff.as_str(), address.to_string());
    match state.trust.drop_code(&hall, staff, &from).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(WebError::NotFound(format!("an unused code for {hall}"))),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Revocation {
    /// Why, for whoever looks later; 1 to 200 characters.
    reason: String,
}

/// Shuts a hall out. Its connections end within seconds; it comes back with a new code only.
#[utoipa::path(post, path = "/api/v1/trust/{store}/revoke", tag = "trust",
    params(("store" = String, Path,)), request_body = Revocation,
    responses((status = 204), (status = 404)))]
async fn revoke(
    State(state): State<TrustState>,
    Path(hall): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(asked): Json<Revocation>,
) -> Result<StatusCode> {
    let (hall, reason) = (hall_id(&hall)?, asked.reason.trim());
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(WebError::invalid("reason", "expected 1 to 200 characters"));
    }
    let (staff, from) = (who.staff.as_str(), address.to_string());
    match state.trust.revoke(&hall, reason, staff, &from).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(WebError::NotFound(format!(
            "a certificate of {hall} that counts"
        ))),
    }
}

fn hall_id(text: &str) -> Result<StoreId> {
    text.parse()
        .map_err(|error: zhiban_vocabulary::IdError| WebError::invalid("store", error))
}
