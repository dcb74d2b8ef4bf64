//! One day of one queue, ticket by ticket.
//!
//! The sums come from the rows; everything finer is reconstructed and must be called so wherever
//! it is shown:
//!
//! - a ticket was taken, or called, at some second since the feed looked at the hall before;
//! - tickets are called in the order they were taken (first in, first out);
//! - as many counters serve as the row says are open, at least one while tickets are called; the
//!   next ticket goes to the counter whose last call is longest ago;
//! - a customer reaches the counter after a few seconds and is served for the minutes the office
//!   itself estimates, at most until the same counter calls again;
//! - nobody fails to appear, because nothing in the feed says so; whoever was not called by the
//!   evening is still waiting when the day closes.

use jiff::civil::Time;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::numbering::Numbering;
use super::records::Row;

/// Milliseconds since midnight on the clock in the hall.
pub type DayMs = i64;

const SECOND: DayMs = 1_000;
const MINUTE: DayMs = 60 * SECOND;
/// The feed looks at the halls about this often, …
const SAMPLING: DayMs = 5 * MINUTE;
/// … give or take; two looks are at least this far apart.
const SAMPLING_MIN: DayMs = 3 * MINUTE;
/// From the ticket in the hand to the call.
const CALL_AFTER_ISSUE: DayMs = 5 * SECOND;
/// Between two calls of one queue.
const CALL_GAP: DayMs = SECOND;
/// Between two calls of one counter, and from its last call to its closing.
const COUNTER_GAP: DayMs = 3 * SECOND;

/// One ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub issued: DayMs,
    /// Absent: never called.
    pub service: Option<Service>,
}

/// How a called ticket went on. `called < started < ended`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Index of the counter among those of the queue.
    pub counter: usize,
    pub called: DayMs,
    pub started: DayMs,
    pub ended: DayMs,
}

/// A counter opens or closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterChange {
    pub at: DayMs,
    pub counter: usize,
    pub open: bool,
}

/// What happened at one queue on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueDay {
    /// In the order they were taken.
    pub tickets: Vec<Ticket>,
    pub changes: Vec<CounterChange>,
    /// Counters that were open at some time.
    pub counters: usize,
}

impl QueueDay {
    /// First and last instant of the day; `None` when nothing happened.
    #[must_use]
    pub fn span(&self) -> Option<(DayMs, DayMs)> {
        let tickets = self.tickets.iter().flat_map(|ticket| {
            [
                ticket.issued,
                ticket
                    .service
                    .as_ref()
                    .map_or(ticket.issued, |done| done.ended),
            ]
        });
        let instants = tickets.chain(self.changes.iter().map(|change| change.at));
        instants.fold(None, |span, at| {
            let (first, last) = span.unwrap_or((at, at));
            Some((first.min(at), last.max(at)))
        })
    }
}

/// Reconstructs the day. `looks` are the times at which the feed looked at this hall, in order.
#[must_use]
pub fn reconstruct(rows: &[Row], looks: &[Time], rng: &mut StdRng) -> QueueDay {
    let mut floor = Floor::default();
    let mut numbering = Numbering::new(rows.first().map_or(0, |row| minute(row.time)));
    let mut called: usize = 0;
    let mut before = 0;
    for row in rows {
        let to = ms(row.time);
        let from = last_look(looks, to).max(before).max(0);
        before = to;
        let calls = row
            .number
            .map_or(0, |number| numbering.advance(minute(row.time), number));
        called += calls as usize;
        let issued = floor.day.tickets.len().max(called + row.waiting as usize);
        floor.issue(issued - floor.day.tickets.len(), from, to, rng);
        let serving = (row.open as usize).max(usize::from(calls > 0));
        floor.staff(serving, from, rng);
        for nth in 0..i64::from(calls) {
            let planned = from + (to - from) * (2 * nth + 1) / (2 * i64::from(calls));
            floor.call(planned, serving, handling(row, rng), rng);
        }
    }
    floor.close(before, rng)
}

/// When the feed last looked at the hall before it saw what it saw at `to`.
fn last_look(looks: &[Time], to: DayMs) -> DayMs {
    let looked = looks.partition_point(|look| ms(*look) <= to - SAMPLING_MIN);
    looked
        .checked_sub(1)
        .map_or(to - SAMPLING, |at| ms(looks[at]))
}

/// How long a customer is served if nobody hurries: the office's own estimate, give or take.
fn handling(row: &Row, rng: &mut StdRng) -> DayMs {
    let estimate = if row.service_min == 0 {
        10
    } else {
        row.service_min.clamp(1, 30)
    };
    DayMs::from(estimate) * rng.random_range(42..=78) * SECOND
}

fn ms(time: Time) -> DayMs {
    (DayMs::from(time.hour()) * 60 + DayMs::from(time.minute())) * MINUTE
        + DayMs::from(time.second()) * SECOND
}

fn minute(time: Time) -> u32 {
    u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs())
}

/// The queue and its counters while the day goes by.
#[derive(Debug, Default)]
struct Floor {
    day: QueueDay,
    /// Per counter: open now, and the ticket it called last with how long that may take.
    counters: Vec<Counter>,
    /// Index of the next ticket to be called.
    next: usize,
    last_call: DayMs,
}

#[derive(Debug, Default)]
struct Counter {
    open: bool,
    last_call: Option<DayMs>,
    /// Called and not settled yet: index of the ticket, and its time at most.
    serving: Option<(usize, DayMs)>,
}

impl Floor {
    fn issue(&mut self, count: usize, from: DayMs, to: DayMs, rng: &mut StdRng) {
        let first = self.day.tickets.len();
        let tickets = (0..count).map(|_| Ticket {
            issued: rng.random_range(from..=to.max(from)),
            service: None,
        });
        self.day.tickets.extend(tickets);
        self.day.tickets[first..].sort_by_key(|ticket| ticket.issued);
    }

    /// Opens and closes counters until `serving` are open.
    fn staff(&mut self, serving: usize, at: DayMs, rng: &mut StdRng) {
        if self.counters.len() < serving {
            self.counters.resize_with(serving, Counter::default);
        }
        for counter in 0..self.counters.len() {
            let open = counter < serving;
            if self.counters[counter].open == open {
                continue;
            }
            let free = self.counters[counter]
                .last_call
                .map_or(at, |call| call + COUNTER_GAP);
            let at = at.max(free).max(self.last_change(counter));
            self.counters[counter].open = open;
            self.settle(counter, Some(at), rng);
            self.day.changes.push(CounterChange { at, counter, open });
        }
    }

    fn last_change(&self, counter: usize) -> DayMs {
        let mut changes = self.day.changes.iter().rev();
        changes
            .find(|change| change.counter == counter)
            .map_or(0, |change| change.at + SECOND)
    }

    fn call(&mut self, planned: DayMs, serving: usize, handling: DayMs, rng: &mut StdRng) {
        // The caller made sure that at least one counter serves and one ticket waits.
        let idle_longest = (0..serving).min_by_key(|at| self.counters[*at].last_call);
        let (Some(counter), Some(ticket)) = (idle_longest, self.day.tickets.get(self.next)) else {
            return;
        };
        let free = self.counters[counter]
            .last_call
            .map_or(0, |call| call + COUNTER_GAP);
        let called = planned
            .max(ticket.issued + CALL_AFTER_ISSUE)
            .max(self.last_call + CALL_GAP)
            .max(self.last_change(counter))
            .max(free);
        self.settle(counter, Some(called), rng);
        let service = Service {
            counter,
            called,
            started: called,
            ended: called,
        };
        self.day.tickets[self.next].service = Some(service);
        self.counters[counter].last_call = Some(called);
        self.counters[counter].serving = Some((self.next, handling));
        self.last_call = called;
        self.next += 1;
    }

    /// Decides begin and end of the ticket at `counter`, which has until `limit`.
    fn settle(&mut self, counter: usize, limit: Option<DayMs>, rng: &mut StdRng) {
        let Some((ticket, handling)) = self.counters[counter].serving.take() else {
            return;
        };
        let Some(service) = &mut self.day.tickets[ticket].service else {
            return;
        };
        let room = limit.map_or(DayMs::MAX, |limit| limit - service.called);
        let walk = rng.random_range(8..=25) * SECOND;
        service.started = service.called + walk.min(room / 4);
        let tidy = (10 * SECOND).min(room / 4);
        service.ended =
            (service.started + handling).min(limit.map_or(DayMs::MAX, |limit| limit - tidy));
    }

    fn close(mut self, at: DayMs, rng: &mut StdRng) -> QueueDay {
        for counter in 0..self.counters.len() {
            let serving = self.counters[counter].serving.map(|(ticket, _)| ticket);
            self.settle(counter, None, rng);
            if !self.counters[counter].open {
                continue;
            }
            let service = serving.and_then(|ticket| self.day.tickets[ticket].service.as_ref());
            let free = service.map_or(at, |service| service.ended + SECOND);
            let at = at.max(free).max(self.last_change(counter));
            self.day.changes.push(CounterChange {
                at,
                counter,
                open: false,
            });
        }
        self.day.counters = self.counters.len();
        self.day
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::super::totals::totals;
    use super::*;

    fn check(rows: &[Row], seed: u64) -> QueueDay {
        let looks: Vec<Time> = rows.iter().map(|row| row.time).collect();
        let day = reconstruct(rows, &looks, &mut StdRng::seed_from_u64(seed));
        let called = day
            .tickets
            .iter()
            .filter(|ticket| ticket.service.is_some())
            .count();
        let file = totals(rows);
        assert_eq!(
            (day.tickets.len() as u64, called as u64),
            (file.issued, file.called)
        );
        served_first_in_first_out(&day);
        one_ticket_at_a_counter(&day);
        day
    }

    fn served_first_in_first_out(day: &QueueDay) {
        let mut calls = Vec::new();
        for pair in day.tickets.windows(2) {
            assert!(pair[0].issued <= pair[1].issued);
            assert!(pair[0].service.is_some() || pair[1].service.is_none());
        }
        for ticket in &day.tickets {
            let Some(service) = &ticket.service else {
                continue;
            };
            assert!(ticket.issued < service.called, "{ticket:?}");
            assert!(service.called < service.started && service.started < service.ended);
            calls.push(service.called);
        }
        assert!(calls.is_sorted());
    }

    fn one_ticket_at_a_counter(day: &QueueDay) {
        for counter in 0..day.counters {
            let at = day
                .tickets
                .iter()
                .filter_map(|ticket| ticket.service.as_ref());
            let at: Vec<&Service> = at.filter(|service| service.counter == counter).collect();
            for pair in at.windows(2) {
                assert!(pair[0].ended < pair[1].called, "{pair:?}");
            }
            let changes = day
                .changes
                .iter()
                .filter(|change| change.counter == counter);
            let changes: Vec<&CounterChange> = changes.collect();
            assert!(
                changes.chunks(2).all(|pair| pair[0].open && !pair[1].open),
                "{changes:?}"
            );
            assert!(
                changes.windows(2).all(|pair| pair[0].at < pair[1].at),
                "{changes:?}"
            );
            for service in at {
                let open = changes
                    .chunks(2)
                    .any(|pair| pair[0].at <= service.called && service.ended < pair[1].at);
                assert!(open, "{service:?} outside {changes:?}");
            }
        }
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let number = prop_oneof![
            2 => Just(None),
            6 => (0_u32..40).prop_map(Some),
            2 => (880_u32..1_010).prop_map(Some),
            1 => (0_u32..2_000).prop_map(Some),
        ];
        // A walk that mostly grows, with whatever `number` throws in between.
        let look = (
            1_i32..30,
            0_u32..6,
            0_u32..30,
            number,
            any::<bool>(),
            0_u32..70,
        );
        proptest::collection::vec(look, 0..60).prop_map(|looks| {
            let mut at = 7 * 60;
            let mut shown = 0;
            let mut rows = Vec::new();
            for (step, open, waiting, number, odd, service_min) in looks {
                at += step;
                let number = match number {
                    Some(step) if !odd => {
                        shown = if shown > 99 { 1 } else { shown + step % 12 };
                        Some(shown)
                    }
                    other => other,
                };
                let (hour, minute) = (at / 60, at % 60);
                if hour > 21 {
                    break;
                }
                let time = Time::new(hour as i8, minute as i8, 0, 0).unwrap();
                rows.push(Row {
                    time,
                    open,
                    waiting,
                    number,
                    service_min,
                });
            }
            rows
        })
    }

    proptest! {
        #[test]
        fn any_rows_give_the_sums_of_the_file_and_a_possible_day(rows in rows(), seed: u64) {
            let day = check(&rows, seed);
            prop_assert_eq!(&day, &check(&rows, seed), "the same seed gives the same day");
        }
    }

    #[test]
    fn every_day_of_the_extract_gives_the_sums_of_the_file_and_a_possible_day() {
        let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/warsaw");
        let groups = data.join("groups.csv");
        let records = crate::replay::Records::read(&data.join("queue_changes.csv.gz"), &groups);
        for ((_, gid), rows) in &records.unwrap().days {
            check(rows, u64::from(*gid));
        }
    }

    #[test]
    fn a_queue_without_rows_is_an_empty_day() {
        assert_eq!(check(&[], 1), QueueDay::default());
        assert_eq!(QueueDay::default().span(), None);
    }
}
