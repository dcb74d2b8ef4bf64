//! Search over the tickets of a day.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row};
use serde::Deserialize;
use utoipa::IntoParams;
use zhiban_kernel::StoreError;
use zhiban_kernel::web::{Result, WebError};
use zhiban_vocabulary::time::BusinessDay;

use super::model::Ticket;

#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct TicketQuery {
    /// Business day, today when absent.
    pub(super) day: Option<String>,
    /// A state, or `open` for everyone in the hall, or `waiting-or-called`.
    state: Option<String>,
    queue: Option<String>,
    counter: Option<String>,
    staff: Option<String>,
    flagged: Option<bool>,
    /// Only tickets whose issue was seen: those the day's number of tickets counts.
    issued: Option<bool>,
    /// Only tickets the customer rated.
    rated: Option<bool>,
    /// Part of a ticket number.
    q: Option<String>,
    /// `issued` (default), `waiting` or `handling`
    sort: Option<String>,
    /// `asc` or `desc` (default)
    dir: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
    /// `csv` for a table to download
    pub(super) format: Option<String>,
}

/// A query put together from fixed parts; what people typed only ever becomes a parameter.
pub(super) struct Search {
    filter: String,
    order: String,
    parameters: Vec<Sql>,
    limit: u32,
    offset: u32,
}

impl Search {
    pub(super) fn new(query: &TicketQuery, day: BusinessDay, whole: bool) -> Result<Self> {
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
        if query.issued == Some(true) {
            filter.push_str(" and issued_ms is not null");
        }
        if query.rated == Some(true) {
            filter.push_str(" and rating is not null");
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

    pub(super) fn run(&self, connection: &Connection) -> std::result::Result<Found, StoreError> {
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
