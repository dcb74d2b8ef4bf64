//! First boot, sign-in, sign-out, the own password.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_vocabulary::StaffId;
use zhiban_vocabulary::roles::Role;

use super::super::model::{Account, SignedIn};
use super::super::{People, audit, password, store};
use super::{Shared, find, new_hash, parse_name, parse_staff, slow_work, with_state};
use crate::web::{Access, Api, Peer, Result, Transport, WebError};
use crate::{Clock, StoreError};

pub(super) fn add_routes(api: Api) -> Api {
    let state = api.people().clone();
    let with = |routes| with_state(routes, &state);
    api.route(Access::Public, with(routes!(read_session)))
        .route(Access::Public, with(routes!(set_up)))
        .route(Access::Public, with(routes!(sign_in)))
        .route(Access::SignedIn, with(routes!(sign_out)))
        .route(Access::SignedIn, with(routes!(change_password)))
}

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
    transport: Transport,
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
    open_session(&people, &account, transport).await
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
    transport: Transport,
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
    open_session(&people, &account, transport).await
}

/// Signs out; the session is over on the server too.
#[utoipa::path(delete, path = "/api/v1/session", tag = "people", responses((status = 204)))]
async fn sign_out(
    State(people): Shared,
    transport: Transport,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    people.end_session(&headers, transport).await?;
    let cookie = AppendHeaders([(header::SET_COOKIE, people.no_cookie(transport))]);
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
    transport: Transport,
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
    let cookie = people.start_session(&account, transport).await?;
    Ok((
        StatusCode::NO_CONTENT,
        AppendHeaders([(header::SET_COOKIE, cookie)]),
    ))
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

async fn open_session(
    people: &People,
    account: &Account,
    transport: Transport,
) -> Result<impl IntoResponse + use<>> {
    let cookie = people.start_session(account, transport).await?;
    let mut headers = HeaderMap::new();
    if let Some(pair) = cookie.split(';').next().and_then(|pair| pair.parse().ok()) {
        headers.insert(header::COOKIE, pair);
    }
    let signed_in = people
        .signed_in(&headers, transport)
        .await
        .ok_or(WebError::NotSignedIn)?;
    let body = view(people, Some(AccountView::from(&signed_in))).await?;
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(body)))
}
