use super::*;
use zhiban_vocabulary::envelope::Claim;

const EPOCH: Epoch = Epoch(7);

fn marks(live: u64, history: u64) -> Marks {
    Marks { live, history }
}

fn courier(given: Marks) -> Courier {
    let line = |given| LineStanding {
        given,
        ..LineStanding::default()
    };
    let standing = Standing {
        epoch: EPOCH,
        live: line(given.live),
        history: line(given.history),
    };
    Courier::new(Limits::default(), standing, 1)
}

fn committed(live: u64, history: u64) -> Answer {
    Answer::Committed {
        epoch: EPOCH,
        committed: marks(live, history),
        refused: None,
        twin: false,
        beat: 0,
    }
}

fn refusing(seq: u64) -> Answer {
    Answer::Committed {
        epoch: EPOCH,
        committed: marks(0, seq - 1),
        refused: Some(item(seq)),
        twin: false,
        beat: 0,
    }
}

fn item(seq: u64) -> RefusedItem {
    let reason = "unreadable".into();
    RefusedItem { seq, reason }
}

/// One that was answered once.
fn talking(given: Marks) -> Courier {
    let mut courier = courier(given);
    assert_eq!(courier.next(0), Step::Beat);
    let beat = courier.beat_departs(0);
    courier.answered(beat, &committed(0, 0), 10);
    courier
}

fn sends(courier: &Courier, now_ms: u64) -> Option<Cargo> {
    match courier.next(now_ms) {
        Step::Send(cargo) => Some(cargo),
        _ => None,
    }
}

#[test]
fn nothing_but_a_heartbeat_leaves_before_the_centre_answered() {
    let mut courier = courier(marks(5, 5));
    assert_eq!(courier.next(0), Step::Beat);
    courier.beat_departs(0);
    let forever = Step::Wait { until_ms: u64::MAX };
    assert_eq!(courier.next(9_999), forever);
}

#[test]
fn live_rows_leave_before_history_and_while_history_waits_for_answers() {
    let mut courier = talking(marks(0, 4_000));
    for last in [500, 1_000, 1_500, 2_000] {
        let cargo = sends(&courier, 10).unwrap();
        assert_eq!((cargo.lane, cargo.after), (Lane::History, last - 500));
        courier.departs(Lane::History, last, 10);
    }
    assert_eq!(sends(&courier, 10), None, "the window is full");
    courier.given(Lane::Live, 1);
    assert_eq!(sends(&courier, 10).unwrap().lane, Lane::Live);
}

#[test]
fn rows_are_settled_once_every_batch_before_them_was_answered() {
    let mut courier = talking(marks(0, 20));
    let first = courier.departs(Lane::History, 10, 10);
    let second = courier.departs(Lane::History, 20, 10);
    courier.answered(second, &committed(0, 20), 20);
    assert!(matches!(courier.next(20), Step::Wait { .. }));
    courier.answered(first, &committed(0, 20), 21);
    let (lane, upto) = (Lane::History, 20);
    assert_eq!(courier.next(21), Step::Settle { lane, upto });
    assert_eq!(
        courier.next(21),
        Step::Settle { lane, upto },
        "until it is done"
    );
    courier.settled(lane, upto);
    assert!(matches!(courier.next(21), Step::Wait { .. }));
    assert_eq!(courier.claims().history.settled, 20);
}

#[test]
fn silence_makes_it_wait_longer_and_ask_with_a_heartbeat() {
    let mut courier = talking(marks(0, 2_000));
    let tickets = [500, 1_000].map(|last| courier.departs(Lane::History, last, 10));
    for ticket in tickets {
        courier.lost(ticket, 10_000);
    }
    let Step::Wait { until_ms } = courier.next(10_000) else {
        panic!("does not wait");
    };
    let pause_ms = until_ms - 10_000;
    assert!(
        (250..=750).contains(&pause_ms),
        "one failure, not two: {pause_ms}"
    );
    assert_eq!(courier.next(until_ms), Step::Beat);
    let beat = courier.beat_departs(until_ms);
    courier.answered(beat, &committed(0, 0), until_ms + 5);
    let cargo = sends(&courier, until_ms + 5).unwrap();
    assert_eq!(cargo.after, 0, "it goes back");
}

#[test]
fn batches_shrink_on_a_slow_line_and_grow_on_a_quick_one() {
    let mut courier = talking(marks(0, 100_000));
    let size = |courier: &Courier| sends(courier, 5_200).unwrap().bytes_max;
    let start = size(&courier);
    let slow = courier.departs(Lane::History, 500, 0);
    courier.answered(slow, &committed(0, 500), 5_000);
    courier.settled(Lane::History, 500);
    assert_eq!(size(&courier), start / 2);
    for last in 1..=20 {
        let last = 500 + last * 500;
        let quick = courier.departs(Lane::History, last, 5_000);
        courier.answered(quick, &committed(0, last), 5_100);
        courier.settled(Lane::History, last);
    }
    assert_eq!(size(&courier), Limits::default().bytes_max);
}

#[test]
fn an_item_refused_three_times_is_set_aside_and_the_rest_goes_on() {
    let mut courier = talking(marks(0, 100));
    let mut now_ms = 10;
    for _ in 0..3 {
        let ticket = courier.departs(Lane::History, 100, now_ms);
        courier.answered(ticket, &refusing(40), now_ms);
        if let Step::Settle { lane, upto } = courier.next(now_ms) {
            assert_eq!(upto, 39);
            courier.settled(lane, upto);
        }
        if let Step::Wait { until_ms } = courier.next(now_ms) {
            assert!(
                until_ms - now_ms <= 750,
                "one item does not hold up the line"
            );
            now_ms = until_ms;
        }
    }
    let lane = Lane::History;
    let item = item(40);
    assert_eq!(courier.next(now_ms), Step::SetAside { lane, item });
    courier.set_aside(lane);
    assert_eq!(sends(&courier, now_ms).unwrap().after, 39);
}

#[test]
fn a_batch_refused_as_a_whole_goes_row_by_row_until_the_one_is_found() {
    let mut courier = talking(marks(0, 100));
    let refused = Answer::Refused {
        reason: "too large".into(),
    };
    let mut now_ms = 10;
    let ticket = courier.departs(Lane::History, 100, now_ms);
    courier.answered(ticket, &refused, now_ms);
    for _ in 0..3 {
        let Step::Wait { until_ms } = courier.next(now_ms) else {
            panic!("hurries");
        };
        now_ms = until_ms;
        let cargo = sends(&courier, now_ms).unwrap();
        assert_eq!((cargo.after, cargo.rows_max), (0, 1));
        let ticket = courier.departs(Lane::History, 1, now_ms);
        courier.answered(ticket, &refused, now_ms);
    }
    let aside = courier.next(now_ms);
    assert!(matches!(aside, Step::SetAside { .. }), "{aside:?}");
    courier.set_aside(Lane::History);
    let ticket = courier.departs(Lane::History, 1, now_ms);
    courier.answered(ticket, &committed(0, 1), now_ms);
    courier.settled(Lane::History, 1);
    assert!(sends(&courier, now_ms).unwrap().rows_max > 1, "as before");
}

#[test]
fn ruptures_in_a_row_come_slower_and_slower() {
    let mut courier = courier(marks(0, 10));
    let mut now_ms = 0;
    for _ in 0..10 {
        let beat = courier.beat_departs(now_ms);
        let cause = Estrangement::CentreLost { has: marks(0, 0) };
        courier.answered(
            beat,
            &Answer::Estranged {
                epoch: EPOCH,
                cause,
            },
            now_ms,
        );
        assert!(matches!(courier.next(now_ms), Step::Begin(_)));
        let standing = Standing {
            epoch: EPOCH,
            live: LineStanding::default(),
            history: LineStanding::default(),
        };
        courier.begun(standing, now_ms);
        let Step::Wait { until_ms } = courier.next(now_ms) else {
            panic!("hurries");
        };
        now_ms = until_ms;
    }
    assert!(now_ms > 60_000, "{now_ms}");
}

#[test]
fn a_centre_that_knows_more_than_was_given_means_an_older_copy() {
    let mut courier = courier(marks(0, 10));
    let beat = courier.beat_departs(0);
    courier.answered(beat, &committed(0, 11), 1);
    assert_eq!(courier.next(1), Step::Begin(Rupture::OlderCopy));
    let epoch = Epoch(8);
    let standing = Standing {
        epoch,
        live: LineStanding::default(),
        history: LineStanding {
            given: 10,
            ..LineStanding::default()
        },
    };
    courier.begun(standing, 1);
    let Step::Wait { until_ms } = courier.next(1) else {
        panic!("hurries");
    };
    assert_eq!(courier.next(until_ms), Step::Beat);
    assert_eq!(courier.epoch(), epoch);
}

#[test]
fn what_the_centre_lost_is_claimed_no_more() {
    let mut courier = courier(marks(0, 10));
    let has = marks(0, 4);
    let cause = Estrangement::CentreLost { has };
    let beat = courier.beat_departs(0);
    courier.answered(
        beat,
        &Answer::Estranged {
            epoch: EPOCH,
            cause,
        },
        1,
    );
    assert_eq!(courier.next(1), Step::Begin(Rupture::CentreLost { has }));
    let history = LineStanding {
        settled: 10,
        given: 12,
        ..LineStanding::default()
    };
    let (lane, rupture) = (Lane::History, Rupture::CentreLost { has });
    let standing = Standing {
        epoch: Epoch(8),
        live: LineStanding::default(),
        history: history.renewed(lane, EPOCH, Some(rupture), 1),
    };
    courier.begun(standing, 1);
    let claim = Claim {
        born: 4,
        settled: 4,
        parent: Some(EPOCH),
    };
    assert_eq!(courier.claims().history, claim);
}

#[test]
fn another_box_under_the_same_numbers_ends_the_epoch() {
    let mut courier = talking(marks(0, 30));
    let ticket = courier.departs(Lane::History, 30, 10);
    let lane = Lane::History;
    let answer = |same_to| Answer::Estranged {
        epoch: EPOCH,
        cause: Estrangement::OtherHand { lane, same_to },
    };
    courier.answered(ticket, &answer(12), 11);
    let rupture = Rupture::OtherHand { lane, same_to: 12 };
    assert_eq!(courier.next(11), Step::Begin(rupture));
}

#[test]
fn answers_nobody_waits_for_change_nothing() {
    let mut courier = talking(marks(0, 30));
    let ticket = courier.departs(Lane::History, 30, 10);
    courier.lost(ticket, 10_000);
    let before = courier.next(10_000);
    courier.answered(ticket, &committed(0, 30), 10_001);
    courier.answered(ticket, &committed(0, 99), 10_001);
    courier.lost(ticket, 10_001);
    assert_eq!(courier.next(10_000), before);
}

#[test]
fn a_busy_centre_is_left_in_peace() {
    let mut courier = talking(marks(0, 30));
    let ticket = courier.departs(Lane::History, 30, 10);
    let busy = Answer::Busy {
        retry_after_ms: 8_000,
    };
    courier.answered(ticket, &busy, 20);
    let Step::Wait { until_ms } = courier.next(20) else {
        panic!("does not wait");
    };
    assert!((4_000..=12_020).contains(&until_ms), "{until_ms}");
}
