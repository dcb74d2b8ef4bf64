//! Routes: the tickets behind every number, and the trail of one ticket.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use zhiban_config::GatewayConfig;
use zhiban_kernel::StoreError;
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_vocabulary::roles::Capability;
use zhiban_vocabulary::time::BusinessDay;

use super::model::{Ticket, TicketKey};
use super::store;
use crate::journal::{self, Journal};
use crate::routes::with_state;

/// Readable names of queues, counters and people, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<NameTables>);

#[derive(Debug, Default)]
struct NameTables {
    queues: HashMap<String, String>,
    counters: Vec<(String, String)>,
    staff: HashMap<String, String>,
}

impl Names {
    #[must_use]
    pub fn new(config: &GatewayConfig) -> Self {
        let queues = config
            .queues
            .iter()
            .map(|q| (q.id.to_string(), q.name.clone()));
        let counters = config
            .counters
            .iter()
            .map(|c| (c.id.to_string(), c.name.clone()));
        let staff = config
            .staff
            .iter()
            .map(|s| (s.id.to_string(), s.name.clone()));
        Self(Arc::new(NameTables {
            queues: queues.collect(),
            counters: counters.collect(),
            staff: staff.collect(),
        }))
    }

    /// The id itself when nobody named it.
    #[must_use]
    pub fn queue(&self, id: &str) -> String {
        self.0
            .queues
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_owned())
    }

    #[must_use]
    pub fn staff(&self, id: &str) -> String {
        self.0
            .staff
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_owned())
    }

    /// Configured counters, in the order of the configuration.
    #[must_use]
    pub fn counters(&self) -> &[(String, String)] {
        &self.0.counters
    }

    /// Configured queues by id.
    #[must_use]
    pub fn queues(&self) -> &HashMap<String, String> {
        &self.0.queues
    }
}

#[derive(Debug, Clone)]
struct Tickets {
    journal: Journal,
    names: Names,
    zone: jiff::tz::TimeZone,
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, journal: &Journal, names: &Names, zone: jiff::tz::TimeZone) -> Api {
    let rule = Access::Needs(Capability::TicketsRead);
    let tickets = Tickets {
        journal: journal.clone(),
        names: names.clone(),
        zone,
    };
    api.route(rule, with_state(routes!(list_tickets), &tickets))
        .route(rule, with_state(routes!(read_ticket), &tickets))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
struct TicketQuery {
    /// Business day, today when absent.
    day: Option<String>,
    /// A state, or `open` for everyone in the hall, or `waiting-or-called`.
    state: Option<String>,
    queue: Option<String>,
    counter: Option<String>,
    staff: Option<String>,
    flagged: Option<bool>,
    /// Part of a ticket number.
    q: Option<String>,
    /// `issued` (default), `waiting` or `handling`
    sort: Option<String>,
    /// `asc` or `desc` (default)
    dir: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
    /// `csv` for a table to download
    format: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TicketsView {
    day: String,
    total: u32,
    tickets: Vec<TicketView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TicketView {
    number: String,
    queue: String,
    queue_name: String,
    class: &'static str,
    state: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    issued_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    called_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    waiting_s: Option<u32>,
    handling_s: Option<u32>,
    counter: Option<String>,
    staff: Option<PersonView>,
    /// 1 to 5, 5 = best
    rating: Option<u8>,
    calls: u32,
    flags: Vec<&'static str>,
}

/// A member of staff.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonView {
    pub staff: String,
    pub name: String,
}

fn view(names: &Names, number: String, ticket: &Ticket) -> TicketView {
    let leg = ticket.leg();
    let queue = leg
        .queue
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    TicketView {
        number,
        queue_name: names.queue(&queue),
        queue,
        class: ticket.class.as_str(),
        state: ticket.state().as_str(),
        issued_at: ticket.issued_at(),
        called_at: leg.called_at,
        started_at: leg.started_at,
        ended_at: leg.ended_at,
        waiting_s: leg.waiting_s(),
        handling_s: leg.handling_s(),
        counter: leg.counter.as_ref().map(ToString::to_string),
        staff: leg.staff.as_ref().map(|staff| PersonView {
            staff: staff.to_string(),
            name: names.staff(staff.as_str()),
        }),
        rating: ticket.rating.as_ref().map(|rating| rating.score.value()),
        calls: ticket.calls,
        flags: ticket.flags.iter().map(|flag| flag.as_str()).collect(),
    }
}

/// Tickets of a day.
#[utoipa::path(get, path = "/api/v1/tickets", tag = "queue", params(TicketQuery),
    responses((status = 200, body = TicketsView)))]
async fn list_tickets(
    State(tickets): State<Tickets>,
    Query(query): Query<TicketQuery>,
) -> Result<Response> {
    let now = tickets.journal.clock().now();
    let day = match query.day.as_deref().filter(|day| !day.is_empty()) {
        Some(day) => parse_day(day)?,
        None => BusinessDay::of(now, &tickets.zone),
    };
    let csv = query.format.as_deref() == Some("csv");
    let search = Search::new(&query, day, csv)?;
    let read = move |connection: &Connection| search.run(connection);
    let (total, rows) = tickets.journal.store().read(read).await?;
    let views = rows
        .iter()
        .map(|(number, ticket)| view(&tickets.names, number.clone(), ticket));
    if csv {
        return csv_of(day, views);
    }
    let tickets = views.collect();
    Ok(Json(TicketsView {
        day: day.to_string(),
        total,
        tickets,
    })
    .into_response())
}

fn parse_day(text: &str) -> Result<BusinessDay> {
    text.parse().map_err(|_| {
        WebError::invalid(
            "day",
            format!("expected a day like 2026-01-31, found {text:?}"),
        )
    })
}

/// A query put together from fixed parts; what people typed only ever becomes a parameter.
struct Search {
    filter: String,
    order: String,
    parameters: Vec<Sql>,
    limit: u32,
    offset: u32,
}

impl Search {
    fn new(query: &TicketQuery, day: BusinessDay, whole: bool) -> Result<Self> {
        let mut filter = String::from("day = ?");
        let mut parameters = vec![Sql::Text(day.to_string())];
        match query.state.as_deref().filter(|state| !state.is_empty()) {
            None => {}
            Some("open") => filter.push_str(" and state in ('waiting', 'called', 'serving')"),
            Some("waiting-or-called") => filter.push_str(" and state in ('waiting', 'called')"),
            Some(state) => {
                filter.push_str(" and state = ?");
                parameters.push(Sql::Text(state.to_owned()));
            }
        }
        let equals = [
            (" and queue = ?", &query.queue),
            (" and counter = ?", &query.counter),
            (" and staff = ?", &query.staff),
            (" and instr(lower(number), lower(?)) > 0", &query.q),
        ];
        for (clause, value) in equals {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                filter.push_str(clause);
                parameters.push(Sql::Text(value.clone()));
            }
        }
        if query.flagged == Some(true) {
            filter.push_str(" and flagged");
        }
        let limit = if whole {
            1_000_000
        } else {
            query.limit.unwrap_or(50).clamp(1, 500)
        };
        let offset = if whole { 0 } else { query.offset.unwrap_or(0) };
        Ok(Self {
            filter,
            order: order(query)?,
            parameters,
            limit,
            offset,
        })
    }

    fn run(&self, connection: &Connection) -> std::result::Result<Found, StoreError> {
        let parameters = || rusqlite::params_from_iter(self.parameters.iter());
        let count = format!("select count(*) from queue_ticket where {}", self.filter);
        let total = connection
            .prepare_cached(&count)?
            .query_row(parameters(), |row| row.get(0))?;
        let sql = format!(
            "select number, ticket from queue_ticket where {} order by {} limit {} offset {}",
            self.filter, self.order, self.limit, self.offset,
        );
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let mut statement = connection.prepare_cached(&sql)?;
        let rows: Vec<_> = statement
            .query_map(parameters(), read)?
            .collect::<rusqlite::Result<_>>()?;
        let parse = |(number, text): (String, String)| match serde_json::from_str(&text) {
            Ok(ticket) => Ok((number, ticket)),
            Err(error) => Err(StoreError::Database(format!(
                "damaged ticket {number}: {error}"
            ))),
        };
        Ok((
            total,
            rows.into_iter()
                .map(parse)
                .collect::<std::result::Result<_, _>>()?,
        ))
    }
}

type Found = (u32, Vec<(String, Ticket)>);

fn order(query: &TicketQuery) -> Result<String> {
    let column = match query.sort.as_deref() {
        None | Some("issued" | "") => "coalesce(issued_ms, called_ms)",
        Some("waiting") => "waiting_s",
        Some("handling") => "handling_s",
        Some(other) => {
            let problem = format!("expected issued, waiting or handling, found {other:?}");
            return Err(WebError::invalid("sort", problem));
        }
    };
    let direction = if query.dir.as_deref() == Some("asc") {
        "asc"
    } else {
        "desc"
    };
    Ok(format!(
        "{column} {direction} nulls last, number {direction}"
    ))
}

fn csv_of(day: BusinessDay, views: impl Iterator<Item = TicketView>) -> Result<Response> {
    let internal = |error: &dyn std::fmt::Display| WebError::Internal(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::from("\u{feff}"));
    let header = [
        "number",
        "queue",
        "class",
        "state",
        "issued_at",
        "called_at",
        "started_at",
        "ended_at",
        "waiting_s",
        "handling_s",
        "counter",
        "staff",
        "rating",
        "flags",
    ];
    writer
        .write_record(header)
        .map_err(|error| internal(&error))?;
    let time = |time: Option<Timestamp>| time.map(|t| t.to_string()).unwrap_or_default();
    let number = |value: Option<u32>| value.map(|n| n.to_string()).unwrap_or_default();
    for ticket in views {
        let record = [
            safe(ticket.number),
            safe(ticket.queue_name),
            ticket.class.into(),
            ticket.state.into(),
            time(ticket.issued_at),
            time(ticket.called_at),
            time(ticket.started_at),
            time(ticket.ended_at),
            number(ticket.waiting_s),
            number(ticket.handling_s),
            safe(ticket.counter.unwrap_or_default()),
            safe(ticket.staff.map(|person| person.name).unwrap_or_default()),
            number(ticket.rating.map(u32::from)),
            ticket.flags.join(" "),
        ];
        writer
            .write_record(record)
            .map_err(|error| internal(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| internal(&error))?;
    let name = format!("attachment; filename=\"tickets-{day}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, bytes).into_response())
}

/// A cell a spreadsheet would take for a formula is made text.
fn safe(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct TicketTrail {
    ticket: TicketView,
    events: Vec<EventView>,
}

/// One report about a ticket, and what was odd about it.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    /// Journal id.
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    received: Timestamp,
    device: String,
    kind: String,
    counter: Option<String>,
    staff: Option<PersonView>,
    flag: Option<String>,
    #[schema(value_type = Object)]
    payload: serde_json::Value,
}

/// One ticket with everything that was reported about it.
#[utoipa::path(get, path = "/api/v1/tickets/{day}/{number}", tag = "queue",
    params(("day" = String, Path), ("number" = String, Path)),
    responses((status = 200, body = TicketTrail)))]
async fn read_ticket(
    State(tickets): State<Tickets>,
    Path((day, number)): Path<(String, String)>,
) -> Result<Json<TicketTrail>> {
    let missing = || WebError::NotFound(format!("ticket {number} of {day}"));
    let key = TicketKey {
        day: parse_day(&day)?,
        number: number.parse().map_err(|_| missing())?,
    };
    let read = move |connection: &Connection| {
        let Some(ticket) = store::ticket(connection, &key)? else {
            return Ok(None);
        };
        Ok(Some((ticket, trail(connection, &key)?)))
    };
    let found = tickets.journal.store().read(read).await?;
    let (ticket, events) = found.ok_or_else(missing)?;
    let names = &tickets.names;
    let events = events
        .into_iter()
        .map(|(report, flag)| event_view(names, report, flag))
        .collect();
    Ok(Json(TicketTrail {
        ticket: view(names, number.clone(), &ticket),
        events,
    }))
}

type Trail = Vec<(journal::RawReport, Option<String>)>;

fn trail(connection: &Connection, key: &TicketKey) -> std::result::Result<Trail, StoreError> {
    let sql = "select journal_id, flag from queue_event where day = ?1 and number = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let flags: HashMap<i64, Option<String>> = statement
        .query_map([key.day.to_string(), key.number.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut ids: Vec<_> = flags.keys().copied().collect();
    ids.sort_unstable();
    let reports = journal::reports_of_ids(connection, &ids)?;
    let with_flag = |report: journal::RawReport| {
        let flag = flags.get(&report.id).cloned().flatten();
        (report, flag)
    };
    Ok(reports.into_iter().map(with_flag).collect())
}

fn event_view(names: &Names, report: journal::RawReport, flag: Option<String>) -> EventView {
    let payload: serde_json::Value = serde_json::from_slice(&report.payload).unwrap_or_default();
    let text = |name: &str| {
        payload
            .get(name)
            .and_then(|v| v.as_str())
            .map(str::to_owned)
    };
    EventView {
        id: report.id,
        at: report.time,
        received: report.received,
        device: report.device,
        kind: report.kind,
        counter: text("counter"),
        staff: text("staff").map(|staff| PersonView {
            name: names.staff(&staff),
            staff,
        }),
        flag,
        payload,
    }
}
