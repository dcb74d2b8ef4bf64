//! Routes about what is kept of one hall.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Peer, Result, WebError};
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::{Content, Dated, THRESHOLDS, completeness_percent, resolve};

use super::super::{drawings, edit, store};
use super::drawings::DrawingView;
use super::{MadeFrom, VersionView, actor, change, hall_id};
use crate::centre::Centre;
use crate::stores;

/// Versions shown of one document.
const VERSIONS_MAX: u32 = 50;

/// What the centre keeps of a hall.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HallMaster {
    store: String,
    /// As the hall calls itself; `null` before it was heard.
    told_name: Option<String>,
    /// The unit it hangs below.
    unit: Option<String>,
    /// The unit, the one above it and so on.
    above: Vec<String>,
    /// By the keys of the form; empty where nothing is kept.
    #[schema(value_type = Object)]
    content: Content,
    complete_percent: u32,
    drawings: Vec<DrawingView>,
    versions: Vec<VersionView>,
}

/// What the centre keeps of a hall (E-01).
#[utoipa::path(get, path = "/api/v1/masters/halls/{store}", tag = "masters",
    params(("store" = String, Path,)),
    responses((status = 200, body = HallMaster), (status = 404)))]
pub(super) async fn read_hall(
    State(centre): State<Centre>,
    Path(hall): Path<String>,
) -> Result<Json<HallMaster>> {
    let id = hall_id(&hall)?;
    let read = move |sql: &dyn Sql| {
        let node = id.as_str();
        let known = stores::one(sql, &id)?;
        let place = store::place(sql, node)?.filter(|place| place.is_hall);
        if known.is_none() && place.is_none() {
            return Ok(None);
        }
        let mut content = store::content_of(sql, &Family::Hall, node, node)?.unwrap_or_default();
        content.remove("unit");
        let drawings = drawings::of_hall(sql, node)?;
        let kinds = drawings.iter().map(|(_, drawing)| drawing.kind.as_str());
        let complete_percent = completeness_percent(&content, kinds);
        let versions = store::versions(sql, (&Family::Hall, node, node), VERSIONS_MAX)?;
        Ok(Some(HallMaster {
            store: id.to_string(),
            told_name: known.and_then(|hall| Some(hall.profile?.name)),
            unit: place.and_then(|place| place.parent),
            above: store::chain(sql, node)?.split_off(1),
            complete_percent,
            drawings: drawings.into_iter().map(DrawingView::from).collect(),
            content,
            versions: versions.into_iter().map(VersionView::from).collect(),
        }))
    };
    let found = centre.store.read(read).await?;
    found
        .map(Json)
        .ok_or_else(|| WebError::NotFound(format!("hall {hall:?}")))
}

/// Replaces the master data of a hall.
#[utoipa::path(put, path = "/api/v1/masters/halls/{store}", tag = "masters",
    params(("store" = String, Path,), MadeFrom), request_body = serde_json::Value,
    responses((status = 204), (status = 409)))]
pub(super) async fn set_hall(
    State(centre): State<Centre>,
    Path(hall): Path<String>,
    Query(from): Query<MadeFrom>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(content): Json<Content>,
) -> Result<StatusCode> {
    let (id, by) = (hall_id(&hall)?, actor(&who, address));
    let work = move |tx: &dyn Sql| {
        from.check(tx, (&Family::Hall, id.as_str(), id.as_str()))?;
        edit::set_hall(tx, &id, content.clone(), &by)
    };
    change(&centre, work).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlace {
    /// `null` takes the hall out of the tree.
    unit: Option<String>,
}

/// Hangs a hall below another unit.
#[utoipa::path(put, path = "/api/v1/masters/halls/{store}/place", tag = "masters",
    params(("store" = String, Path,)), request_body = NewPlace,
    responses((status = 204), (status = 409)))]
pub(super) async fn place_hall(
    State(centre): State<Centre>,
    Path(hall): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(NewPlace { unit }): Json<NewPlace>,
) -> Result<StatusCode> {
    let (id, by) = (hall_id(&hall)?, actor(&who, address));
    let work = move |tx: &dyn Sql| edit::place_hall(tx, &id, unit.as_deref(), &by);
    change(&centre, work).await
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct DayQuery {
    /// Such as `2026-01-31`; today when absent.
    day: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ThresholdsView {
    day: String,
    thresholds: Vec<HoldsView>,
}

/// What holds of one threshold, and why.
#[derive(Debug, Serialize, ToSchema)]
struct HoldsView {
    name: &'static str,
    /// `null`: what the hall's own configuration says.
    value: Option<i64>,
    unit: &'static str,
    default: Option<i64>,
    /// The unit or hall it was set for; `null`: the default holds.
    scope: Option<String>,
    from: Option<String>,
}

/// What holds of all thresholds in a hall, and why.
#[utoipa::path(get, path = "/api/v1/masters/halls/{store}/thresholds", tag = "masters",
    params(("store" = String, Path,), DayQuery),
    responses((status = 200, body = ThresholdsView)))]
pub(super) async fn read_thresholds(
    State(centre): State<Centre>,
    Path(hall): Path<String>,
    Query(query): Query<DayQuery>,
) -> Result<Json<ThresholdsView>> {
    let id = hall_id(&hall)?;
    let day: Date = match query.day {
        Some(day) => day
            .parse()
            .map_err(|_| WebError::invalid("day", "expected a day such as 2026-01-31"))?,
        None => centre.clock.now().to_zoned(centre.zone.clone()).date(),
    };
    let read = move |sql: &dyn Sql| {
        let chain = store::chain(sql, id.as_str())?;
        let set = store::of_family(sql, &Family::Threshold)?;
        let set: Vec<_> = set.into_iter().filter_map(dated).collect();
        let view = |bound| {
            let holds = resolve(bound, &chain, &set, day);
            HoldsView {
                name: bound.name,
                value: holds.value,
                unit: bound.unit,
                default: bound.default,
                scope: holds.because.map(|one| one.scope.clone()),
                from: holds.because.map(|one| one.from.to_string()),
            }
        };
        Ok(THRESHOLDS.iter().map(view).collect())
    };
    let thresholds = centre.store.read(read).await?;
    let day = day.to_string();
    Ok(Json(ThresholdsView { day, thresholds }))
}

fn dated(document: zhiban_vocabulary::down::Document) -> Option<Dated> {
    let content = document.content?;
    Some(Dated {
        name: content["name"].as_str()?.to_owned(),
        scope: document.scope,
        from: content["from"].as_str()?.parse().ok()?,
        value: content["value"].as_i64()?,
    })
}
