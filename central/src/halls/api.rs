//! Routes about single halls.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::roles::Capability;

use super::day::{DayView, read_day};
use crate::alarms::{self, Alarm};
use crate::centre::Centre;
use crate::compare::{self, Fresh, HallRow, Moment, Period};
use crate::{facts, stores};

/// Adds the routes of this slice.
#[must_use]
pub fn add_routes(api: Api, centre: &Centre) -> Api {
    let halls = Access::Needs(Capability::HallsRead);
    api.route(halls, centre.with(routes!(list_halls)))
        .route(halls, centre.with(routes!(hall_day)))
}

/// A hall right now.
#[derive(Debug, Serialize, ToSchema)]
struct HallView {
    store: String,
    name: String,
    city: Option<String>,
    grade: Option<String>,
    /// Not known yet: the profile of a hall does not say it.
    footfall_class: Option<String>,
    peer_group: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    fresh: Fresh,
    backlog: Option<u64>,
    /// Age of the oldest item that waits in the hall, at its last heartbeat.
    oldest_unsent_s: Option<u32>,
    /// When two boxes were last seen to speak for it.
    #[schema(value_type = Option<String>, format = DateTime)]
    twin: Option<Timestamp>,
    /// Alarms of its devices that stand, longest first.
    alarms: Vec<AlarmView>,
    version: Option<String>,
    live: Option<LiveView>,
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
}

/// What the last heartbeat said.
#[derive(Debug, Serialize, ToSchema)]
struct LiveView {
    /// The hall's clock.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    waiting: u32,
    in_hall: u32,
    longest_wait_s: Option<u32>,
    open_counters: u32,
}

impl From<HallRow> for HallView {
    fn from(row: HallRow) -> Self {
        let hall = row.hall;
        let live = hall.live.as_ref().map(|(at, live)| LiveView {
            at: *at,
            waiting: live.waiting,
            in_hall: live.in_hall,
            longest_wait_s: live.longest_wait_s,
            open_counters: live.open_counters,
        });
        let profile = hall.profile.as_ref();
        Self {
            store: hall.store.to_string(),
            name: hall.name().to_owned(),
            city: profile.and_then(|profile| profile.city.clone()),
            grade: profile.and_then(|profile| profile.grade.clone()),
            footfall_class: None,
            peer_group: hall.peer_group().map(str::to_owned),
            last_seen: hall.last_seen,
            fresh: row.fresh,
            backlog: hall.backlog,
            oldest_unsent_s: hall.oldest_unsent_s,
            twin: hall.twin,
            alarms: Vec::new(),
            version: hall.version,
            live,
            first_seen: hall.first_seen,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct AlarmView {
    device: String,
    alarm: String,
    /// `critical`, `major`, `minor` or `warning`.
    severity: String,
    text: Option<String>,
    /// By the hall's clock.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl From<Alarm> for AlarmView {
    fn from(alarm: Alarm) -> Self {
        Self {
            device: alarm.device,
            alarm: alarm.alarm,
            severity: alarm.severity,
            text: alarm.text,
            since: alarm.since,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct HallsView {
    halls: Vec<HallView>,
}

/// All halls the centre knows.
#[utoipa::path(get, path = "/api/v1/halls", tag = "halls",
    responses((status = 200, body = HallsView)))]
async fn list_halls(State(centre): State<Centre>) -> Result<Json<HallsView>> {
    let rows = rows_today(&centre).await?;
    let mut standing = centre.store.read(alarms::standing).await?;
    let view = |row: HallRow| {
        let alarms = standing.remove(row.hall.store.as_str()).unwrap_or_default();
        HallView {
            alarms: alarms.into_iter().map(AlarmView::from).collect(),
            ..HallView::from(row)
        }
    };
    let halls = rows.into_iter().map(view).collect();
    Ok(Json(HallsView { halls }))
}

/// All halls with what is due of them today.
pub(crate) async fn rows_today(centre: &Centre) -> Result<Vec<HallRow>> {
    let today = facts::day_number(centre.today());
    let period = Period {
        from: today,
        to: today,
    };
    let moment = Moment::of(&centre.clock);
    let read = move |sql: &dyn Sql| compare::rows(sql, stores::all(sql)?, moment, period);
    Ok(centre.store.read(read).await?)
}

#[derive(Debug, Deserialize, IntoParams)]
struct DayQuery {
    /// Such as `2020-01-02`; today when absent.
    date: Option<String>,
}

/// One day of one hall.
#[utoipa::path(get, path = "/api/v1/halls/{store}/day", tag = "halls",
    params(("store" = String, Path), DayQuery), responses((status = 200, body = DayView)))]
async fn hall_day(
    State(centre): State<Centre>,
    Path(store): Path<String>,
    Query(query): Query<DayQuery>,
) -> Result<Json<DayView>> {
    let unknown = || WebError::NotFound(format!("hall {store:?}"));
    let id: StoreId = store.parse().map_err(|_| unknown())?;
    let given = compare::parse_day("date", query.date.as_deref())?;
    let day = given.unwrap_or_else(|| facts::day_number(centre.today()));
    let moment = Moment::of(&centre.clock);
    let read = move |sql: &dyn Sql| {
        let Some(hall) = stores::one(sql, &id)? else {
            return Ok(None);
        };
        Ok(Some(read_day(sql, &hall, day, moment)?))
    };
    let found = centre.store.read(read).await?;
    found.map(Json).ok_or_else(unknown)
}
