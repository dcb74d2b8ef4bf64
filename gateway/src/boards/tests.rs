//! What stands over the counters (S3-4.1.4-B).

mod again;

use jiff::tz::TimeZone;
use zhiban_vocabulary::counter::CounterChange;
use zhiban_vocabulary::device::DeviceHealth;
use zhiban_vocabulary::rating::Score;
use zhiban_vocabulary::report::DayClosed;
use zhiban_vocabulary::time::BusinessDay;

use super::*;
use crate::journal::migrate;
use crate::queue::QueueFollower;

/// Signs over two counters, and a board for the whole hall.
struct Hall {
    connection: Connection,
    clock: Clock,
    next: i64,
}

impl Hall {
    fn open() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let devices = "insert into devices_device (device, kind, name, counter, driver, created_ms)
             values ('sign-3', 'window-screen', '', '3', 'lihe-screen', 0),
                    ('sign-4', 'led-board', '', '4', 'mqtt', 0),
                    ('board', 'led-board', '', null, 'mqtt', 0),
                    ('kiosk', 'kiosk', '', '3', 'mqtt', 0)";
        connection.execute(devices, []).unwrap();
        Self {
            connection,
            clock: Clock::new(None),
            next: 1,
        }
    }

    fn happens(&mut self, what: &str) {
        let entry = self.entry(what);
        self.follow(&entry);
    }

    fn entry(&mut self, what: &str) -> Entry {
        let now = self.clock.now();
        self.next += 1;
        let device = match what.split_once(' ') {
            Some(("up" | "down", device)) => device,
            _ => "caller",
        };
        Entry {
            id: self.next,
            received: now,
            device: device.parse().unwrap(),
            // No two things happen at once.
            time: now + jiff::SignedDuration::from_millis(10 * self.next),
            clock: ClockFlag::Ok,
            observation: observation(what, now),
        }
    }

    fn follow(&self, entry: &Entry) {
        let entries = std::slice::from_ref(entry);
        let queue = QueueFollower::new(TimeZone::UTC, true);
        queue.apply(&self.connection, entries).unwrap();
        let boards = BoardsFollower::new(self.clock, Wake::default(), true);
        boards.apply(&self.connection, entries).unwrap();
    }

    /// What a device was told to show, in order.
    fn told(&self, device: &str) -> Vec<String> {
        let sql = "select body from commands_command where device = ?1 order by id";
        let mut statement = self.connection.prepare(sql).unwrap();
        let bodies = statement.query_map([device], |row| row.get::<_, String>(0));
        let read = |body: rusqlite::Result<String>| {
            let command: Command = serde_json::from_str(&body.unwrap()).unwrap();
            command.to_string()
        };
        bodies.unwrap().map(read).collect()
    }
}

/// `called A1 3`, `finished A1`, `counter 3 open`, `text 请排队`, `text 请排队 3`, `day closed`,
/// `up sign-3`
fn observation(what: &str, now: jiff::Timestamp) -> Observation {
    let words: Vec<&str> = what.split(' ').collect();
    let ticket = |step| {
        let ticket = words[1].parse().unwrap();
        Observation::Ticket(TicketEvent { ticket, step })
    };
    let counter = || words[2].parse().unwrap();
    match words[0] {
        "called" => ticket(TicketStep::Called {
            counter: counter(),
            staff: None,
        }),
        "recalled" => ticket(TicketStep::Recalled { counter: counter() }),
        "started" => ticket(TicketStep::Started {
            counter: counter(),
            staff: None,
        }),
        "finished" => ticket(TicketStep::Finished { service: None }),
        "no-show" => ticket(TicketStep::NoShow {}),
        "transferred" => ticket(TicketStep::Transferred {
            queue: "B".parse().unwrap(),
            counter: None,
        }),
        "counter" => Observation::Counter(CounterChange {
            counter: words[1].parse().unwrap(),
            state: serde_json::from_value(words[2].into()).unwrap(),
            staff: None,
        }),
        "rated" => Observation::Rating(Rating {
            counter: Some(words[1].parse().unwrap()),
            ..Rating::of(Score::new(5).unwrap())
        }),
        "text" => Observation::ScreenText(zhiban_vocabulary::device::ScreenText {
            counter: words.get(2).map(|counter| counter.parse().unwrap()),
            text: words[1].into(),
            speak: false,
        }),
        "up" | "down" => Observation::Health(DeviceHealth {
            status: serde_json::from_value(words[0].into()).unwrap(),
            detail: None,
        }),
        "day" => Observation::DayClosed(DayClosed {
            day: BusinessDay::of(now, &TimeZone::UTC),
        }),
        other => panic!("no event {other}"),
    }
}

/// What the sign over counter 3 was told after all events.
fn check(events: &[&str], expected: &[&str]) {
    let mut hall = Hall::open();
    for event in events {
        hall.happens(event);
    }
    assert_eq!(hall.told("sign-3"), expected, "after {events:?}");
}

#[test]
fn a_sign_says_what_its_counter_does() {
    check(
        &[
            "counter 3 open",
            "called A1 3",
            "started A1 3",
            "finished A1",
            "called A2 3",
            "recalled A2 3",
            "no-show A2",
            "counter 3 busy",
            "counter 3 open",
            "counter 3 break",
            "counter 3 open",
            "counter 3 closed",
        ],
        &[
            "welcome",
            "call A1",
            "serving A1",
            "welcome",
            "call A2",
            "call A2",
            "welcome",
            "pause",
            "welcome",
            "pause",
            "welcome",
            "pause",
        ],
    );
}

#[test]
fn a_counter_nobody_says_is_open_is_closed_while_it_is_idle() {
    check(
        &["called A1 3", "started A1 3", "finished A1", "called A2 3"],
        &["call A1", "serving A1", "pause", "call A2"],
    );
}

#[test]
fn the_end_of_a_ticket_that_is_not_on_the_sign_changes_nothing() {
    let events = [
        "counter 3 open",
        "called A1 3",
        "called A2 3",
        "finished A1",
    ];
    check(&events, &["welcome", "call A1", "call A2"]);
    let events = [
        "counter 3 open",
        "called A1 3",
        "counter 3 break",
        "finished A1",
    ];
    check(&events, &["welcome", "call A1", "pause"]);
    check(
        &["counter 3 open", "called A1 4", "finished A1"],
        &["welcome"],
    );
}

#[test]
fn a_customer_who_is_sent_on_is_no_longer_on_the_sign() {
    let events = ["counter 3 open", "started A1 3", "transferred A1"];
    check(&events, &["welcome", "serving A1", "welcome"]);
}

#[test]
fn a_rating_that_ends_the_service_frees_the_sign() {
    let mut events = vec!["counter 3 open", "called A1 3", "started A1 3", "rated 3"];
    let mut expected = vec!["welcome", "call A1", "serving A1", "welcome"];
    check(&events, &expected);
    // Its end is no news then, and the pad of the last customer frees nobody else's sign.
    events.extend(["finished A1", "called A2 3", "rated 3"]);
    expected.push("call A2");
    check(&events, &expected);
}

#[test]
fn the_close_of_the_day_pauses_every_counter_once() {
    let events = ["counter 3 open", "started A1 3", "day closed", "day closed"];
    check(&events, &["welcome", "serving A1", "pause"]);
    check(&["counter 3 closed", "day closed"], &["pause"]);
}

#[test]
fn the_board_of_the_hall_shows_calls_and_texts_only() {
    let mut hall = Hall::open();
    for event in [
        "counter 3 open",
        "called A1 3",
        "started A1 3",
        "finished A1",
        "text 请排队",
        "day closed",
    ] {
        hall.happens(event);
    }
    assert_eq!(hall.told("board"), ["call A1", "text 请排队"]);
    assert_eq!(hall.told("sign-4"), ["pause"], "another counter's affair");
    assert!(hall.told("kiosk").is_empty());
}

#[test]
fn a_text_over_one_counter_is_on_no_other_screen() {
    let mut hall = Hall::open();
    hall.happens("text 请排队 3");
    hall.happens("text 今日盘点");
    assert_eq!(hall.told("sign-3"), ["text 请排队"]);
    assert_eq!(hall.told("board"), ["text 今日盘点"]);
    assert!(hall.told("sign-4").is_empty());
}

#[test]
fn what_is_history_is_not_shown() {
    let mut hall = Hall::open();
    let mut late = hall.entry("called A1 3");
    late.clock = ClockFlag::Late;
    hall.follow(&late);
    let mut old = hall.entry("called A2 3");
    old.received -= jiff::SignedDuration::from_secs(90);
    hall.follow(&old);
    assert!(hall.told("sign-3").is_empty());
}
