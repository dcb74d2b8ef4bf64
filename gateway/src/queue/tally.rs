//! What one ticket adds to which sums. Pure; the sums of a hall are the sums over its tickets,
//! so a changed ticket changes them by what it adds now less what it added before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use zhiban_vocabulary::facts::{CounterSums, QueueSums};
use zhiban_vocabulary::queue::CustomerClass;
use zhiban_vocabulary::time::{BusinessDay, QuarterHour, elapsed_s};
use zhiban_vocabulary::{CounterId, QueueId, StaffId};

use super::model::{Leg, Outcome, Ticket, TicketRating};

/// Tickets whose issue was never seen are counted here.
pub(super) const UNKNOWN_QUEUE: &str = "unknown";

/// Key of sums over tickets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct QueueKey {
    pub(super) slot: QuarterHour,
    pub(super) queue: QueueId,
    pub(super) class: CustomerClass,
}

/// Key of sums over a counter's day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CounterKey {
    pub(super) day: BusinessDay,
    pub(super) counter: CounterId,
    pub(super) staff: Option<StaffId>,
}

/// Sums per quarter hour that `ticket` adds.
pub(super) fn by_quarter(ticket: &Ticket) -> BTreeMap<QueueKey, QueueSums> {
    let mut sums = Quarters {
        class: ticket.class,
        sums: BTreeMap::new(),
    };
    for (number, leg) in ticket.legs.iter().enumerate() {
        sums.add_leg(leg, number == 0);
    }
    if let Some((rating, leg)) = rated(ticket) {
        sums.at(leg, rating.at).rate(rating.score);
    }
    sums.sums
}

struct Quarters {
    class: CustomerClass,
    sums: BTreeMap<QueueKey, QueueSums>,
}

impl Quarters {
    /// The sums of the quarter hour and queue `leg` was in at `at`.
    fn at(&mut self, leg: &Leg, at: Timestamp) -> &mut QueueSums {
        let queue = leg.queue.clone().unwrap_or_else(unknown_queue);
        let key = QueueKey {
            slot: QuarterHour::containing(at),
            queue,
            class: self.class,
        };
        self.sums.entry(key).or_default()
    }

    fn add_leg(&mut self, leg: &Leg, is_first: bool) {
        if let (Some(at), true) = (leg.waiting_since, is_first) {
            self.at(leg, at).issued += 1;
        }
        if let Some(at) = leg.called_at {
            self.at(leg, at).called += 1;
        }
        if let Some(at) = leg.started_at {
            let begun = self.at(leg, at);
            begun.started += 1;
            if let Some(seconds) = leg.waiting_s() {
                begun.waiting.record(seconds);
            }
        }
        let (Some(outcome), Some(at)) = (leg.outcome, leg.ended_at) else {
            return;
        };
        let ended = self.at(leg, at);
        match outcome {
            Outcome::Finished => ended.finished += 1,
            Outcome::NoShow => ended.no_show += 1,
            Outcome::Transferred => ended.transferred += 1,
            Outcome::Cancelled => ended.cancelled += 1,
            Outcome::Abandoned => ended.abandoned += 1,
        }
        if let Some(seconds) = leg.handling_s() {
            ended.handling.record(seconds);
        }
    }
}

/// The rating and the leg it was given for.
fn rated(ticket: &Ticket) -> Option<(&TicketRating, &Leg)> {
    let rating = ticket.rating.as_ref()?;
    Some((rating, ticket.legs.get(rating.leg)?))
}

fn unknown_queue() -> QueueId {
    UNKNOWN_QUEUE.parse().expect("a valid queue id")
}

/// Sums per counter and person that `ticket` of `day` adds.
pub(super) fn by_counter(day: BusinessDay, ticket: &Ticket) -> BTreeMap<CounterKey, CounterSums> {
    let mut sums: BTreeMap<CounterKey, CounterSums> = BTreeMap::new();
    for leg in &ticket.legs {
        let Some(counter) = leg.counter.clone() else {
            continue;
        };
        let key = CounterKey {
            day,
            counter,
            staff: leg.staff.clone(),
        };
        match leg.outcome {
            Some(Outcome::Finished | Outcome::Transferred) => {
                let sums = sums.entry(key).or_default();
                sums.finished += u32::from(leg.outcome == Some(Outcome::Finished));
                if let (Some(start), Some(end)) = (leg.started_at, leg.ended_at) {
                    sums.serving_s += elapsed_s(start, end);
                }
            }
            Some(Outcome::NoShow) => sums.entry(key).or_default().no_show += 1,
            Some(Outcome::Cancelled | Outcome::Abandoned) | None => {}
        }
    }
    if let Some((rating, leg)) = rated(ticket)
        && let Some(counter) = leg.counter.clone()
    {
        let staff = leg.staff.clone();
        let key = CounterKey {
            day,
            counter,
            staff,
        };
        sums.entry(key).or_default().ratings[rating.score.index()] += 1;
    }
    sums
}

/// Adds `more` to a counter's sums.
pub(super) fn add(sums: &mut CounterSums, more: &CounterSums) {
    combine(sums, more, u32::saturating_add);
}

/// Takes `less` from a counter's sums.
pub(super) fn subtract(sums: &mut CounterSums, less: &CounterSums) {
    combine(sums, less, u32::saturating_sub);
}

fn combine(sums: &mut CounterSums, other: &CounterSums, with: fn(u32, u32) -> u32) {
    let pairs = [
        (&mut sums.open_s, other.open_s),
        (&mut sums.busy_s, other.busy_s),
        (&mut sums.break_s, other.break_s),
        (&mut sums.serving_s, other.serving_s),
        (&mut sums.finished, other.finished),
        (&mut sums.no_show, other.no_show),
    ];
    for (own, other) in pairs {
        *own = with(*own, other);
    }
    for (own, other) in sums.ratings.iter_mut().zip(other.ratings) {
        *own = with(*own, other);
    }
}
