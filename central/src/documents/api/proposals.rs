//! Routes about what halls propose.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_kernel::Clock;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Peer, Result, WebError};
use zhiban_vocabulary::down::Family;

use super::super::{edit, store};
use super::{actor, change, hall_id};
use crate::centre::Centre;

/// Proposals shown.
const SHOWN: u32 = 200;
const REASON_CHARS_MAX: usize = 200;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProposalsView {
    /// Open ones first, then newest first.
    proposals: Vec<ProposalView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProposalView {
    store: String,
    id: String,
    /// By the hall's clock.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    received: Timestamp,
    by: String,
    note: Option<String>,
    changes: Vec<ChangeView>,
    /// `open`, `accepted` or `declined`
    state: String,
    reason: Option<String>,
    decided_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ChangeView {
    field: String,
    /// What the centre keeps today; `null`: nothing.
    #[schema(value_type = Object)]
    now: Value,
    /// `null` takes it out.
    #[schema(value_type = Object)]
    proposed: Value,
}

fn view(sql: &dyn Sql, filed: store::Filed) -> zhiban_kernel::sql::Result<ProposalView> {
    let node = filed.store.as_str();
    let master = store::content_of(sql, &Family::Hall, node, node)?.unwrap_or_default();
    let changes = filed.proposal.changes.into_iter();
    let changes = changes.map(|(field, proposed)| ChangeView {
        now: master.get(&field).cloned().unwrap_or_default(),
        field,
        proposed,
    });
    Ok(ProposalView {
        id: filed.proposal.id,
        at: filed.proposal.at,
        received: filed.received,
        by: filed.proposal.by,
        note: filed.proposal.note,
        changes: changes.collect(),
        state: filed.state,
        reason: filed.reason.filter(|reason| !reason.is_empty()),
        decided_by: filed.decided_by,
        decided: filed.decided,
        store: filed.store,
    })
}

/// What halls propose.
#[utoipa::path(get, path = "/api/v1/masters/proposals", tag = "masters",
    responses((status = 200, body = ProposalsView)))]
pub(super) async fn read_proposals(State(centre): State<Centre>) -> Result<Json<ProposalsView>> {
    let read = |sql: &dyn Sql| {
        let filed = store::filed(sql, SHOWN)?;
        filed.into_iter().map(|one| view(sql, one)).collect()
    };
    let proposals = centre.store.read(read).await?;
    Ok(Json(ProposalsView { proposals }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    accept: bool,
    /// Why not, for the hall; 1 to 200 characters when declined.
    reason: Option<String>,
}

/// Accepts a proposal, which makes it the master data, or declines it with a reason.
#[utoipa::path(post, path = "/api/v1/masters/proposals/{store}/{id}", tag = "masters",
    params(("store" = String, Path,), ("id" = String, Path,)), request_body = Decision,
    responses((status = 204), (status = 409), (status = 422)))]
pub(super) async fn decide(
    State(centre): State<Centre>,
    Path((hall, id)): Path<(String, String)>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(decision): Json<Decision>,
) -> Result<StatusCode> {
    let (hall, by) = (hall_id(&hall)?, actor(&who, address));
    let reason = decision.reason.unwrap_or_default().trim().to_owned();
    let declined = (!decision.accept).then_some(reason);
    if let Some(reason) = &declined
        && !(1..=REASON_CHARS_MAX).contains(&reason.chars().count())
    {
        return Err(WebError::invalid("reason", "expected 1 to 200 characters"));
    }
    let work = move |tx: &dyn Sql| {
        let now = Clock::real_now();
        edit::decide(tx, &hall, &id, declined.as_deref(), &by, now)
    };
    change(&centre, work).await
}
