//! What arrives late tells what was, and leaves alone what is.

use super::*;

#[test]
fn a_served_ticket_told_of_after_the_close_was_not_abandoned() {
    let mut hall = Hall::open();
    let day: BusinessDay = "2020-01-02".parse().unwrap();
    hall.ticket("17:00", "A1", "issued");
    hall.ticket("17:01", "A2", "issued");
    hall.say(
        at("23:00"),
        "hall",
        Observation::DayClosed(DayClosed { day }),
    );
    hall.ticket("17:10", "A1", "started");
    assert_eq!(
        hall.read("A1").state(),
        State::Abandoned,
        "it may still be open"
    );
    hall.ticket("17:20", "A1", "finished");
    hall.ticket("17:30", "A3", "issued");
    let ticket = hall.read("A1");
    assert_eq!(
        (ticket.state(), ticket.leg().handling_s()),
        (State::Finished, Some(600))
    );
    let after = live(&hall.connection, day, at("23:30")).unwrap();
    assert_eq!(
        (after.in_hall, after.abandoned),
        (0, 2),
        "A2, and A3 that came too late"
    );
    let sums = hall.kept_sums();
    assert_eq!((sums.issued, sums.finished, sums.abandoned), (3, 1, 2));
}

#[test]
fn a_call_told_before_the_counter_opened_does_not_keep_it_closed() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:05", "A1", "called");
    hall.counter("08:04", "1", CounterState::Open, Some("2001"));
    let day: BusinessDay = "2020-01-02".parse().unwrap();
    let counter = &live(&hall.connection, day, at("08:06")).unwrap().counters[0];
    assert_eq!(counter.state, CounterState::Open);
    assert_eq!(
        (counter.since, counter.staff.as_deref()),
        (at("08:04"), Some("2001"))
    );
    assert!(counter.ticket.is_some());
}

#[test]
fn a_ticket_is_at_the_counter_that_called_it_last_only() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:05", "A1", "called 1");
    hall.ticket("08:06", "A1", "no-show");
    hall.ticket("08:08", "A1", "called 2");
    let day: BusinessDay = "2020-01-02".parse().unwrap();
    let now = live(&hall.connection, day, at("08:09")).unwrap();
    let at: Vec<_> = now
        .counters
        .iter()
        .map(|counter| counter.ticket.is_some())
        .collect();
    assert_eq!(at, [false, true]);
}

#[test]
fn history_that_arrives_late_does_not_move_a_counter() {
    let mut hall = Hall::open();
    for number in ["A1", "A2", "A3"] {
        hall.ticket("08:00", number, "issued");
    }
    hall.ticket("09:00", "A2", "started");
    hall.ticket("08:30", "A1", "called");
    let day: BusinessDay = "2020-01-02".parse().unwrap();
    let now = live(&hall.connection, day, at("09:01")).unwrap();
    let shown = now.counters[0]
        .ticket
        .as_ref()
        .map(|ticket| ticket.number.clone());
    assert_eq!(shown.as_deref(), Some("A2"));
    hall.ticket("09:10", "A3", "called");
    assert!(
        hall.read("A2")
            .flags
            .contains(&crate::queue::Flag::EndImplied)
    );
}

#[test]
fn a_press_belongs_to_whoever_was_served_then() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:00", "A2", "issued");
    hall.ticket("08:05", "A1", "started");
    hall.ticket("08:10", "A1", "finished");
    hall.ticket("08:12", "A2", "started");
    // A pad that was cut off tells of the first customer's press only now.
    hall.press("08:11", 2);
    hall.press("07:00", 1);
    let score = |hall: &Hall, number| hall.read(number).rating.map(|rating| rating.score.value());
    assert_eq!((score(&hall, "A1"), score(&hall, "A2")), (Some(2), None));
    hall.press("08:15", 5);
    hall.ticket("08:16", "A2", "transferred");
    hall.ticket("08:20", "A2", "started 2");
    let kept = hall.kept();
    let rated: Vec<_> = kept.iter().filter(|(_, sums)| sums.rated() > 0).collect();
    assert!(
        rated.iter().all(|(key, _)| key.queue.as_str() == "A"),
        "{rated:?}"
    );
}
