//! The queue: tickets, counters and ratings made of reports, and the facts made of tickets.
//!
//! One straight line: [`follower`] takes journal entries, [`fold`] turns (ticket, event) into the
//! next ticket, [`tally`] says what a ticket adds to which sums, `store` keeps all three, and
//! [`close`] hands the sums of ended quarter hours to the outbox.

mod api;
mod close;
mod counters;
mod day;
mod fold;
mod follower;
mod live;
mod model;
mod names;
mod rows;
mod search;
mod store;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::{CounterId, TicketNumber};

pub use api::add_routes;
pub use close::{SlotCloser, restate};
pub use day::run_day_close;
pub use follower::QueueFollower;
pub use live::{CounterLive, Live, QueueLive, TicketLive, live};
pub use model::{Flag, Leg, Outcome, State, Ticket, TicketKey};
pub use names::{Names, PersonView};
pub use rows::{TicketRow, TicketRows, ticket_rows};

/// What a counter is doing; closed, where nobody has told.
///
/// # Errors
/// When the database cannot be read.
pub fn counter_state(
    connection: &Connection,
    counter: &CounterId,
) -> rusqlite::Result<CounterState> {
    let known = store::counter(connection, counter)?;
    Ok(known.map_or(CounterState::Closed, |now| now.state))
}

/// What is at a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtCounter {
    Called(TicketNumber),
    Served(TicketNumber),
    Nobody(CounterState),
}

/// What is at a counter by what was told of it last, be it a ticket or its state: who closes a
/// counter with a customer at it has closed it. `None` for one nobody has told of.
///
/// # Errors
/// When the database cannot be read.
pub fn at_counter(
    connection: &Connection,
    counter: &CounterId,
) -> Result<Option<AtCounter>, StoreError> {
    let Some(now) = store::counter(connection, counter)? else {
        return Ok(None);
    };
    let nobody = Some(AtCounter::Nobody(now.state));
    let is_older = now.ticket_at.is_none_or(|at| now.heard && at < now.since);
    let Some(key) = now.ticket.filter(|_| !is_older) else {
        return Ok(nobody);
    };
    let ticket = store::ticket(connection, &key)?;
    let here = ticket.filter(|ticket| ticket.leg().counter.as_ref() == Some(counter));
    Ok(match here.map(|ticket| ticket.state()) {
        Some(State::Called) => Some(AtCounter::Called(key.number)),
        Some(State::Serving) => Some(AtCounter::Served(key.number)),
        _ => nobody,
    })
}
