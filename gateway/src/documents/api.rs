//! Routes: master data of this hall with their age, what the hall proposes, announcements, thresholds,
//! and the hours of today.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::{Content, completeness_percent, fields};
use zhiban_vocabulary::roles::Capability;

use super::drawings::{self, DrawingView};
use super::model::{Level, word};
use super::store::{self, Kept};
use crate::routes::with_state;

/// Proposals shown.
const SHOWN: u32 = 100;

/// What the routes work on; cheap to clone.
#[derive(Debug, Clone)]
pub struct DocumentsState {
    pub store: Store,
    pub clock: Clock,
    pub hall: StoreId,
    pub zone: TimeZone,
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, state: &DocumentsState) -> Api {
    let read = Access::Needs(Capability::MastersRead);
    let propose = Access::Needs(Capability::MastersPropose);
    let people = Access::Needs(Capability::PeopleManage);
    let floor = Access::Needs(Capability::FloorRead);
    api.route(read, with_state(routes!(read_forms), state))
        .route(read, with_state(routes!(read_master), state))
        .route(read, with_state(routes!(drawings::read_drawing), state))
        .route(propose, with_state(routes!(propose_change), state))
        .route(read, with_state(routes!(read_announcements), state))
        .route(read, with_state(routes!(mark_seen), state))
        .route(floor, with_state(routes!(read_thresholds), state))
        .route(people, with_state(routes!(read_staff), state))
        .route(propose, with_state(routes!(set_today), state))
}

/// The form of the hall's master data.
#[utoipa::path(get, path = "/api/v1/masters/forms", tag = "masters",
    responses((status = 200, body = Value)))]
async fn read_forms() -> Json<Value> {
    Json(json!({"families": {"hall": fields(&Family::Hall)}}))
}

/// How old what the centre gave is.
#[derive(Debug, Serialize, ToSchema)]
struct AgeView {
    /// Whether anything ever came.
    followed: bool,
    /// When the centre answered last; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    reached: Option<Timestamp>,
    /// When it last had something new.
    #[schema(value_type = Option<String>, format = DateTime)]
    changed: Option<Timestamp>,
}

fn age(connection: &Connection) -> rusqlite::Result<AgeView> {
    let state = store::state(connection)?;
    Ok(AgeView {
        followed: state.cursor.life != 0,
        reached: state.reached,
        changed: state.changed,
    })
}

/// Master data of this hall, its place, and what it proposed.
#[derive(Debug, Serialize, ToSchema)]
struct MasterView {
    age: AgeView,
    /// By the keys of the form; `null` while the centre keeps none.
    #[schema(value_type = Option<Object>)]
    content: Option<Content>,
    complete_percent: u32,
    /// When this version came.
    #[schema(value_type = Option<String>, format = DateTime)]
    taken: Option<Timestamp>,
    /// The units above the hall, the nearest first.
    above: Vec<UnitView>,
    agents: Vec<Value>,
    drawings: Vec<DrawingView>,
    thresholds: Vec<Level>,
    /// Documents this version of the program cannot use.
    unread: Vec<UnreadView>,
    proposals: Vec<ProposalView>,
    today: TodayView,
}

#[derive(Debug, Serialize, ToSchema)]
struct UnitView {
    unit: String,
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct UnreadView {
    family: String,
    scope: String,
    id: String,
    why: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProposalView {
    id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    by: String,
    note: Option<String>,
    #[schema(value_type = Object)]
    changes: Content,
    /// `open`, `accepted` or `declined`
    state: String,
    reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided: Option<Timestamp>,
}

/// Hours the hall set for today.
#[derive(Debug, Serialize, ToSchema)]
struct TodayView {
    day: String,
    /// `null`: as every day.
    #[schema(value_type = Option<String>)]
    opens: Option<Time>,
    #[schema(value_type = Option<String>)]
    closes: Option<Time>,
}

fn today(state: &DocumentsState) -> jiff::civil::Date {
    state.clock.now().to_zoned(state.zone.clone()).date()
}

fn master_view(
    connection: &Connection,
    hall: &StoreId,
    day: jiff::civil::Date,
) -> rusqlite::Result<MasterView> {
    let master = super::master(connection, hall)?;
    let unit = |unit: String| {
        let found = store::one(connection, &Family::Unit, &unit, &unit)?;
        let name = found.and_then(|kept| word(&kept.content, "name"));
        let name = name.unwrap_or_else(|| unit.clone());
        Ok(UnitView { unit, name })
    };
    let chain = super::chain(connection, hall)?;
    let above = chain.into_iter().skip(1).map(unit);
    let agents = store::usable(connection, &Family::Agent)?;
    let proposal = |made: store::Made| ProposalView {
        id: made.proposal.id,
        at: made.proposal.at,
        by: made.proposal.by,
        note: made.proposal.note,
        changes: made.proposal.changes,
        state: made.state,
        reason: made.reason,
        decided: made.decided,
    };
    let unread = |[family, scope, id, why]: [String; 4]| UnreadView {
        family,
        scope,
        id,
        why,
    };
    let hours = super::hours_of(connection, day)?;
    let drawings = drawings::of_hall(connection, hall.as_str())?;
    Ok(MasterView {
        age: age(connection)?,
        complete_percent: master.as_ref().map_or(0, |master| {
            let kinds = drawings.iter().map(|drawing| drawing.kind.as_str());
            completeness_percent(&master.content, kinds)
        }),
        taken: master.as_ref().map(|master| master.taken),
        content: master.map(|master| master.content),
        above: above.collect::<rusqlite::Result<_>>()?,
        agents: agents.into_iter().map(|kept| kept.content.into()).collect(),
        drawings,
        thresholds: super::thresholds(connection, hall, day)?,
        unread: store::unread(connection)?.into_iter().map(unread).collect(),
        proposals: store::proposals(connection, SHOWN)?
            .into_iter()
            .map(proposal)
            .collect(),
        today: TodayView {
            day: day.to_string(),
            opens: hours.map(|(opens, _)| opens),
            closes: hours.map(|(_, closes)| closes),
        },
    })
}

/// Master data of this hall with their age (P-01: read only here).
#[utoipa::path(get, path = "/api/v1/masters", tag = "masters",
    responses((status = 200, body = MasterView)))]
async fn read_master(State(state): State<DocumentsState>) -> Result<Json<MasterView>> {
    let (hall, day) = (state.hall.clone(), today(&state));
    let read = move |connection: &Connection| Ok(master_view(connection, &hall, day)?);
    Ok(Json(state.store.read(read).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProposal {
    /// New values by the keys of the form; `null` takes one out.
    #[schema(value_type = Object)]
    changes: Content,
    /// Why, up to 500 characters.
    note: Option<String>,
}

/// Proposes a change of the master data to the centre.
#[utoipa::path(post, path = "/api/v1/masters/proposals", tag = "masters",
    request_body = NewProposal, responses((status = 204), (status = 409)))]
async fn propose_change(
    State(state): State<DocumentsState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(NewProposal { changes, note: why }): Json<NewProposal>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let why = why.map(|why| why.trim().to_owned());
    let why = why.filter(|why| !why.is_empty());
    let work = move |connection: &Connection| {
        let staff = who.staff.as_str();
        let told: Vec<&str> = changes.keys().map(String::as_str).collect();
        let told = told.join(", ");
        super::propose(connection, changes.clone(), why.clone(), staff, now)?;
        note(
            connection,
            staff,
            &address.to_string(),
            "masters.propose",
            &told,
        )
    };
    state.store.write(work).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct AnnouncementsView {
    age: AgeView,
    announcements: Vec<AnnouncementView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AnnouncementView {
    /// Number of its version: to be given when it was read.
    change: i64,
    title: String,
    text: String,
    from: String,
    until: String,
    /// It counts now; others are over or still to come.
    current: bool,
    /// Whether the person who asks has read it.
    seen: bool,
}

fn announcement(kept: &Kept, now: Timestamp, seen: &[i64]) -> Option<AnnouncementView> {
    let text = |key: &str| word(&kept.content, key);
    let (from, until) = (text("from")?, text("until")?);
    let begun = from.parse::<Timestamp>().ok()? <= now;
    let over = until.parse::<Timestamp>().ok()? <= now;
    // What is still to come is nobody's to read yet.
    begun.then_some(AnnouncementView {
        change: kept.change,
        title: text("title")?,
        text: text("text")?,
        from,
        until,
        current: !over,
        seen: seen.contains(&kept.change),
    })
}

/// Announcements that have begun, newest first.
#[utoipa::path(get, path = "/api/v1/announcements", tag = "masters",
    responses((status = 200, body = AnnouncementsView)))]
async fn read_announcements(
    State(state): State<DocumentsState>,
    Extension(who): Extension<SignedIn>,
) -> Result<Json<AnnouncementsView>> {
    let now = state.clock.now();
    let read = move |connection: &Connection| {
        let seen = store::seen(connection, who.staff.as_str())?;
        let kept = store::usable(connection, &Family::Announcement)?;
        let mut announcements: Vec<_> = kept
            .iter()
            .filter_map(|kept| announcement(kept, now, &seen))
            .collect();
        announcements.sort_by(|a, b| b.current.cmp(&a.current).then(b.change.cmp(&a.change)));
        let age = age(connection)?;
        Ok(AnnouncementsView { age, announcements })
    };
    Ok(Json(state.store.read(read).await?))
}

/// Notes that the person who is signed in has read an announcement.
#[utoipa::path(post, path = "/api/v1/announcements/{change}/seen", tag = "masters",
    params(("change" = i64, Path,)), responses((status = 204), (status = 404)))]
async fn mark_seen(
    State(state): State<DocumentsState>,
    Path(change): Path<i64>,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let work = move |connection: &Connection| {
        let known = store::usable(connection, &Family::Announcement)?;
        if !known.iter().any(|kept| kept.change == change) {
            return Ok(false);
        }
        store::see(connection, who.staff.as_str(), change, now)?;
        Ok(true)
    };
    match state.store.write(work).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(WebError::NotFound(format!("announcement {change}"))),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct ThresholdsView {
    thresholds: Vec<Level>,
}

/// What holds of every threshold today.
#[utoipa::path(get, path = "/api/v1/thresholds", tag = "masters",
    responses((status = 200, body = ThresholdsView)))]
async fn read_thresholds(State(state): State<DocumentsState>) -> Result<Json<ThresholdsView>> {
    let (hall, day) = (state.hall.clone(), today(&state));
    let read = move |connection: &Connection| Ok(super::thresholds(connection, &hall, day)?);
    let thresholds = state.store.read(read).await?;
    Ok(Json(ThresholdsView { thresholds }))
}

#[derive(Debug, Serialize, ToSchema)]
struct StaffView {
    /// As the centre keeps them; a sign-in is given here.
    staff: Vec<KnownPersonView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct KnownPersonView {
    staff: String,
    name: String,
    post: Option<String>,
    grade: Option<String>,
}

/// Who works in this hall, as the centre keeps it (E-04).
#[utoipa::path(get, path = "/api/v1/masters/staff", tag = "masters",
    responses((status = 200, body = StaffView)))]
async fn read_staff(State(state): State<DocumentsState>) -> Result<Json<StaffView>> {
    let hall = state.hall.to_string();
    let read = move |connection: &Connection| {
        let kept = store::usable(connection, &Family::Person)?;
        let own = kept.iter().filter(|kept| kept.scope == hall);
        let active = own.filter(|kept| kept.content.get("active") == Some(&Value::Bool(true)));
        let person = |kept: &Kept| {
            let text = |key: &str| word(&kept.content, key);
            Some(KnownPersonView {
                staff: text("staff")?,
                name: text("name")?,
                post: text("post"),
                grade: text("grade"),
            })
        };
        Ok(active.filter_map(person).collect())
    };
    let staff = state.store.read(read).await?;
    Ok(Json(StaffView { staff }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewHours {
    /// Both `null`: as every day.
    #[schema(value_type = Option<String>)]
    opens: Option<Time>,
    #[schema(value_type = Option<String>)]
    closes: Option<Time>,
}

/// Sets the hours of today, which are the hall's own; tomorrow it is as every day again.
#[utoipa::path(put, path = "/api/v1/masters/today", tag = "masters", request_body = NewHours,
    responses((status = 204), (status = 422)))]
async fn set_today(
    State(state): State<DocumentsState>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(NewHours { opens, closes }): Json<NewHours>,
) -> Result<StatusCode> {
    let hours = opens.zip(closes);
    if opens.is_some() != closes.is_some() || hours.is_some_and(|(opens, closes)| opens >= closes) {
        return Err(WebError::invalid("closes", "expected later than opens"));
    }
    let (now, day) = (state.clock.now(), today(&state));
    let work = move |connection: &Connection| {
        let staff = who.staff.as_str();
        store::set_hours(connection, day, hours, staff, now)?;
        let told = match hours {
            Some((opens, closes)) => format!("{day} {opens}–{closes}"),
            None => format!("{day} as every day"),
        };
        note(
            connection,
            staff,
            &address.to_string(),
            "masters.today",
            &told,
        )
    };
    let done: std::result::Result<(), StoreError> = state.store.write(work).await;
    done?;
    Ok(StatusCode::NO_CONTENT)
}
