//! Accounts and what people did: for those who manage them.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_vocabulary::roles::{Capability, Role};

use super::super::model::{Account, SignedIn};
use super::super::{People, audit, password, store};
use super::{Shared, find, parse_name, parse_staff, slow_work, with_state};
use crate::web::{Access, Api, Peer, Result, WebError};
use crate::{Clock, StoreError};

pub(super) fn add_routes(api: Api) -> Api {
    let (people, audit) = (Capability::PeopleManage, Capability::AuditRead);
    let state = api.people().clone();
    let with = |routes| with_state(routes, &state);
    api.route(Access::Needs(people), with(routes!(list_people)))
        .route(Access::Needs(people), with(routes!(add_person)))
        .route(Access::Needs(people), with(routes!(change_person)))
        .route(Access::Needs(audit), with(routes!(read_audit)))
}

/// An account as shown to those who manage people. Programs have members of staff of their own, so
/// the name in the description differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PersonAccount)]
struct PersonView {
    staff: String,
    name: String,
    roles: Vec<&'static str>,
    active: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PeopleView {
    people: Vec<PersonView>,
}

/// All accounts.
#[utoipa::path(get, path = "/api/v1/people", tag = "people",
    responses((status = 200, body = PeopleView)))]
async fn list_people(State(people): Shared) -> Result<Json<PeopleView>> {
    let accounts = people.store().read(store::accounts).await?;
    let view = |account: Account| PersonView {
        staff: account.staff.to_string(),
        name: account.name,
        roles: account.roles.iter().map(|role| role.as_str()).collect(),
        active: account.active,
        last_seen: account.last_seen,
    };
    Ok(Json(PeopleView {
        people: accounts.into_iter().map(view).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    staff: String,
    name: String,
    roles: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct OneTimePassword {
    staff: String,
    /// To be changed at the first sign-in; shown this once.
    one_time_password: Option<String>,
}

/// Adds an account with a one-time password.
#[utoipa::path(post, path = "/api/v1/people", tag = "people", request_body = NewPerson,
    responses((status = 201, body = OneTimePassword)))]
async fn add_person(
    State(people): Shared,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(body): Json<NewPerson>,
) -> Result<impl IntoResponse> {
    let (one_time, hash) = one_time_password(&people).await?;
    let account = Account {
        staff: parse_staff(&body.staff)?,
        name: parse_name(&body.name)?,
        roles: parse_roles(&body.roles)?,
        password_hash: Some(hash),
        must_change_password: true,
        active: true,
        last_seen: None,
    };
    let staff = account.staff.to_string();
    let key = staff.clone();
    people
        .store()
        .write(move |connection| {
            if store::account(connection, &key)?.is_some() {
                return Err(StoreError::Refused(format!(
                    "staff number {key} has an account"
                )));
            }
            store::save_account(connection, &account, Clock::real_now())?;
            let detail = format!("{key} {}", role_names(&account.roles));
            let (who, from) = (who.staff.as_str(), address.to_string());
            audit::note(connection, who, &from, "people.add", &detail)
        })
        .await?;
    let answer = OneTimePassword {
        staff,
        one_time_password: Some(one_time),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PersonChange {
    name: Option<String>,
    roles: Option<Vec<String>>,
    active: Option<bool>,
    #[serde(default)]
    reset_password: bool,
}

/// Changes an account; its sessions end, so that new rights hold at once.
#[utoipa::path(post, path = "/api/v1/people/{staff}", tag = "people",
    request_body = PersonChange, params(("staff" = String, Path)),
    responses((status = 200, body = OneTimePassword)))]
async fn change_person(
    State(people): Shared,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Path(staff): Path<String>,
    Json(body): Json<PersonChange>,
) -> Result<Json<OneTimePassword>> {
    let mut account = find(&people, &staff).await?;
    if let Some(name) = &body.name {
        account.name = parse_name(name)?;
    }
    if let Some(roles) = &body.roles {
        account.roles = parse_roles(roles)?;
    }
    account.active = body.active.unwrap_or(account.active);
    if account.staff == who.staff && !keeps_own_rights(&account) {
        return Err(WebError::Conflict(
            "nobody may take their own rights away".into(),
        ));
    }
    let mut one_time_password_shown = None;
    if body.reset_password {
        let (one_time, hash) = one_time_password(&people).await?;
        account.password_hash = Some(hash);
        account.must_change_password = true;
        one_time_password_shown = Some(one_time);
    }
    let detail = format!(
        "{staff} active={} {}",
        account.active,
        role_names(&account.roles)
    );
    people
        .store()
        .write(move |connection| {
            store::save_account(connection, &account, Clock::real_now())?;
            if account.staff != who.staff {
                store::end_sessions(connection, account.staff.as_str())?;
            }
            let (who, from) = (who.staff.as_str(), address.to_string());
            audit::note(connection, who, &from, "people.change", &detail)
        })
        .await?;
    Ok(Json(OneTimePassword {
        staff,
        one_time_password: one_time_password_shown,
    }))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct AuditPage {
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AuditView {
    entries: Vec<AuditEntry>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AuditEntry {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    who: String,
    address: String,
    action: String,
    detail: String,
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "people", params(AuditPage),
    responses((status = 200, body = AuditView)))]
async fn read_audit(
    State(people): Shared,
    Query(page): Query<AuditPage>,
) -> Result<Json<AuditView>> {
    let before = page.before.unwrap_or(i64::MAX);
    let limit = page.limit.unwrap_or(50).min(500);
    let lines = people
        .store()
        .read(move |c| audit::page(c, before, limit))
        .await?;
    let view = |line: audit::Audit| AuditEntry {
        id: line.id,
        at: line.at,
        who: line.who,
        address: line.address,
        action: line.action,
        detail: line.detail,
    };
    Ok(Json(AuditView {
        entries: lines.into_iter().map(view).collect(),
    }))
}

async fn one_time_password(people: &People) -> Result<(String, String)> {
    let one_time = password::random_code();
    let typed = one_time.clone();
    let hash = slow_work(people, move || password::hash(&typed)).await??;
    Ok((one_time, hash))
}

fn keeps_own_rights(account: &Account) -> bool {
    account.active
        && account
            .roles
            .iter()
            .any(|role| role.may(Capability::PeopleManage))
}

fn parse_roles(names: &[String]) -> Result<Vec<Role>> {
    let role = |name: &String| {
        let known = || {
            Role::ALL
                .iter()
                .map(|role| role.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        Role::from_text(name)
            .ok_or_else(|| WebError::invalid("roles", format!("{name:?} is none of {}", known())))
    };
    let mut roles = names.iter().map(role).collect::<Result<Vec<_>>>()?;
    if roles.is_empty() {
        return Err(WebError::invalid("roles", "expected at least one"));
    }
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

fn role_names(roles: &[Role]) -> String {
    roles
        .iter()
        .map(|role| role.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}
