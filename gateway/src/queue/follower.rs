//! Follows the journal: ticket events, counter states and ratings become rows and sums.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::counter::CounterChange;
use zhiban_vocabulary::facts::CounterSums;
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::time::{BusinessDay, elapsed_s};

use super::counters::CounterNow;
use super::fold::{Folded, abandon, fold, imply_end, rate};
use super::model::{Flag, State, Ticket, TicketKey};
use super::store::{self, RatingRow};
use super::tally::CounterKey;
use crate::devices;
use crate::journal::{Entry, Follower};

/// How long after its end a ticket can still be rated at its counter.
const RATING_LATE_MAX_S: u32 = 300;

/// Follower `queue`.
#[derive(Debug)]
pub struct QueueFollower {
    zone: TimeZone,
}

impl QueueFollower {
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        Self { zone }
    }
}

impl Follower for QueueFollower {
    const NAME: &'static str = "queue";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            match &entry.observation {
                Observation::Ticket(event) => self.ticket(connection, entry, event)?,
                Observation::Counter(change) => counter(connection, entry, change, &self.zone)?,
                Observation::Rating(rating) => self.rating(connection, entry, rating)?,
                Observation::DayClosed(closed) => {
                    close_day(connection, closed.day, entry, &self.zone)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl QueueFollower {
    fn ticket(
        &self,
        connection: &Connection,
        entry: &Entry,
        event: &TicketEvent,
    ) -> Result<(), StoreError> {
        let day = BusinessDay::of(entry.time, &self.zone);
        let key = TicketKey {
            day,
            number: event.ticket.clone(),
        };
        let mut step = event.step.clone();
        if let Some(counter) = counter_of(&mut step) {
            let now = at_counter(connection, counter.clone(), entry.time, &key)?;
            fill_staff(&mut step, &now);
        }
        let before = store::ticket(connection, &key)?;
        let folded = fold(before.clone(), &step, entry.time);
        keep(connection, &key, before.as_ref(), &folded, entry.id)
    }

    /// Binds a rating to ticket, counter and person without anyone typing.
    fn rating(
        &self,
        connection: &Connection,
        entry: &Entry,
        rating: &Rating,
    ) -> Result<(), StoreError> {
        let counter = match rating.counter.clone() {
            Some(counter) => Some(counter),
            None => devices::counter_of(connection, &entry.device)?,
        };
        let now = match &counter {
            Some(counter) => store::counter(connection, counter)?,
            None => None,
        };
        let named = rating.ticket.clone().map(|number| TicketKey {
            day: BusinessDay::of(entry.time, &self.zone),
            number,
        });
        let key = named.or_else(|| now.as_ref().and_then(|now| now.ticket.clone()));
        let ticket = match &key {
            Some(key) => store::ticket(connection, key)?,
            None => None,
        };
        let bound = ticket
            .filter(|ticket| can_be_rated(ticket, entry.time))
            .zip(key.as_ref());
        let mut row = RatingRow {
            journal_id: entry.id,
            at: entry.time,
            score: rating.score.value(),
            counter: now.as_ref(),
            ticket: None,
            flag: None,
        };
        if let Some((before, key)) = bound {
            let folded = rate(before.clone(), rating.score, entry.time);
            (row.ticket, row.flag) = (Some(key), folded.flag);
            keep(connection, key, Some(&before), &folded, entry.id)?;
        }
        Ok(store::note_rating(connection, &row)?)
    }
}

/// Saves a ticket, its trail and its sums.
fn keep(
    connection: &Connection,
    key: &TicketKey,
    before: Option<&Ticket>,
    folded: &Folded,
    journal_id: i64,
) -> Result<(), StoreError> {
    if before != Some(&folded.ticket) {
        store::save_ticket(connection, key, &folded.ticket)?;
        store::retally(connection, key.day, before, &folded.ticket)?;
    }
    Ok(store::note_event(connection, key, journal_id, folded.flag)?)
}

/// The counter a step brings the ticket to.
fn counter_of(step: &mut TicketStep) -> Option<&CounterId> {
    match step {
        TicketStep::Called { counter, .. } | TicketStep::Started { counter, .. } => Some(counter),
        _ => None,
    }
}

/// A caller that does not say who sits there: the person who signed on does.
fn fill_staff(step: &mut TicketStep, now: &CounterNow) {
    if let TicketStep::Called { staff, .. } | TicketStep::Started { staff, .. } = step
        && staff.is_none()
    {
        staff.clone_from(&now.staff);
    }
}

/// Notes `next` as the counter's ticket; a ticket still being served there has ended (F-21).
fn at_counter(
    connection: &Connection,
    counter: CounterId,
    at: Timestamp,
    next: &TicketKey,
) -> Result<CounterNow, StoreError> {
    let mut now = match store::counter(connection, &counter)? {
        Some(now) => now,
        None => CounterNow::unseen(counter, at),
    };
    if let Some(last) = now.ticket.take().filter(|last| last != next) {
        end_at_counter(connection, &last, &now.counter, at)?;
    }
    now.ticket = Some(next.clone());
    store::save_counter(connection, &now)?;
    Ok(now)
}

fn end_at_counter(
    connection: &Connection,
    key: &TicketKey,
    counter: &CounterId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(before) = store::ticket(connection, key)? else {
        return Ok(());
    };
    let here = before.leg().counter.as_ref() == Some(counter);
    let began_before = before.leg().started_at.is_some_and(|start| start <= at);
    if !(here && began_before && before.state() == State::Serving) {
        return Ok(());
    }
    let folded = imply_end(before.clone(), at);
    store::save_ticket(connection, key, &folded.ticket)?;
    store::retally(connection, key.day, Some(&before), &folded.ticket)
}

fn counter(
    connection: &Connection,
    entry: &Entry,
    change: &CounterChange,
    zone: &TimeZone,
) -> Result<(), StoreError> {
    let before = store::counter(connection, &change.counter)?
        .unwrap_or_else(|| CounterNow::unseen(change.counter.clone(), entry.time));
    if entry.time < before.since {
        // History that arrives late cannot change what the counter is doing now.
        return Ok(());
    }
    book_time(connection, &before, entry.time, zone)?;
    let after = CounterNow {
        state: change.state,
        since: entry.time,
        staff: change.staff.clone(),
        ..before
    };
    Ok(store::save_counter(connection, &after)?)
}

/// Books the time a counter spent in its state on the day that state began.
fn book_time(
    connection: &Connection,
    now: &CounterNow,
    until: Timestamp,
    zone: &TimeZone,
) -> Result<(), StoreError> {
    let spent = now.spent(until);
    if spent.is_empty() {
        return Ok(());
    }
    let key = CounterKey {
        day: BusinessDay::of(now.since, zone),
        counter: now.counter.clone(),
        staff: now.staff.clone(),
    };
    store::change_counter_day(connection, &key, &CounterSums::default(), &spent)
}

/// A ticket is rated while it is served or soon after.
fn can_be_rated(ticket: &Ticket, at: Timestamp) -> bool {
    match ticket.state() {
        State::Serving => true,
        State::Finished => ticket
            .leg()
            .ended_at
            .is_some_and(|end| elapsed_s(end, at) <= RATING_LATE_MAX_S),
        _ => false,
    }
}

/// Closes the books: open tickets become abandoned, open counters closed.
fn close_day(
    connection: &Connection,
    day: BusinessDay,
    entry: &Entry,
    zone: &TimeZone,
) -> Result<(), StoreError> {
    for key in store::open_tickets(connection, day)? {
        let Some(before) = store::ticket(connection, &key)? else {
            continue;
        };
        let ticket = abandon(before.clone(), entry.time);
        keep(
            connection,
            &key,
            Some(&before),
            &Folded {
                ticket,
                flag: None::<Flag>,
            },
            entry.id,
        )?;
    }
    for now in store::counters(connection)? {
        if now.since <= entry.time && BusinessDay::of(now.since, zone) <= day {
            book_time(connection, &now, entry.time, zone)?;
            let counter = now.counter;
            store::save_counter(connection, &CounterNow::unseen(counter, entry.time))?;
        }
    }
    Ok(())
}
