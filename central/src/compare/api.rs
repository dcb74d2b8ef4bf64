//! Routes of the comparison.

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::roles::Capability;

use super::due::{Fresh, Moment};
use super::model::{Measure, Period};
use super::rows::{HallRow, rows};
use super::{series, stream};
use crate::centre::Centre;
use crate::facts::Tally;
use crate::stores;

/// Most halls in one series.
const STORES_MAX: usize = 50;

/// Adds the routes of this slice.
#[must_use]
pub fn add_routes(api: Api, centre: &Centre) -> Api {
    let halls = Access::Needs(Capability::HallsRead);
    api.route(halls, centre.with(routes!(compare)))
        .route(halls, centre.with(routes!(read_series)))
        .route(halls, centre.with(routes!(stream::stream_changes)))
}

/// The figures of one hall or of many together. What is not known is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct Numbers {
    pub issued: Option<u64>,
    pub finished: Option<u64>,
    pub no_show: Option<u64>,
    /// Of tickets finished or not shown up.
    pub no_show_bp: Option<u64>,
    pub abandoned: Option<u64>,
    pub waiting_n: Option<u64>,
    pub waiting_p50_s: Option<u32>,
    pub waiting_p90_s: Option<u32>,
    pub handling_n: Option<u64>,
    pub handling_p50_s: Option<u32>,
    /// Number of ratings by score, worst first.
    pub ratings: Option<[u64; 5]>,
    pub rated: Option<u64>,
    /// Finished and not rated.
    pub unrated: Option<u64>,
    pub rating_mean_x100: Option<u64>,
    pub climate_measured_min: Option<u64>,
    pub climate_in_band_bp: Option<u64>,
    /// Quarter hours of opening time that are over.
    pub slots_expected: Option<u32>,
    pub slots_received: Option<u32>,
    pub completeness_bp: Option<u32>,
}

impl Numbers {
    fn new(tally: Option<&Tally>, expected: Option<u32>, received: Option<u32>) -> Self {
        let measured = tally.filter(|tally| tally.climate_measured_min > 0);
        Self {
            issued: tally.map(|t| t.issued),
            finished: tally.map(|t| t.finished),
            no_show: tally.map(|t| t.no_show),
            no_show_bp: tally.and_then(Tally::no_show_bp),
            abandoned: tally.map(|t| t.abandoned),
            waiting_n: tally.map(|t| t.waiting.count()),
            waiting_p50_s: tally.and_then(|t| t.waiting.percentile_s(5_000)),
            waiting_p90_s: tally.and_then(|t| t.waiting.percentile_s(9_000)),
            handling_n: tally.map(|t| t.handling.count()),
            handling_p50_s: tally.and_then(|t| t.handling.percentile_s(5_000)),
            ratings: tally.map(|t| t.ratings),
            rated: tally.map(Tally::rated),
            unrated: tally.map(|t| t.finished.saturating_sub(t.rated())),
            rating_mean_x100: tally.and_then(Tally::rating_mean_x100),
            climate_measured_min: measured.map(|t| t.climate_measured_min),
            climate_in_band_bp: measured.and_then(Tally::climate_in_band_bp),
            slots_expected: expected,
            slots_received: received,
            completeness_bp: completeness_bp(expected, received),
        }
    }

    /// Merged over halls; halls that have sent nothing add nothing.
    fn total(rows: &[HallRow]) -> Self {
        let tally = rows.iter().filter_map(|row| row.tally.as_ref()).fold(
            None,
            |sum: Option<Tally>, tally| {
                let mut sum = sum.unwrap_or_default();
                sum.merge(tally);
                Some(sum)
            },
        );
        let known = || rows.iter().filter(|row| row.slots_expected.is_some());
        let expected = known().filter_map(|row| row.slots_expected).sum();
        let received = known().map(|row| row.slots_received).sum();
        let any = known().next().is_some();
        Self::new(
            tally.as_ref(),
            any.then_some(expected),
            any.then_some(received),
        )
    }
}

/// Share of what is expected that came; `None` when nothing is expected yet.
pub(crate) fn completeness_bp(expected: Option<u32>, received: Option<u32>) -> Option<u32> {
    let share = (u64::from(received?) * 10_000).checked_div(u64::from(expected?))?;
    u32::try_from(share).ok()
}

/// One hall in the comparison.
#[derive(Debug, Serialize, ToSchema)]
struct RowView {
    store: String,
    name: String,
    peer_group: Option<String>,
    #[serde(flatten)]
    numbers: Numbers,
    #[schema(value_type = Option<String>, format = DateTime)]
    data_through: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    fresh: Fresh,
    /// Tickets issued by hour of the period, or by day in periods of more than two days.
    sparkline: Vec<Option<u64>>,
}

impl From<HallRow> for RowView {
    fn from(row: HallRow) -> Self {
        let received = Some(row.slots_received);
        Self {
            numbers: Numbers::new(row.tally.as_ref(), row.slots_expected, received),
            name: row.hall.name().to_owned(),
            peer_group: row.hall.peer_group().map(str::to_owned),
            store: row.hall.store.to_string(),
            data_through: row.data_through,
            last_seen: row.hall.last_seen,
            fresh: row.fresh,
            sparkline: row.sparkline,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Comparison {
    from: String,
    to: String,
    /// The centre's clock.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    halls_expected: usize,
    /// Halls of which nothing that is due is missing.
    halls_complete: usize,
    /// All peer groups there are, also when one was chosen.
    peer_groups: Vec<String>,
    rows: Vec<RowView>,
    total: Numbers,
}

#[derive(Debug, Deserialize, IntoParams)]
struct CompareQuery {
    /// First day, such as `2020-01-02`; today when absent.
    from: Option<String>,
    /// Last day; today when absent.
    to: Option<String>,
    /// Only halls of this group.
    peer_group: Option<String>,
}

/// Halls side by side.
#[utoipa::path(get, path = "/api/v1/compare", tag = "compare", params(CompareQuery),
    responses((status = 200, body = Comparison)))]
async fn compare(
    State(centre): State<Centre>,
    Query(query): Query<CompareQuery>,
) -> Result<Json<Comparison>> {
    let period = Period::parse(query.from.as_deref(), query.to.as_deref(), centre.today())?;
    let moment = Moment::of(&centre.clock);
    let chosen = query.peer_group.filter(|group| !group.is_empty());
    let read = move |sql: &dyn Sql| {
        let mut halls = stores::all(sql)?;
        let peer_groups = peer_groups(&halls);
        halls.retain(|hall| chosen.is_none() || hall.peer_group() == chosen.as_deref());
        Ok((rows(sql, halls, moment, period)?, peer_groups))
    };
    let (rows, peer_groups) = centre.store.read(read).await?;
    Ok(Json(Comparison {
        from: crate::facts::day_of(period.from).to_string(),
        to: crate::facts::day_of(period.to).to_string(),
        as_of: moment.now,
        halls_expected: rows.len(),
        halls_complete: rows.iter().filter(|row| row.is_complete()).count(),
        peer_groups,
        total: Numbers::total(&rows),
        rows: rows.into_iter().map(RowView::from).collect(),
    }))
}

fn peer_groups(halls: &[stores::Hall]) -> Vec<String> {
    let groups = halls.iter().filter_map(stores::Hall::peer_group);
    let sorted: std::collections::BTreeSet<&str> = groups.collect();
    sorted.into_iter().map(str::to_owned).collect()
}

#[derive(Debug, Deserialize, IntoParams)]
struct SeriesQuery {
    from: Option<String>,
    to: Option<String>,
    /// Name of a field of a row, such as `issued` or `waiting_p50_s`.
    measure: String,
    /// Ids of halls, separated by commas.
    stores: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Series {
    /// Hours of the centre's clock, or midnights in periods of more than two days.
    #[schema(value_type = Vec<String>)]
    points: Vec<Timestamp>,
    series: Vec<Line>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Line {
    store: String,
    name: String,
    values: Vec<Option<u64>>,
}

/// One measure of a few halls over time.
#[utoipa::path(get, path = "/api/v1/compare/series", tag = "compare", params(SeriesQuery),
    responses((status = 200, body = Series)))]
async fn read_series(
    State(centre): State<Centre>,
    Query(query): Query<SeriesQuery>,
) -> Result<Json<Series>> {
    let period = Period::parse(query.from.as_deref(), query.to.as_deref(), centre.today())?;
    let measure = Measure::from_name(&query.measure)
        .ok_or_else(|| WebError::invalid("measure", "is not a measure that can be drawn"))?;
    let ids = parse_stores(&query.stores)?;
    let points = series::points(period, &centre.zone);
    let count = points.len();
    let read = move |sql: &dyn Sql| {
        let mut lines = Vec::new();
        for id in &ids {
            let Some(hall) = stores::one(sql, id)? else {
                continue;
            };
            lines.push(Line {
                store: id.to_string(),
                name: hall.name().to_owned(),
                values: series::values(sql, &hall, period, measure, count)?,
            });
        }
        Ok(lines)
    };
    let series = centre.store.read(read).await?;
    Ok(Json(Series { points, series }))
}

fn parse_stores(text: &str) -> Result<Vec<StoreId>> {
    let ids = text.split(',').filter(|id| !id.is_empty());
    let ids: Vec<StoreId> = ids
        .map(|id| {
            id.parse()
                .map_err(|error| WebError::invalid("stores", error))
        })
        .collect::<Result<_>>()?;
    if ids.len() > STORES_MAX {
        return Err(WebError::invalid("stores", "at most 50 at once"));
    }
    Ok(ids)
}
