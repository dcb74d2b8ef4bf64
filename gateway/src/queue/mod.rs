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
mod search;
mod store;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use rusqlite::Connection;
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::counter::CounterState;

pub use api::add_routes;
pub use close::SlotCloser;
pub use day::run_day_close;
pub use follower::QueueFollower;
pub use live::{CounterLive, Live, QueueLive, TicketLive, live};
pub use model::{Flag, Leg, Outcome, State, Ticket, TicketKey};
pub use names::{Names, PersonView};

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
