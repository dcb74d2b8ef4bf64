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
use super::fold::{Folded, abandon, end_by_rating, fold, imply_end, rate};
use super::model::{Flag, Leg, Outcome, State, Ticket, TicketKey};
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
    rating_ends_ticket: bool,
}

impl QueueFollower {
    #[must_use]
    pub fn new(zone: TimeZone, rating_ends_ticket: bool) -> Self {
        Self {
            zone,
            rating_ends_ticket,
        }
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
        let counter = counter_of(&step);
        let now = match &counter {
            Some(counter) => Some(counter_now(connection, counter, entry.time)?),
            None => None,
        };
        if let Some(now) = &now {
            fill_staff(&mut step, now);
        }
        let before = store::ticket(connection, &key)?;
        let mut folded = fold(before.clone(), &step, entry.time);
        let took = !matches!(folded.flag, Some(Flag::AfterEnd | Flag::WhileServing));
        if let Some(now) = now.filter(|_| took) {
            at_counter(connection, now, entry.time, &key)?;
        }
        if folded.ticket.state().is_open()
            && let Some(closed) = store::day_closed_at(connection, day)?
        {
            folded.ticket = abandon(folded.ticket, closed);
        }
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
        let key = match (named, &counter) {
            (Some(key), _) => Some(key),
            (None, Some(at)) => store::served_at(connection, at, entry.time, RATING_LATE_MAX_S)?,
            (None, None) => None,
        };
        let ticket = match &key {
            Some(key) => store::ticket(connection, key)?,
            None => None,
        };
        let leg = ticket
            .as_ref()
            .and_then(|ticket| rated_leg(ticket, counter.as_ref(), entry.time));
        let bound = ticket.zip(leg).zip(key.as_ref());
        let mut row = RatingRow {
            journal_id: entry.id,
            at: entry.time,
            score: rating.score.value(),
            counter: now.as_ref(),
            ticket: None,
            flag: None,
        };
        if let Some(((before, leg), key)) = bound {
            let mut folded = rate(before.clone(), leg, rating.score, entry.time);
            if self.rating_ends_ticket && folded.flag.is_none() {
                folded.ticket = end_by_rating(folded.ticket);
            }
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
fn counter_of(step: &TicketStep) -> Option<CounterId> {
    match step {
        TicketStep::Called { counter, .. }
        | TicketStep::Recalled { counter }
        | TicketStep::Started { counter, .. } => Some(counter.clone()),
        _ => None,
    }
}

fn counter_now(
    connection: &Connection,
    counter: &CounterId,
    at: Timestamp,
) -> Result<CounterNow, StoreError> {
    let known = store::counter(connection, counter)?;
    Ok(known.unwrap_or_else(|| CounterNow::unseen(counter.clone(), at)))
}

/// A caller that does not say who sits there: the person who signed on does.
fn fill_staff(step: &mut TicketStep, now: &CounterNow) {
    if let TicketStep::Called { staff, .. } | TicketStep::Started { staff, .. } = step
        && staff.is_none()
    {
        staff.clone_from(&now.staff);
    }
}

/// Notes `next` as the counter's ticket; a ticket still being served there has ended (F-21). A
/// call older than the one the counter is at is history and changes nothing there.
fn at_counter(
    connection: &Connection,
    mut now: CounterNow,
    at: Timestamp,
    next: &TicketKey,
) -> Result<(), StoreError> {
    if now.ticket_at.is_some_and(|since| at < since) {
        return Ok(());
    }
    if let Some(last) = now.ticket.take().filter(|last| last != next) {
        end_at_counter(connection, &last, &now.counter, at)?;
    }
    now.ticket = Some(next.clone());
    now.ticket_at = Some(at);
    Ok(store::save_counter(connection, &now)?)
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
    if before.heard && entry.time < before.since {
        // History that arrives late cannot change what the counter is doing now.
        return Ok(());
    }
    book_time(connection, &before, entry.time, zone)?;
    let after = CounterNow {
        heard: true,
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

/// The leg a press at `at` belongs to: the one served then, or ended a little before, at the
/// pad's counter where that is known.
fn rated_leg(ticket: &Ticket, counter: Option<&CounterId>, at: Timestamp) -> Option<usize> {
    let holds = |leg: &Leg| {
        let here = counter.is_none() || leg.counter.as_ref() == counter;
        let begun = leg.started_at.is_some_and(|start| start <= at);
        let served = matches!(
            leg.outcome,
            None | Some(Outcome::Finished | Outcome::Transferred)
        );
        let soon = leg
            .ended_at
            .is_none_or(|end| elapsed_s(end, at) <= RATING_LATE_MAX_S);
        here && begun && served && soon
    };
    ticket.legs.iter().rposition(holds)
}

/// Closes the books: open tickets become abandoned, open counters closed.
fn close_day(
    connection: &Connection,
    day: BusinessDay,
    entry: &Entry,
    zone: &TimeZone,
) -> Result<(), StoreError> {
    store::note_day_closed(connection, day, entry.time)?;
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
            store::save_counter(connection, &CounterNow::closed(counter, entry.time))?;
        }
    }
    Ok(())
}
