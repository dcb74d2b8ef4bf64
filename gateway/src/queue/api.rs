//! Routes: the tickets behind every number, and the trail of one ticket.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::StoreError;
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_vocabulary::roles::Capability;
use zhiban_vocabulary::time::BusinessDay;

use super::model::{Ticket, TicketKey};
use super::names::{Names, PersonView};
use super::search::{Search, TicketQuery};
use super::{store, table};
use crate::journal::{self, Journal};
use crate::routes::with_state;

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

#[derive(Debug, Serialize, ToSchema)]
struct TicketsView {
    day: String,
    total: u32,
    tickets: Vec<TicketView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketView {
    pub(super) number: String,
    pub(super) queue: String,
    pub(super) queue_name: String,
    pub(super) class: &'static str,
    pub(super) state: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) issued_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) called_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) ended_at: Option<Timestamp>,
    pub(super) waiting_s: Option<u32>,
    pub(super) handling_s: Option<u32>,
    pub(super) counter: Option<String>,
    pub(super) staff: Option<PersonView>,
    /// 1 to 5, 5 = best
    pub(super) rating: Option<u8>,
    pub(super) calls: u32,
    pub(super) flags: Vec<&'static str>,
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
        return table::csv_of(day, views);
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
