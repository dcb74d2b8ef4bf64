//! The hall right now, as the floor page shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::from_ms;
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::facts::QueueSums;
use zhiban_vocabulary::time::{BusinessDay, elapsed_s};

use super::model::{State, TicketKey};
use super::store;

/// Live numbers of a day (F-20, F-21).
#[derive(Debug, Clone, Default)]
pub struct Live {
    pub waiting: u32,
    pub in_hall: u32,
    pub serving: u32,
    pub abandoned: u32,
    pub longest: Option<TicketLive>,
    pub sums: QueueSums,
    pub queues: BTreeMap<String, QueueLive>,
    pub counters: Vec<CounterLive>,
}

/// One queue now.
#[derive(Debug, Clone, Default)]
pub struct QueueLive {
    pub waiting: u32,
    pub called: u32,
    pub serving: u32,
    pub longest: Option<TicketLive>,
    pub sums: QueueSums,
}

/// A ticket and how long it has been in its state.
#[derive(Debug, Clone)]
pub struct TicketLive {
    pub number: String,
    pub queue: Option<String>,
    pub state: &'static str,
    pub since: Timestamp,
    pub for_s: u32,
}

/// One counter now.
#[derive(Debug, Clone)]
pub struct CounterLive {
    pub counter: String,
    pub state: CounterState,
    pub since: Timestamp,
    pub staff: Option<String>,
    pub ticket: Option<TicketLive>,
    pub finished: u32,
}

/// Reads the hall's live numbers at `now`.
///
/// # Errors
/// When the database cannot be read.
pub fn live(connection: &Connection, day: BusinessDay, now: Timestamp) -> Result<Live, StoreError> {
    let mut live = Live::default();
    read_sums(connection, day, &mut live)?;
    read_open_tickets(connection, day, now, &mut live)?;
    live.abandoned = store::count_by_state(connection, day, State::Abandoned)?;
    live.counters = read_counters(connection, day, now)?;
    Ok(live)
}

fn read_sums(connection: &Connection, day: BusinessDay, live: &mut Live) -> Result<(), StoreError> {
    let sql = "select queue, sums from queue_quarter where day = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([day.to_string()])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let sums: QueueSums = serde_json::from_str(&text)
            .map_err(|error| StoreError::Database(format!("damaged row: {error}: {text}")))?;
        live.queues
            .entry(row.get(0)?)
            .or_default()
            .sums
            .merge(&sums);
        live.sums.merge(&sums);
    }
    Ok(())
}

fn read_open_tickets(
    connection: &Connection,
    day: BusinessDay,
    now: Timestamp,
    live: &mut Live,
) -> Result<(), StoreError> {
    let sql = "select number, queue, state, coalesce(waiting_since_ms, called_ms, started_ms)
         from queue_ticket where day = ?1 and state in ('waiting', 'called', 'serving')";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([day.to_string()])?;
    while let Some(row) = rows.next()? {
        let ticket = read_ticket(row, now)?;
        let queue = live
            .queues
            .entry(ticket.queue.clone().unwrap_or_default())
            .or_default();
        live.in_hall += 1;
        if ticket.state == State::Serving.as_str() {
            live.serving += 1;
            queue.serving += 1;
            continue;
        }
        live.waiting += 1;
        queue.waiting += 1;
        queue.called += u32::from(ticket.state == State::Called.as_str());
        keep_longest(&mut queue.longest, &ticket);
        keep_longest(&mut live.longest, &ticket);
    }
    Ok(())
}

fn keep_longest(longest: &mut Option<TicketLive>, ticket: &TicketLive) {
    if longest
        .as_ref()
        .is_none_or(|longest| ticket.since < longest.since)
    {
        *longest = Some(ticket.clone());
    }
}

fn read_ticket(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<TicketLive> {
    let since = from_ms(row.get::<_, Option<i64>>(3)?.unwrap_or_default());
    let state = match row.get::<_, String>(2)?.as_str() {
        "serving" => State::Serving,
        "called" => State::Called,
        _ => State::Waiting,
    };
    Ok(TicketLive {
        number: row.get(0)?,
        queue: row.get(1)?,
        state: state.as_str(),
        since,
        for_s: elapsed_s(since, now),
    })
}

fn read_counters(
    connection: &Connection,
    day: BusinessDay,
    now: Timestamp,
) -> Result<Vec<CounterLive>, StoreError> {
    let finished = finished_by_counter(connection, day)?;
    let mut counters = Vec::new();
    for counter in store::counters(connection)? {
        let ticket = match &counter.ticket {
            Some(key) if key.day == day => ticket_at(connection, &counter.counter, key, now)?,
            _ => None,
        };
        let finished = finished.get(counter.counter.as_str()).copied().unwrap_or(0);
        counters.push(CounterLive {
            counter: counter.counter.to_string(),
            state: counter.state,
            since: counter.since,
            staff: counter.staff.map(|staff| staff.to_string()),
            ticket,
            finished,
        });
    }
    Ok(counters)
}

fn finished_by_counter(
    connection: &Connection,
    day: BusinessDay,
) -> rusqlite::Result<BTreeMap<String, u32>> {
    let sql = "select counter, count(*) from queue_ticket
         where day = ?1 and state = 'finished' and counter is not null group by counter";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_map([day.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The ticket at a counter, while it is called or served there.
fn ticket_at(
    connection: &Connection,
    counter: &CounterId,
    key: &TicketKey,
    now: Timestamp,
) -> Result<Option<TicketLive>, StoreError> {
    use rusqlite::OptionalExtension;
    let sql = "select number, queue, state, coalesce(started_ms, called_ms) from queue_ticket
         where day = ?1 and number = ?2 and counter = ?3 and state in ('called', 'serving')";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| read_ticket(row, now);
    Ok(statement
        .query_row(
            params![key.day.to_string(), key.number.as_str(), counter.as_str()],
            read,
        )
        .optional()?)
}
