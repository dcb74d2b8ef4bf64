//! Signs that missed something.

use super::*;
use crate::boards::signs::tell_again;

impl Hall {
    /// Both signs have done what they were told by now, or have not.
    fn ends(&self, state: &str) {
        let now_ms = self.clock.now().as_millisecond();
        let sql = "update commands_command set state = ?1, ended_ms = ?2 where ended_ms is null";
        self.connection.execute(sql, (state, now_ms)).unwrap();
    }

    /// All that is under way was not answered in time.
    fn misses(&self) {
        self.ends("failed");
        let sql = "update commands_command set failure = 'expired'
             where id = (select max(id) from commands_command where device = 'sign-3')";
        self.connection.execute(sql, []).unwrap();
    }

    /// All that happened so far was `seconds` earlier.
    fn later(&self, seconds: i64) {
        let sql = format!(
            "update commands_command set asked_ms = asked_ms - {0}, ended_ms = ended_ms - {0};
             update boards_sign set back_ms = back_ms - {0}",
            seconds * 1_000
        );
        self.connection.execute_batch(&sql).unwrap();
    }

    /// Looks as the task does; gives what the sign over counter 3 was told by it.
    fn looks(&self) -> Vec<String> {
        let before = self.told("sign-3").len();
        for _ in 0..3 {
            tell_again(&self.connection, self.clock).unwrap();
        }
        self.told("sign-3").split_off(before)
    }

    /// All signs have been up and have been told, as on every other day.
    fn open_with_signs() -> Self {
        let mut hall = Self::open();
        for event in ["up sign-3", "up sign-4", "up board"] {
            hall.happens(event);
        }
        hall.happens("counter 3 open");
        hall.ends("successful");
        assert!(hall.looks().is_empty(), "it was told since");
        hall.later(3_600);
        hall
    }
}

#[test]
fn a_sign_that_was_away_when_its_counter_closed_is_told_when_it_is_back() {
    let mut hall = Hall::open_with_signs();
    hall.happens("down sign-3");
    hall.happens("counter 3 closed");
    hall.ends("failed");
    assert!(hall.looks().is_empty(), "nobody is there");
    hall.later(68);
    hall.happens("up sign-3");
    assert_eq!(hall.looks(), ["pause"]);
    hall.ends("successful");
    hall.later(3_600);
    hall.happens("up sign-3");
    assert!(hall.looks().is_empty(), "a mere reconnect");
}

#[test]
fn a_sign_that_was_without_power_is_told_what_counts_now() {
    let mut hall = Hall::open_with_signs();
    for (event, told) in [
        ("called A1 3", "call A1"),
        ("started A1 3", "serving A1"),
        ("finished A1", "welcome"),
        ("started A2 3", "serving A2"),
        ("counter 3 closed", "pause"),
    ] {
        hall.happens(event);
        hall.ends("successful");
        hall.later(3_600);
        hall.happens("down sign-3");
        hall.happens("up sign-3");
        assert_eq!(hall.looks(), [told], "after {event}");
        hall.ends("successful");
        hall.later(3_600);
    }
}

#[test]
fn a_sign_that_hears_what_it_missed_from_its_topic_is_not_told_twice() {
    let mut hall = Hall::open_with_signs();
    hall.happens("down sign-3");
    hall.happens("counter 3 closed");
    hall.happens("up sign-3");
    assert!(hall.looks().is_empty(), "it is still to be done");
    hall.ends("successful");
    assert!(hall.looks().is_empty());
}

#[test]
fn a_sign_that_is_there_and_fails_is_told_once_more_only() {
    let mut hall = Hall::open_with_signs();
    hall.happens("counter 3 break");
    hall.ends("failed");
    assert_eq!(hall.looks(), ["pause"]);
    for _ in 0..3 {
        hall.ends("failed");
        hall.later(3_600);
        assert!(hall.looks().is_empty());
    }
    // It was there, and refused: that it is well is no news.
    for _ in 0..3 {
        hall.happens("up sign-3");
        assert!(hall.looks().is_empty());
        hall.later(3_600);
    }
}

#[test]
fn a_sign_that_was_away_unseen_is_told_when_it_is_heard_again() {
    let mut hall = Hall::open_with_signs();
    hall.happens("counter 3 break");
    hall.misses();
    assert_eq!(hall.looks(), ["pause"]);
    hall.misses();
    hall.later(3_600);
    assert!(hall.looks().is_empty());
    hall.happens("up sign-3");
    assert_eq!(hall.looks(), ["pause"]);
    hall.ends("successful");
    hall.later(3_600);
    hall.happens("up sign-3");
    assert!(hall.looks().is_empty());
}

#[test]
fn a_sign_that_comes_and_goes_is_told_once_a_minute() {
    let mut hall = Hall::open_with_signs();
    let mut told = 0;
    for _ in 0..12 {
        hall.happens("down sign-3");
        hall.happens("up sign-3");
        told += hall.looks().len();
        hall.ends("failed");
        hall.later(10);
    }
    assert_eq!(told, 2);
}

#[test]
fn a_new_sign_is_told_and_a_board_of_the_hall_is_not() {
    let mut hall = Hall::open();
    hall.happens("called A1 3");
    hall.happens("counter 4 open");
    hall.connection
        .execute("delete from commands_command", [])
        .unwrap();
    for sign in ["sign-4", "board"] {
        hall.happens(&format!("down {sign}"));
        hall.happens(&format!("up {sign}"));
    }
    assert!(hall.looks().is_empty(), "not heard of");
    assert_eq!(hall.told("sign-4"), ["welcome"]);
    assert!(hall.told("board").is_empty());
    hall.happens("up sign-3");
    assert_eq!(hall.looks(), ["call A1"]);
}

#[test]
fn where_an_old_host_tells_texts_only_the_last_one_counts() {
    let mut hall = Hall::open();
    hall.happens("up sign-3");
    assert!(hall.looks().is_empty(), "there is nothing to tell");
    hall.happens("text 请排队 3");
    hall.ends("failed");
    assert_eq!(hall.looks(), ["text 请排队"]);
}

#[test]
fn nothing_is_told_before_both_followers_know_the_same() {
    let mut hall = Hall::open_with_signs();
    let read_to = |follower: &str, position: i64| {
        let sql = "insert or replace into journal_follower (name, position) values (?1, ?2)";
        hall.connection.execute(sql, (follower, position)).unwrap();
    };
    read_to("boards", 8);
    read_to("queue", 7);
    hall.happens("down sign-3");
    hall.happens("up sign-3");
    assert!(hall.looks().is_empty());
    let level = "update journal_follower set position = 8";
    hall.connection.execute(level, []).unwrap();
    assert_eq!(hall.looks(), ["welcome"]);
}

#[test]
fn what_was_said_hours_ago_is_not_how_a_sign_does_now() {
    let mut hall = Hall::open_with_signs();
    for event in ["down sign-3", "up sign-3"] {
        let mut late = hall.entry(event);
        late.clock = ClockFlag::Late;
        hall.follow(&late);
    }
    assert!(hall.looks().is_empty());
}
