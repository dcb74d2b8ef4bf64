//! Routes of sign-in and accounts.

use std::net::IpAddr;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_vocabulary::StaffId;
use zhiban_vocabulary::roles::{Capability, Role};

use super::model::{Account, SignedIn};
use super::{People, audit, password, store};
use crate::web::{Access, Api, Peer, Result, WebError};
use crate::{Clock, StoreError};

/// Adds the routes of this module.
#[must_use]
pub fn add_routes(api: Api) -> Api {
    let people = Capability::PeopleManage;
    let state = api.people().clone();
    let with = |routes: utoipa_axum::router::UtoipaMethodRouter<People>| {
        let (schemas, paths, handlers) = routes;
        (schemas, paths, handlers.with_state(state.clone()))
    };
    api.route(Access::Public, with(routes!(read_session)))
        .route(Access::Public, with(routes!(set_up)))
        .route(Access::Public, with(routes!(sign_in)))
        .route(Access::SignedIn, with(routes!(sign_out)))
        .route(Access::SignedIn, with(routes!(change_password)))
        .route(Access::Needs(people), with(routes!(list_people)))
        .route(Access::Needs(people), with(routes!(add_person)))
        .route(Access::Needs(people), with(routes!(change_person)))
        .route(
            Access::Needs(Capability::AuditRead),
            with(routes!(read_audit)),
        )
}

type Shared = State<People>;

/// What a page must know before anything else.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Nobody may sign in yet: ask for the one-time code.
    pub setup_needed: bool,
    /// `gateway` or `central`
    pub program: &'static str,
    pub version: &'static str,
    pub name: String,
    pub time_zone: String,
    pub clock: ClockView,
    pub account: Option<AccountView>,
}

/// The hall's clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockView {
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Set while a recorded day is replayed.
    pub replay: Option<ReplayView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    /// Replayed seconds per second.
    pub speed: u32,
}

/// The person signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountView {
    pub staff: String,
    pub name: String,
    pub roles: Vec<&'static str>,
    pub capabilities: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    pub must_change_password: bool,
}

impl From<&SignedIn> for AccountView {
    fn from(signed_in: &SignedIn) -> Self {
        Self {
            staff: signed_in.staff.to_string(),
            name: signed_in.name.clone(),
            roles: signed_in.roles.iter().map(|role| role.as_str()).collect(),
            capabilities: signed_in
                .capabilities()
                .iter()
                .map(|c| c.as_str())
                .collect(),
            expires: signed_in.expires,
            must_change_password: signed_in.must_change_password,
        }
    }
}

async fn view(people: &People, account: Option<AccountView>) -> Result<SessionView> {
    let setup_needed = people.store().read(store::is_empty).await?;
    let program = &people.0.program;
    Ok(SessionView {
        setup_needed,
        program: program.kind,
        version: program.version,
        name: program.name.clone(),
        time_zone: program.time_zone.clone(),
        clock: ClockView {
            now: program.clock.now(),
            replay: program
                .clock
                .replay_speed()
                .map(|speed| ReplayView { speed }),
        },
        account,
    })
}

/// Who is signed in, and what this program is.
#[utoipa::path(get, path = "/api/v1/session", tag = "people",
    responses((status = 200, body = SessionView)))]
async fn read_session(
    State(people): Shared,
    signed_in: Option<Extension<SignedIn>>,
) -> Result<Json<SessionView>> {
    let account = signed_in.map(|Extension(signed_in)| AccountView::from(&signed_in));
    Ok(Json(view(&people, account).await?))
}

/// First boot: the code the box printed, and the first account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    code: String,
    staff: String,
    name: String,
    password: String,
}

/// Makes the first account and signs it in.
#[utoipa::path(post, path = "/api/v1/setup", tag = "people", request_body = SetUp,
    responses((status = 200, body = SessionView)))]
async fn set_up(
    State(people): Shared,
    Peer(address): Peer,
    Json(body): Json<SetUp>,
) -> Result<impl IntoResponse> {
    let key = "first boot";
    count_try(&people, key, address)?;
    let right = std::fs::read_to_string(&people.0.setup_code_file).unwrap_or_default();
    if !password::same_code(&body.code, right.trim()) {
        return Err(WebError::WrongCode);
    }
    people.0.throttle.succeeded(key, address);
    let staff = parse_staff(&body.staff)?;
    let name = parse_name(&body.name)?;
    let roles = match people.0.program.kind {
        "central" => vec![Role::Operator, Role::Installer],
        _ => vec![Role::HallManager, Role::Installer],
    };
    let hash = new_hash(&people, body.password, &staff, &name).await?;
    let account = Account {
        staff,
        name,
        roles,
        password_hash: Some(hash),
        must_change_password: false,
        active: true,
        last_seen: None,
    };
    let first = account.clone();
    people
        .store()
        .write(move |connection| {
            // Two programs on one database: the first wins.
            connection.lock("people_account")?;
            if !store::is_empty(connection)? {
                return Err(StoreError::Refused("first boot is over: sign in".into()));
            }
            store::save_account(connection, &first, Clock::real_now())?;
            let staff = first.staff.as_str();
            audit::note(
                connection,
                staff,
                &address.to_string(),
                "people.set-up",
                staff,
            )
        })
        .await?;
    let _ = std::fs::remove_file(&people.0.setup_code_file);
    open_session(&people, &account).await
}

/// A person at the sign-in page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    staff: String,
    password: String,
}

/// Signs a person in.
#[utoipa::path(post, path = "/api/v1/session", tag = "people", request_body = SignIn,
    responses((status = 200, body = SessionView)))]
async fn sign_in(
    State(people): Shared,
    Peer(address): Peer,
    Json(body): Json<SignIn>,
) -> Result<impl IntoResponse> {
    // Any text may be typed here; a key of bounded length keeps the throttle's memory bounded.
    let key: String = body.staff.chars().take(StaffId::LENGTH_MAX).collect();
    count_try(&people, &key, address)?;
    let staff = key.clone();
    let found = people
        .store()
        .read(move |c| store::account(c, &staff))
        .await?;
    let account = found.filter(|account| account.active);
    let hash = account
        .as_ref()
        .and_then(|account| account.password_hash.clone());
    let typed = body.password;
    let right = slow_work(&people, move || password::matches(&typed, hash.as_deref())).await?;
    let Some(account) = account.filter(|_| right) else {
        note(&people, &key, address, "people.sign-in-failed", "").await?;
        return Err(WebError::WrongCredentials);
    };
    people.0.throttle.succeeded(&key, address);
    note(&people, &key, address, "people.sign-in", "").await?;
    open_session(&people, &account).await
}

/// Signs out; the session is over on the server too.
#[utoipa::path(delete, path = "/api/v1/session", tag = "people", responses((status = 204)))]
async fn sign_out(State(people): Shared, headers: HeaderMap) -> Result<impl IntoResponse> {
    people.end_session(&headers).await?;
    let cookie = AppendHeaders([(header::SET_COOKIE, people.no_cookie())]);
    Ok((StatusCode::NO_CONTENT, cookie))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    old: String,
    new: String,
}

/// Changes the own password; all other sessions of the person end.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "people",
    request_body = PasswordChange, responses((status = 204)))]
async fn change_password(
    State(people): Shared,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(body): Json<PasswordChange>,
) -> Result<impl IntoResponse> {
    let key = who.staff.to_string();
    count_try(&people, &key, address)?;
    let mut account = find(&people, &key).await?;
    let hash = account.password_hash.clone();
    let old = body.old;
    if !slow_work(&people, move || password::matches(&old, hash.as_deref())).await? {
        return Err(WebError::WrongCredentials);
    }
    people.0.throttle.succeeded(&key, address);
    account.password_hash = Some(new_hash(&people, body.new, &account.staff, &account.name).await?);
    account.must_change_password = false;
    let saved = account.clone();
    people
        .store()
        .write(move |connection| {
            store::save_account(connection, &saved, Clock::real_now())?;
            store::end_sessions(connection, saved.staff.as_str())?;
            let who = saved.staff.as_str();
            audit::note(connection, who, &address.to_string(), "people.password", "")
        })
        .await?;
    let cookie = people.start_session(&account).await?;
    Ok((
        StatusCode::NO_CONTENT,
        AppendHeaders([(header::SET_COOKIE, cookie)]),
    ))
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

fn count_try(people: &People, key: &str, address: IpAddr) -> Result<()> {
    if let Some(wait) = people.0.throttle.wait(key, address) {
        let retry_after_s = wait.as_secs().max(1);
        return Err(WebError::TooMany { retry_after_s });
    }
    people.0.throttle.count(key, address);
    Ok(())
}

async fn note(
    people: &People,
    who: &str,
    address: IpAddr,
    action: &'static str,
    detail: &'static str,
) -> Result<()> {
    let (who, address) = (who.to_owned(), address.to_string());
    let write = people
        .store()
        .write(move |c| audit::note(c, &who, &address, action, detail))
        .await;
    // On a full disk people must still get in to see why; anything else refuses the act.
    match write {
        Err(StoreError::Full) => Ok(()),
        other => Ok(other?),
    }
}

async fn open_session(people: &People, account: &Account) -> Result<impl IntoResponse + use<>> {
    let cookie = people.start_session(account).await?;
    let mut headers = HeaderMap::new();
    if let Some(pair) = cookie.split(';').next().and_then(|pair| pair.parse().ok()) {
        headers.insert(header::COOKIE, pair);
    }
    let signed_in = people
        .signed_in(&headers)
        .await
        .ok_or(WebError::NotSignedIn)?;
    let body = view(people, Some(AccountView::from(&signed_in))).await?;
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(body)))
}

async fn find(people: &People, staff: &str) -> Result<Account> {
    let key = staff.to_owned();
    let found = people
        .store()
        .read(move |c| store::account(c, &key))
        .await?;
    found.ok_or_else(|| WebError::NotFound(format!("staff number {staff}")))
}

async fn new_hash(people: &People, typed: String, staff: &StaffId, name: &str) -> Result<String> {
    if let Some(problem) = password::weakness(&typed, staff.as_str(), name) {
        return Err(WebError::invalid("password", problem));
    }
    Ok(slow_work(people, move || password::hash(&typed)).await??)
}

async fn one_time_password(people: &People) -> Result<(String, String)> {
    let one_time = password::random_code();
    let typed = one_time.clone();
    let hash = slow_work(people, move || password::hash(&typed)).await??;
    Ok((one_time, hash))
}

/// Hashing takes 19 MiB and tens of milliseconds: two at a time, off the async workers.
async fn slow_work<T: Send + 'static>(
    people: &People,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let internal = |error: &dyn std::fmt::Display| WebError::Internal(error.to_string());
    let _permit = people
        .0
        .password_work
        .acquire()
        .await
        .map_err(|error| internal(&error))?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal(&error))
}

fn keeps_own_rights(account: &Account) -> bool {
    account.active
        && account
            .roles
            .iter()
            .any(|role| role.may(Capability::PeopleManage))
}

fn parse_staff(text: &str) -> Result<StaffId> {
    text.parse()
        .map_err(|error| WebError::invalid("staff", error))
}

fn parse_name(text: &str) -> Result<String> {
    let name = text.trim();
    if !(1..=60).contains(&name.chars().count()) {
        return Err(WebError::invalid("name", "expected 1 to 60 characters"));
    }
    Ok(name.to_owned())
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
