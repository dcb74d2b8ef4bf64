//! Routes: the rows behind a figure, and who asked for them.

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{About, Outcome, ROWS_MAX, Rows};
use zhiban_vocabulary::roles::Capability;

use super::store::{self, Past, Wanted};
use super::{Asker, Questions};
use crate::stores::{self, Hall};

/// Longest mark that is passed on to a hall.
const AFTER_CHARS_MAX: usize = 200;

/// Adds the routes of this slice.
#[must_use]
pub fn add_routes(api: Api, questions: &Questions) -> Api {
    fn with(state: &Questions, routes: UtoipaMethodRouter<Questions>) -> UtoipaMethodRouter {
        let (schemas, paths, handlers) = routes;
        (schemas, paths, handlers.with_state(state.clone()))
    }
    let drill = Access::Needs(Capability::HallsDrill);
    let audit = Access::Needs(Capability::AuditRead);
    api.route(drill, with(questions, routes!(ask_rows)))
        .route(audit, with(questions, routes!(list_questions)))
}

/// Which rows of a hall.
#[derive(Debug, Deserialize, ToSchema)]
struct RowsAsked {
    /// `tickets`, `reports` or `alarms`
    rows: String,
    /// Of tickets and reports, such as `2020-01-02`.
    day: Option<String>,
    /// Of tickets.
    queue: Option<String>,
    /// Of tickets.
    counter: Option<String>,
    /// Tickets issued from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Tickets issued before.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Of reports.
    device: Option<String>,
    /// What the answer before gave as `next`.
    after: Option<String>,
    /// 1 to 500, 100 when absent.
    limit: Option<u32>,
}

impl RowsAsked {
    fn about(self) -> Result<About> {
        let limit = self.limit.unwrap_or(100);
        if !(1..=ROWS_MAX).contains(&limit) {
            let problem = format!("expected 1 to {ROWS_MAX}, found {limit}");
            return Err(WebError::invalid("limit", problem));
        }
        let is_long = |after: &String| after.chars().count() > AFTER_CHARS_MAX;
        if self.after.as_ref().is_some_and(is_long) {
            return Err(WebError::invalid("after", "longer than any answer gave"));
        }
        let rows = match self.rows.as_str() {
            "tickets" => Rows::Tickets {
                day: needed("day", self.day.as_deref())?,
                queue: given("queue", self.queue.as_deref())?,
                counter: given("counter", self.counter.as_deref())?,
                from: self.from,
                until: self.until,
            },
            "reports" => Rows::Reports {
                device: needed("device", self.device.as_deref())?,
                day: needed("day", self.day.as_deref())?,
            },
            "alarms" => Rows::Alarms,
            other => {
                let problem = format!("expected tickets, reports or alarms, found {other:?}");
                return Err(WebError::invalid("rows", problem));
            }
        };
        Ok(About {
            rows,
            after: self.after,
            limit,
        })
    }
}

fn needed<T: std::str::FromStr>(field: &'static str, text: Option<&str>) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    given(field, text)?.ok_or_else(|| WebError::invalid(field, "is needed for these rows"))
}

fn given<T: std::str::FromStr>(field: &'static str, text: Option<&str>) -> Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    let text = text.filter(|text| !text.is_empty());
    let read = |text: &str| {
        text.parse()
            .map_err(|error| WebError::invalid(field, error))
    };
    text.map(read).transpose()
}

/// Rows as the hall sent them.
#[derive(Debug, Serialize, ToSchema)]
struct RowsView {
    /// Of the hall.
    name: String,
    /// Of the hall; absent until its profile came.
    time_zone: Option<String>,
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Value>,
    /// To be given as `after` for those behind them; absent when there are no more.
    next: Option<String>,
}

/// The rows behind a figure, from the hall itself. It says so when it shows them not, or does not
/// answer within 10 s.
#[utoipa::path(post, path = "/api/v1/halls/{store}/rows", tag = "halls",
    params(("store" = String, Path)), request_body = RowsAsked,
    responses((status = 200, body = RowsView), (status = 409), (status = 503)))]
async fn ask_rows(
    State(questions): State<Questions>,
    Path(store): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(asked): Json<RowsAsked>,
) -> Result<Json<RowsView>> {
    let unknown = || WebError::NotFound(format!("hall {store:?}"));
    let id: StoreId = store.parse().map_err(|_| unknown())?;
    let about = asked.about()?;
    let of = id.clone();
    let hall = questions.store.read(move |sql| stores::one(sql, &of));
    let hall = hall.await?.ok_or_else(unknown)?;
    let address = address.to_string();
    let outcome = questions.ask(id, &about, Asker { who, address }).await?;
    match outcome {
        Some(Outcome::Rows { rows, next }) => Ok(Json(RowsView {
            name: hall.name().to_owned(),
            time_zone: hall.profile.map(|profile| profile.time_zone),
            rows,
            next,
        })),
        Some(Outcome::Denied { reason }) => {
            let facts = json!({"hall": hall.name(), "why": reason.as_str()});
            let text = "the hall does not show these rows to you";
            Err(WebError::Conflict(text.into()).because("hall-denied", facts))
        }
        Some(Outcome::Unanswered { reason }) => {
            let facts = json!({"hall": hall.name(), "why": reason.as_str()});
            let text = "the hall cannot answer this";
            Err(WebError::Conflict(text.into()).because("hall-unanswered", facts))
        }
        None => Err(away(&hall)),
    }
}

fn away(hall: &Hall) -> WebError {
    let facts = json!({"hall": hall.name(), "last_seen": hall.last_seen});
    let text = "the hall did not answer within 10 s";
    WebError::Unavailable(text.into()).because("hall-away", facts)
}

#[derive(Debug, Serialize, ToSchema)]
struct QuestionsView {
    questions: Vec<QuestionView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct QuestionView {
    store: String,
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
    asked_by: String,
    roles: Vec<String>,
    /// Which rows.
    #[schema(value_type = Object)]
    about: Value,
    /// `rows`, `denied`, `unanswered` or `away`; absent while somebody waits.
    outcome: Option<String>,
    reason: Option<String>,
    /// How many came.
    rows: Option<i64>,
}

impl From<Past> for QuestionView {
    fn from(past: Past) -> Self {
        Self {
            store: past.store,
            asked: past.asked,
            asked_by: past.asked_by,
            roles: past.roles.split(',').map(str::to_owned).collect(),
            about: serde_json::from_str(&past.about).unwrap_or_default(),
            outcome: past.outcome,
            reason: past.reason,
            rows: past.rows,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
struct QuestionsQuery {
    /// Of this hall alone.
    store: Option<String>,
    /// Of the person with this staff number alone.
    asked_by: Option<String>,
    /// Asked before.
    #[param(value_type = Option<String>, format = DateTime)]
    before: Option<Timestamp>,
}

/// Who asked halls for rows, newest first, 200 at most.
#[utoipa::path(get, path = "/api/v1/questions", tag = "halls", params(QuestionsQuery),
    responses((status = 200, body = QuestionsView)))]
async fn list_questions(
    State(questions): State<Questions>,
    Query(query): Query<QuestionsQuery>,
) -> Result<Json<QuestionsView>> {
    let wanted = Wanted {
        store: query.store.unwrap_or_default(),
        asked_by: query.asked_by.unwrap_or_default(),
        before: query.before,
    };
    let read = move |sql: &dyn Sql| store::newest(sql, &wanted);
    let found = questions.store.read(read).await?;
    let questions = found.into_iter().map(QuestionView::from).collect();
    Ok(Json(QuestionsView { questions }))
}
