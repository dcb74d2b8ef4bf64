//! The promises of the queue: nothing is lost, F-20 and F-21 hold, and sums kept step by step
//! equal sums made anew.

mod late;
mod ratings;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rusqlite::Connection;
use zhiban_kernel::clock::from_ms;
use zhiban_vocabulary::counter::{CounterChange, CounterState};
use zhiban_vocabulary::facts::QueueSums;
use zhiban_vocabulary::queue::{CustomerClass, TicketEvent, TicketStep};
use zhiban_vocabulary::rating::{Rating, Score};
use zhiban_vocabulary::report::{DayClosed, Observation};
use zhiban_vocabulary::time::{BusinessDay, QuarterHour};

use super::fold::{abandon, fold};
use super::follower::QueueFollower;
use super::model::{State, Ticket};
use super::tally::{QueueKey, by_quarter};
use super::{live, store};
use crate::journal::{ClockFlag, Entry, Follower, migrate};

fn at(clock: &str) -> Timestamp {
    format!("2020-01-02T{clock}:00Z").parse().unwrap()
}

/// `issued`, `called`, `called 2`, … as steps of one ticket.
fn step(word: &str) -> TicketStep {
    let (name, counter) = word.split_once(' ').unwrap_or((word, "1"));
    let counter = || counter.parse().unwrap();
    match name {
        "issued" => TicketStep::Issued {
            queue: "A".parse().unwrap(),
            class: CustomerClass::Ordinary,
            service: None,
        },
        "called" => TicketStep::Called {
            counter: counter(),
            staff: None,
        },
        "recalled" => TicketStep::Recalled { counter: counter() },
        "started" => TicketStep::Started {
            counter: counter(),
            staff: None,
        },
        "finished" => TicketStep::Finished { service: None },
        "no-show" => TicketStep::NoShow {},
        "cancelled" => TicketStep::Cancelled {},
        "transferred" => TicketStep::Transferred {
            queue: "B".parse().unwrap(),
            counter: None,
        },
        other => panic!("no step {other}"),
    }
}

/// Folds `HH:MM step` words and says state, flags and lengths.
fn check(events: &[&str], expected: &str) {
    let mut ticket = None;
    for event in events {
        let (clock, word) = event.split_once(' ').unwrap();
        ticket = Some(fold(ticket, &step(word), at(clock)).ticket);
    }
    let ticket = ticket.unwrap();
    let flags: Vec<_> = ticket.flags.iter().map(|flag| flag.as_str()).collect();
    let length = |seconds: Option<u32>| seconds.map_or("-".into(), |s| (s / 60).to_string());
    let leg = ticket.leg();
    let found = format!(
        "{} waited {} handled {} [{}]",
        ticket.state().as_str(),
        length(leg.waiting_s()),
        length(leg.handling_s()),
        flags.join(" "),
    );
    assert_eq!(found, expected, "after {events:?}");
}

#[test]
fn the_ordinary_way() {
    check(&["08:00 issued"], "waiting waited - handled - []");
    check(
        &["08:00 issued", "08:10 called"],
        "called waited - handled - []",
    );
    let served = [
        "08:00 issued",
        "08:10 called",
        "08:11 started",
        "08:20 finished",
    ];
    check(&served, "finished waited 11 handled 9 []");
    check(
        &["08:00 issued", "08:10 called", "08:12 no-show"],
        "no-show waited - handled - []",
    );
    check(
        &["08:00 issued", "08:05 cancelled"],
        "cancelled waited - handled - []",
    );
}

#[test]
fn a_transfer_waits_anew_in_the_other_queue() {
    let events = [
        "08:00 issued",
        "08:10 started",
        "08:15 transferred",
        "08:30 started 2",
        "08:33 finished",
    ];
    check(&events, "finished waited 15 handled 3 [call-missing]");
}

#[test]
fn a_no_show_that_comes_after_all_is_served() {
    let events = [
        "08:00 issued",
        "08:10 called",
        "08:12 no-show",
        "08:20 called",
        "08:21 started",
        "08:25 finished",
    ];
    check(&events, "finished waited 21 handled 4 [reactivated]");
}

#[test]
fn illegal_orders_are_kept_and_flagged() {
    check(
        &["08:10 called"],
        "called waited - handled - [issue-missing]",
    );
    check(
        &["08:10 called", "08:00 issued"],
        "called waited - handled - [issue-missing issue-late]",
    );
    check(
        &["08:00 issued", "08:01 issued"],
        "waiting waited - handled - [issued-twice]",
    );
    check(
        &["08:00 issued", "08:09 finished"],
        "finished waited - handled - [start-missing]",
    );
    let no_start = ["08:00 issued", "08:10 called", "08:15 finished"];
    check(&no_start, "finished waited 10 handled 5 [start-missing]");
    let twice = ["08:00 issued", "08:10 started", "08:12 started"];
    check(
        &twice,
        "serving waited 10 handled - [call-missing started-twice]",
    );
    let gone = [
        "08:00 issued",
        "08:10 called",
        "08:10 started",
        "08:11 no-show",
    ];
    check(&gone, "serving waited 10 handled - [while-serving]");
    let after = [
        "08:00 issued",
        "08:01 cancelled",
        "08:02 called",
        "08:03 finished",
    ];
    check(&after, "cancelled waited - handled - [after-end]");
    let back = ["08:10 issued", "08:05 called", "08:20 started"];
    check(&back, "serving waited 10 handled - [time-reversed]");
}

fn any_step() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "issued",
        "called",
        "called 2",
        "recalled",
        "started",
        "started 2",
        "finished",
        "no-show",
        "cancelled",
        "transferred",
    ])
}

/// Counts of F-20 over all sums.
fn counts(all: &BTreeMap<QueueKey, QueueSums>) -> QueueSums {
    let mut total = QueueSums::default();
    all.values().for_each(|sums| total.merge(sums));
    total
}

proptest! {
    #[test]
    fn any_order_of_events_keeps_the_invariants(
        events in prop::collection::vec((any_step(), 0i64..600), 1..25)
    ) {
        let mut ticket: Option<Ticket> = None;
        let base = at("08:00").as_second();
        for (word, minute) in events {
            let time = Timestamp::from_second(base + minute * 60).unwrap();
            let folded = fold(ticket.take(), &step(word), time);
            prop_assert!(folded.flag.is_none_or(|flag| folded.ticket.flags.contains(&flag)));
            let total = counts(&by_quarter(&folded.ticket));
            let open = u32::from(folded.ticket.state().is_open());
            let legs = u32::try_from(folded.ticket.legs.len()).unwrap();
            // Every leg ends at most once, and all but the last by a transfer.
            let ended = total.finished + total.no_show + total.cancelled + total.abandoned;
            prop_assert_eq!(ended + open, 1);
            prop_assert_eq!(total.transferred, legs - 1);
            prop_assert!(total.issued <= 1 && total.started <= legs && total.called <= legs);
            prop_assert!(total.waiting.count() <= u64::from(total.started));
            prop_assert!(total.handling.count() <= u64::from(total.finished));
            // 0 ≤ waiting ≤ in hall (F-20): who is begun is in the hall or finished.
            let serving = u32::from(folded.ticket.state() == State::Serving);
            prop_assert!(serving <= open);
            ticket = Some(folded.ticket);
        }
        let closed = abandon(ticket.unwrap(), at("23:00"));
        prop_assert!(!closed.state().is_open());
    }

    #[test]
    fn a_ticket_reads_back_from_json(
        events in prop::collection::vec((any_step(), 0i64..600), 1..12)
    ) {
        let mut ticket: Option<Ticket> = None;
        for (word, minute) in events {
            let time = Timestamp::from_second(at("08:00").as_second() + minute * 60).unwrap();
            ticket = Some(fold(ticket, &step(word), time).ticket);
        }
        let ticket = ticket.unwrap();
        let text = serde_json::to_string(&ticket).unwrap();
        prop_assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), ticket);
    }
}

/// A hall's database and its follower, without a journal.
struct Hall {
    connection: Connection,
    follower: QueueFollower,
    said: Vec<Entry>,
}

impl Hall {
    fn open() -> Self {
        Self::with(QueueFollower::new(TimeZone::UTC, true))
    }

    fn with(follower: QueueFollower) -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let sql = "insert into devices_device (device, kind, name, counter, driver, created_ms)
             values ('pad-1', 'evaluation-pad', 'pad', '1', 'mqtt', 0)";
        connection.execute(sql, []).unwrap();
        Self {
            connection,
            follower,
            said: Vec::new(),
        }
    }

    fn say(&mut self, time: Timestamp, device: &str, observation: Observation) {
        let entry = Entry {
            id: self.said.len() as i64 + 1,
            received: time,
            device: device.parse().unwrap(),
            time,
            clock: ClockFlag::Ok,
            observation,
        };
        self.follower
            .apply(&self.connection, std::slice::from_ref(&entry))
            .unwrap();
        self.said.push(entry);
    }

    /// Everything the queue keeps, table by table.
    fn everything(&self) -> Vec<String> {
        let names = "select name from sqlite_schema where type = 'table' and name like 'queue_%'";
        let mut statement = self.connection.prepare(names).unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(0));
        let mut all = Vec::new();
        for name in names.unwrap().map(Result::unwrap) {
            let sql = format!("select * from {name}");
            let mut rows = self.connection.prepare(&sql).unwrap();
            let columns = rows.column_count();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let cells: Vec<_> = (0..columns).map(|at| row.get_ref(at).unwrap()).collect();
                all.push(format!("{name} {cells:?}"));
            }
        }
        all
    }

    fn ticket(&mut self, clock: &str, number: &str, word: &str) {
        let event = TicketEvent {
            ticket: number.parse().unwrap(),
            step: step(word),
        };
        self.say(at(clock), "tm-1", Observation::Ticket(event));
    }

    fn counter(&mut self, clock: &str, counter: &str, state: CounterState, staff: Option<&str>) {
        let change = CounterChange {
            counter: counter.parse().unwrap(),
            state,
            staff: staff.map(|staff| staff.parse().unwrap()),
        };
        self.say(at(clock), "caller", Observation::Counter(change));
    }

    fn press(&mut self, clock: &str, score: u8) {
        let score = Score::new(score).unwrap();
        self.say(at(clock), "pad-1", Observation::Rating(Rating::of(score)));
    }

    fn read(&self, number: &str) -> Ticket {
        let key = super::TicketKey {
            day: "2020-01-02".parse().unwrap(),
            number: number.parse().unwrap(),
        };
        store::ticket(&self.connection, &key).unwrap().unwrap()
    }

    /// All sums as kept, by slot, queue and class; those that came to nothing left out.
    fn kept(&self) -> BTreeMap<QueueKey, QueueSums> {
        let sql = "select slot_ms, queue, class, sums from queue_quarter";
        let mut statement = self.connection.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut kept = BTreeMap::new();
        while let Some(row) = rows.next().unwrap() {
            let class: String = row.get(2).unwrap();
            let key = QueueKey {
                slot: QuarterHour::containing(from_ms(row.get(0).unwrap())),
                queue: row.get::<_, String>(1).unwrap().parse().unwrap(),
                class: CustomerClass::ALL
                    .into_iter()
                    .find(|c| c.as_str() == class)
                    .unwrap(),
            };
            let sums: QueueSums = serde_json::from_str(&row.get::<_, String>(3).unwrap()).unwrap();
            kept.insert(key, sums);
        }
        kept.retain(|_, sums: &mut QueueSums| !sums.is_empty());
        kept
    }

    fn kept_sums(&self) -> QueueSums {
        counts(&self.kept())
    }

    fn counter_day(&self, staff: &str) -> serde_json::Value {
        let sql = "select sums from queue_counter_day where staff = ?1";
        let text: String = self
            .connection
            .query_row(sql, [staff], |row| row.get(0))
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn the_next_call_ends_a_ticket_nobody_ended() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:01", "A2", "issued");
    hall.ticket("08:05", "A1", "started");
    hall.ticket("08:15", "A2", "called");
    let ticket = hall.read("A1");
    assert_eq!(ticket.state(), State::Finished);
    assert_eq!(ticket.leg().handling_s(), Some(600));
    assert!(ticket.flags.contains(&super::Flag::EndImplied));
}

#[test]
fn seconds_at_the_counter_are_booked_by_state_and_person() {
    let mut hall = Hall::open();
    hall.counter("08:00", "1", CounterState::Open, Some("2001"));
    hall.counter("10:00", "1", CounterState::Break, Some("2001"));
    hall.counter("10:15", "1", CounterState::Busy, Some("2001"));
    hall.counter("10:20", "1", CounterState::Open, Some("2002"));
    let day: BusinessDay = "2020-01-02".parse().unwrap();
    hall.say(
        at("12:00"),
        "hall",
        Observation::DayClosed(DayClosed { day }),
    );
    let first = hall.counter_day("2001");
    assert_eq!(
        (&first["open_s"], &first["break_s"]),
        (&7_200.into(), &900.into())
    );
    assert_eq!(first["busy_s"], 300);
    assert_eq!(hall.counter_day("2002")["open_s"], 6_000);
}

#[test]
fn the_close_of_the_day_leaves_nobody_in_the_hall() {
    let mut hall = Hall::open();
    let day: BusinessDay = "2020-01-02".parse().unwrap();
    hall.ticket("17:50", "A1", "issued");
    hall.ticket("17:51", "A2", "issued");
    hall.ticket("17:55", "A2", "started");
    let before = live(&hall.connection, day, at("18:00")).unwrap();
    assert_eq!((before.waiting, before.in_hall, before.serving), (1, 2, 1));
    assert_eq!(before.longest.map(|ticket| ticket.for_s), Some(600));
    hall.say(
        at("23:00"),
        "hall",
        Observation::DayClosed(DayClosed { day }),
    );
    let after = live(&hall.connection, day, at("23:01")).unwrap();
    assert_eq!((after.waiting, after.in_hall, after.abandoned), (0, 0, 2));
    let sums = hall.kept_sums();
    assert_eq!((sums.issued, sums.abandoned, sums.finished), (2, 2, 0));
}

#[test]
fn a_late_event_restates_only_what_it_changes() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:20", "A1", "started");
    let versions = |hall: &Hall| {
        let facts = store::take_quarters(&hall.connection, at("09:00")).unwrap();
        facts.iter().map(|fact| fact.version).collect::<Vec<_>>()
    };
    assert_eq!(versions(&hall), [1, 1]);
    assert!(versions(&hall).is_empty());
    hall.ticket("08:25", "A1", "finished");
    assert_eq!(versions(&hall), [2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn sums_kept_step_by_step_equal_sums_made_anew(
        events in prop::collection::vec((any_step(), 1u8..6, 0i64..600), 1..60)
    ) {
        let mut hall = Hall::open();
        for (word, number, minute) in events {
            let time = Timestamp::from_second(at("08:00").as_second() + minute * 60).unwrap();
            let number = format!("A{number}").parse().unwrap();
            let event = TicketEvent { ticket: number, step: step(word) };
            hall.say(time, "tm-1", Observation::Ticket(event));
            hall.press("08:30", 4);
        }
        prop_assert_eq!(hall.kept(), store::recomputed(&hall.connection).unwrap());
        // All of it is a function of the journal, however it was cut into steps.
        let anew = Hall::open();
        anew.follower.apply(&anew.connection, &hall.said).unwrap();
        prop_assert_eq!(anew.everything(), hall.everything());
        prop_assert!(!anew.everything().is_empty());
    }
}
