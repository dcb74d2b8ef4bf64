//! Counters as kept.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::counter::CounterState;

use super::super::counters::CounterNow;
use super::super::model::TicketKey;

const COUNTER: &str =
    "select counter, state, since_ms, staff, ticket_day, ticket_number, ticket_ms,
     heard from queue_counter";

pub(in super::super) fn counter(
    connection: &Connection,
    counter: &CounterId,
) -> Result<Option<CounterNow>> {
    let sql = format!("{COUNTER} where counter = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement
        .query_row([counter.as_str()], read_counter)
        .optional()?
        .flatten())
}

pub(in super::super) fn counters(connection: &Connection) -> Result<Vec<CounterNow>> {
    let mut statement = connection.prepare_cached(COUNTER)?;
    statement
        .query_map([], read_counter)?
        .filter_map(Result::transpose)
        .collect()
}

fn read_counter(row: &Row<'_>) -> Result<Option<CounterNow>> {
    let Ok(counter) = row.get::<_, String>(0)?.parse() else {
        return Ok(None);
    };
    let state = match row.get::<_, String>(1)?.as_str() {
        "open" => CounterState::Open,
        "busy" => CounterState::Busy,
        "break" => CounterState::Break,
        _ => CounterState::Closed,
    };
    let text = |column| row.get::<_, Option<String>>(column);
    let day = text(4)?.and_then(|day| day.parse().ok());
    let number = text(5)?.and_then(|number| number.parse().ok());
    Ok(Some(CounterNow {
        counter,
        heard: row.get(7)?,
        state,
        since: from_ms(row.get(2)?),
        staff: text(3)?.and_then(|staff| staff.parse().ok()),
        ticket: day
            .zip(number)
            .map(|(day, number)| TicketKey { day, number }),
        ticket_at: row.get::<_, Option<i64>>(6)?.map(from_ms),
    }))
}

pub(in super::super) fn save_counter(connection: &Connection, now: &CounterNow) -> Result<()> {
    let sql = "insert or replace into queue_counter values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        now.counter.as_str(),
        now.heard,
        now.state.as_str(),
        to_ms(now.since),
        now.staff.as_ref().map(AsRef::as_ref),
        now.ticket.as_ref().map(|key| key.day.to_string()),
        now.ticket.as_ref().map(|key| key.number.as_str()),
        now.ticket_at.map(to_ms),
    ])?;
    Ok(())
}
