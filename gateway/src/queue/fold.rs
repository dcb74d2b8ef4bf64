//! (ticket, event) → ticket. Pure: no database, no clock.
//!
//! Nothing is refused here. An event out of order is read as sensibly as can be, or changes
//! nothing; either way it gets a flag and stays in the ticket's trail.

use jiff::Timestamp;
use zhiban_vocabulary::queue::TicketStep;
use zhiban_vocabulary::{CounterId, StaffId};

use super::model::{Flag, Leg, Outcome, State, Ticket, TicketRating};
use zhiban_vocabulary::rating::Score;

/// A ticket after an event, and what was odd about the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) ticket: Ticket,
    pub(super) flag: Option<Flag>,
}

/// Applies one step that happened at `at`.
pub(super) fn fold(before: Option<Ticket>, step: &TicketStep, at: Timestamp) -> Folded {
    let unseen = before.is_none();
    let mut ticket = before.unwrap_or_else(Ticket::unseen);
    let reopened = reopen_abandoned(&mut ticket, at);
    let reversed = ticket.leg().last_time().is_some_and(|last| at < last);
    let mut flag = match step {
        TicketStep::Issued {
            queue,
            class,
            service,
        } => {
            let late = !unseen;
            let leg = ticket
                .legs
                .first_mut()
                .expect("a ticket has at least one leg");
            if leg.waiting_since.is_some() {
                Some(Flag::IssuedTwice)
            } else {
                leg.queue = Some(queue.clone());
                leg.service.clone_from(service);
                leg.waiting_since = Some(at);
                ticket.class = *class;
                late.then_some(Flag::IssueLate)
            }
        }
        TicketStep::Called { counter, staff } => call(&mut ticket, counter, staff.as_ref(), at),
        TicketStep::Recalled { counter } => recall(&mut ticket, counter, at),
        TicketStep::Started { counter, staff } => start(&mut ticket, counter, staff.as_ref(), at),
        TicketStep::Finished { service } => {
            let flag = finish(&mut ticket, at);
            if flag != Some(Flag::AfterEnd) && service.is_some() {
                ticket.leg_mut().service.clone_from(service);
            }
            flag
        }
        TicketStep::NoShow {} => no_show(&mut ticket, at),
        TicketStep::Cancelled {} => leave_unserved(&mut ticket, Outcome::Cancelled, at),
        TicketStep::Transferred { queue, counter } => {
            let next = Leg {
                queue: Some(queue.clone()),
                waiting_since: Some(at),
                counter: counter.clone(),
                ..Leg::default()
            };
            transfer(&mut ticket, next, at)
        }
    };
    if unseen && !matches!(step, TicketStep::Issued { .. }) {
        flag = Some(Flag::IssueMissing);
    }
    if reopened && flag.is_none() {
        flag = Some(Flag::Reactivated);
    }
    // An issue that comes late is earlier by nature.
    if reversed && flag.is_none() {
        flag = Some(Flag::TimeReversed);
    }
    note(ticket, flag)
}

/// What happened before the close of the day and was only told after it: the ticket was not
/// abandoned. The follower abandons it again if this leaves it open.
fn reopen_abandoned(ticket: &mut Ticket, at: Timestamp) -> bool {
    let leg = ticket.leg_mut();
    let before_close = leg.ended_at.is_some_and(|closed| at < closed);
    let reopens = leg.outcome == Some(Outcome::Abandoned) && before_close;
    if reopens {
        (leg.outcome, leg.ended_at) = (None, None);
    }
    reopens
}

/// The day closed over an open ticket (F-20).
pub(super) fn abandon(mut ticket: Ticket, at: Timestamp) -> Ticket {
    if ticket.state().is_open() {
        end(&mut ticket, Outcome::Abandoned, at);
    }
    ticket
}

/// The counter called its next customer while this one was being served (F-21).
pub(super) fn imply_end(mut ticket: Ticket, at: Timestamp) -> Folded {
    if ticket.state() != State::Serving {
        return Folded { ticket, flag: None };
    }
    end(&mut ticket, Outcome::Finished, at);
    note(ticket, Some(Flag::EndImplied))
}

/// A customer rated one leg of the ticket; the first answer counts.
pub(super) fn rate(mut ticket: Ticket, leg: usize, score: Score, at: Timestamp) -> Folded {
    if ticket.rating.is_some() {
        return note(ticket, Some(Flag::RatedTwice));
    }
    ticket.rating = Some(TicketRating { score, at, leg });
    Folded { ticket, flag: None }
}

/// The rating of the leg being served is its end (F-21).
pub(super) fn end_by_rating(mut ticket: Ticket) -> Ticket {
    let serving = (ticket.state() == State::Serving).then(|| ticket.legs.len() - 1);
    let rated = ticket.rating.as_ref().map(|rating| (rating.leg, rating.at));
    if let Some((leg, at)) = rated
        && serving == Some(leg)
    {
        end(&mut ticket, Outcome::Finished, at);
    }
    ticket
}

/// Whether the last leg ended with its rating.
fn ended_by_rating(ticket: &Ticket) -> bool {
    let last = ticket.legs.len() - 1;
    ticket.leg().outcome == Some(Outcome::Finished)
        && ticket
            .rating
            .as_ref()
            .is_some_and(|rating| rating.leg == last && Some(rating.at) == ticket.leg().ended_at)
}

fn note(mut ticket: Ticket, flag: Option<Flag>) -> Folded {
    ticket.flags.extend(flag);
    Folded { ticket, flag }
}

fn call(
    ticket: &mut Ticket,
    counter: &CounterId,
    staff: Option<&StaffId>,
    at: Timestamp,
) -> Option<Flag> {
    let state = ticket.state();
    match state {
        State::Serving => return Some(Flag::WhileServing),
        State::Finished | State::Cancelled | State::Abandoned => return Some(Flag::AfterEnd),
        State::Waiting | State::Called | State::NoShow => {}
    }
    let came_after_all = state == State::NoShow;
    let leg = ticket.leg_mut();
    if came_after_all {
        (leg.outcome, leg.ended_at) = (None, None);
    }
    leg.called_at.get_or_insert(at);
    leg.counter = Some(counter.clone());
    leg.staff = staff.cloned().or_else(|| leg.staff.take());
    ticket.calls += 1;
    came_after_all.then_some(Flag::Reactivated)
}

fn recall(ticket: &mut Ticket, counter: &CounterId, at: Timestamp) -> Option<Flag> {
    let first = ticket.state() == State::Waiting;
    let flag = call(ticket, counter, None, at);
    flag.or(first.then_some(Flag::CallMissing))
}

fn start(
    ticket: &mut Ticket,
    counter: &CounterId,
    staff: Option<&StaffId>,
    at: Timestamp,
) -> Option<Flag> {
    let mut flag = None;
    match ticket.state() {
        State::Serving => return Some(Flag::StartedTwice),
        State::Called => {}
        State::Waiting => {
            call(ticket, counter, staff, at);
            flag = Some(Flag::CallMissing);
        }
        State::NoShow => flag = call(ticket, counter, staff, at),
        State::Finished | State::Cancelled | State::Abandoned => return Some(Flag::AfterEnd),
    }
    let leg = ticket.leg_mut();
    leg.started_at = Some(at);
    leg.counter = Some(counter.clone());
    leg.staff = staff.cloned().or_else(|| leg.staff.take());
    flag
}

fn finish(ticket: &mut Ticket, at: Timestamp) -> Option<Flag> {
    let flag = match ticket.state() {
        State::Serving => None,
        State::Called => {
            let leg = ticket.leg_mut();
            leg.started_at = leg.called_at;
            Some(Flag::StartMissing)
        }
        // Neither call nor begin: it ended, but no length can be told.
        State::Waiting => Some(Flag::StartMissing),
        // The clerk confirms what the rating said before: whichever is first counts (F-21).
        State::Finished if ended_by_rating(ticket) => {
            let leg = ticket.leg_mut();
            if leg.started_at.is_some_and(|start| start <= at) {
                leg.ended_at = leg.ended_at.min(Some(at));
            }
            return None;
        }
        _ => return Some(Flag::AfterEnd),
    };
    end(ticket, Outcome::Finished, at);
    flag
}

fn no_show(ticket: &mut Ticket, at: Timestamp) -> Option<Flag> {
    let uncalled = ticket.state() == State::Waiting;
    let flag = leave_unserved(ticket, Outcome::NoShow, at);
    flag.or(uncalled.then_some(Flag::CallMissing))
}

/// No-show and cancellation: only for those not being served, so that no ticket counts as begun
/// and as gone (F-20).
fn leave_unserved(ticket: &mut Ticket, outcome: Outcome, at: Timestamp) -> Option<Flag> {
    match ticket.state() {
        State::Waiting | State::Called => {
            end(ticket, outcome, at);
            None
        }
        State::Serving => Some(Flag::WhileServing),
        _ => Some(Flag::AfterEnd),
    }
}

fn transfer(ticket: &mut Ticket, next: Leg, at: Timestamp) -> Option<Flag> {
    if ended_by_rating(ticket) {
        // The rating ended what this counter did; the customer is sent on all the same.
        ticket.leg_mut().outcome = Some(Outcome::Transferred);
        ticket.legs.push(next);
        return None;
    }
    if !ticket.state().is_open() {
        return Some(Flag::AfterEnd);
    }
    end(ticket, Outcome::Transferred, at);
    ticket.legs.push(next);
    None
}

fn end(ticket: &mut Ticket, outcome: Outcome, at: Timestamp) {
    let leg = ticket.leg_mut();
    leg.outcome = Some(outcome);
    leg.ended_at = Some(at);
}
