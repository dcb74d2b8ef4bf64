//! A press of a pad finds its ticket, and may end it.

use super::*;

#[test]
fn a_rating_finds_its_ticket_counter_and_person_by_itself() {
    let mut hall = Hall::open();
    hall.counter("08:00", "1", CounterState::Open, Some("2001"));
    hall.press("08:01", 1);
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:02", "A1", "called");
    hall.ticket("08:02", "A1", "started");
    hall.ticket("08:09", "A1", "finished");
    hall.press("08:10", 5);
    hall.press("08:10", 1);
    hall.press("08:20", 1);
    let ticket = hall.read("A1");
    assert_eq!(
        ticket.rating.as_ref().map(|rating| rating.score.value()),
        Some(5)
    );
    assert_eq!(ticket.leg().staff.as_ref().map(AsRef::as_ref), Some("2001"));
    assert_eq!(
        hall.counter_day("2001")["ratings"],
        serde_json::json!([0, 0, 0, 0, 1])
    );
    let sql = "select count(*), count(ticket_number), count(flag) from queue_rating";
    let counts: (i64, i64, i64) = hall
        .connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!(
        counts,
        (4, 2, 1),
        "all presses are kept, two met a ticket, one was a second"
    );
}

#[test]
fn a_press_after_a_transfer_is_for_the_one_who_was_sent_on() {
    let mut hall = Hall::open();
    for (from, number) in [("08:00", "A1"), ("08:01", "A2")] {
        hall.ticket(from, number, "issued");
    }
    hall.ticket("08:10", "A1", "started");
    hall.ticket("08:14", "A1", "finished");
    hall.ticket("08:15", "A2", "started");
    hall.ticket("08:17", "A2", "transferred");
    hall.press("08:18", 5);
    assert!(hall.read("A1").rating.is_none());
    let rated = hall.read("A2");
    assert_eq!(rated.rating.as_ref().map(|rating| rating.leg), Some(0));
    assert_eq!(rated.state(), State::Waiting, "for the other queue");
}

#[test]
fn a_customer_who_rated_can_still_be_sent_on() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:02", "A1", "started");
    hall.press("08:08", 4);
    hall.ticket("08:09", "A1", "transferred");
    hall.ticket("08:20", "A1", "started 2");
    hall.ticket("08:25", "A1", "finished");
    let ticket = hall.read("A1");
    assert_eq!(ticket.state(), State::Finished);
    assert_eq!(ticket.legs[0].ended_at, Some(at("08:08")), "the rating");
    assert_eq!(ticket.leg().handling_s(), Some(300));
    let sums = hall.kept_sums();
    assert_eq!((sums.transferred, sums.finished), (1, 1));
}

#[test]
fn an_end_before_the_rating_is_the_end_whichever_is_told_first() {
    let mut hall = Hall::open();
    hall.ticket("08:00", "A1", "issued");
    hall.ticket("08:02", "A1", "started");
    hall.press("08:08", 4);
    hall.ticket("08:07", "A1", "finished");
    assert_eq!(hall.read("A1").leg().handling_s(), Some(300));
}

#[test]
fn a_rating_ends_the_service_where_the_hall_wants_it() {
    for (ends, handled) in [(true, 360), (false, 420)] {
        let mut hall = Hall::with(QueueFollower::new(TimeZone::UTC, ends));
        hall.ticket("08:00", "A1", "issued");
        hall.ticket("08:02", "A1", "called");
        hall.ticket("08:02", "A1", "started");
        hall.press("08:08", 5);
        let open = hall.read("A1").state().is_open();
        assert_eq!(open, !ends);
        hall.ticket("08:09", "A1", "finished");
        let ticket = hall.read("A1");
        assert_eq!(ticket.leg().handling_s(), Some(handled));
        assert!(ticket.flags.is_empty(), "{:?}", ticket.flags);
        assert_eq!(hall.kept_sums().ratings, [0, 0, 0, 0, 1]);
    }
}
