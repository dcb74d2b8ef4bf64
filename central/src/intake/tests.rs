use proptest::prelude::*;
use serde_json::{Value, json};
use zhiban_kernel::StoreError;
use zhiban_kernel::sql::Sql;
use zhiban_vocabulary::envelope::{Answer, Epoch, Estrangement, Lane, Marks, RefusedItem};

use super::{Intake, MESSAGE_BYTES_MAX, sums};
use crate::tests::{
    Folder, Make, TestHall, clock_at, committed, hall_quarter, members, on_both, profile,
    queue_quarter, slots,
};
use crate::{facts, stores};

const DAY: &str = "2020-01-02";

fn intake(folder: &Folder) -> Intake {
    Intake::new(folder.store(), clock_at("2020-01-02T12:00:00Z"), members())
}

fn fact(version: u32, issued: u32) -> Value {
    queue_quarter(DAY, "2020-01-02T08:00:00Z", version, issued)
}

/// Tickets issued on the day, by the roll-up and by its facts, which must agree.
async fn issued(intake: &Intake, hall: &TestHall) -> u64 {
    let store = hall.store.clone();
    let day = facts::day_number(DAY.parse().unwrap());
    let read = move |c: &dyn Sql| {
        let days = facts::hall_days(c, &store, day, day)?;
        let by_roll_up: u64 = days.iter().map(|day| day.tally.issued).sum();
        let slots = facts::queue_slots(c, &store, day, day)?;
        let by_facts: u64 = slots.iter().map(|slot| slot.tally.issued).sum();
        assert_eq!(by_roll_up, by_facts);
        Ok(by_facts)
    };
    intake.store.read(read).await.unwrap()
}

async fn counted(intake: &Intake) -> super::IntakeSums {
    intake.store.read(sums).await.unwrap()
}

async fn dead_letters(intake: &Intake) -> Vec<(u64, String, Vec<u8>)> {
    let read = |c: &dyn Sql| {
        let query = "select seq, reason, body from intake_dead_letter order by id";
        c.all(query, &[], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    };
    intake.store.read(read).await.unwrap()
}

async fn refusal(intake: &Intake, key: &str, bytes: &[u8]) -> String {
    match intake.receive(key, bytes.to_vec()).await.unwrap() {
        Answer::Refused { reason } => reason,
        other => panic!("{other:?}"),
    }
}

async fn a_batch_sent_twice_has_one_effect(make: Make) {
    let folder = Folder::on(make);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    let items = [fact(1, 10), fact(2, 11)];
    assert_eq!(hall.send(&intake, 1, &items).await, 2);
    assert_eq!(hall.send(&intake, 1, &items).await, 2);
    assert_eq!(issued(&intake, &hall).await, 11);
    let sums = counted(&intake).await;
    assert_eq!((sums.items, sums.duplicates), (2, 2));
}

async fn the_table_itself_refuses_an_item_it_has(make: Make) {
    let folder = Folder::on(make);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    hall.send(&intake, 1, &[fact(1, 10)]).await;
    let again = |tx: &dyn Sql| {
        let item = "insert into intake_item values ('wola', 7, 'history', 1, 0)";
        tx.post(item, &[])
    };
    let error = intake.store.write(again).await.unwrap_err();
    assert!(
        error.to_string().to_lowercase().contains("unique"),
        "{error}"
    );
}

async fn a_gap_takes_nothing_and_answers_with_the_cursor(make: Make) {
    let folder = Folder::on(make);
    let (intake, mut hall) = (intake(&folder), TestHall::new("wola"));
    hall.born = 499;
    assert_eq!(hall.send(&intake, 500, &[fact(1, 10)]).await, 500);
    assert_eq!(hall.send(&intake, 502, &[fact(9, 99)]).await, 500);
    assert_eq!(issued(&intake, &hall).await, 10);
    assert_eq!(
        hall.send(&intake, 501, &[fact(2, 11), fact(3, 12)]).await,
        502
    );
    assert_eq!(issued(&intake, &hall).await, 12);
    assert_eq!(
        hall.send(&intake, 500, &[]).await,
        502,
        "an empty batch asks for the cursor"
    );
}

async fn what_a_later_life_says_counts_and_within_it_the_highest_version(make: Make) {
    let folder = Folder::on(make);
    let (intake, mut hall) = (intake(&folder), TestHall::new("wola"));
    hall.send(&intake, 1, &[fact(3, 12)]).await;
    hall.epoch = 8;
    // A hall that was restored states less, in a lower version: its word counts.
    assert_eq!(hall.send(&intake, 1, &[fact(2, 11)]).await, 1);
    assert_eq!(issued(&intake, &hall).await, 11);
    hall.send(&intake, 2, &[fact(1, 13)]).await;
    assert_eq!(
        issued(&intake, &hall).await,
        11,
        "an older version within a life"
    );
    hall.epoch = 7;
    hall.send(&intake, 2, &[fact(9, 99)]).await;
    assert_eq!(issued(&intake, &hall).await, 11, "a life that is over");
    assert_eq!(counted(&intake).await.items, 4);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_committed() {
    let folder = Folder::on(Make::Sqlite);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    hall.send(&intake, 1, &[fact(1, 10)]).await;
    let limit = |pages: u32| {
        let pragma = format!("pragma max_page_count = {pages}");
        intake
            .store
            .write(move |c| c.each(&pragma, &[], &mut |_| Ok(())))
    };
    limit(1).await.unwrap();
    let slots = slots(DAY, 30);
    let many: Vec<Value> = (0..1_000_u32)
        .map(|n| {
            let slot = usize::try_from(n % 30).unwrap();
            let mut fact = queue_quarter(DAY, &slots[slot], 1, 3);
            fact["queue"] = json!(format!("Q{n}"));
            fact
        })
        .collect();
    let full = intake.receive(&hall.key(), hall.batch(2, &many)).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    assert_eq!(counted(&intake).await.items, 1);
    limit(1_000_000).await.unwrap();
    assert_eq!(hall.send(&intake, 2, &many).await, 1_001);
}

/// What the centre says of the item it stops at.
async fn refused(intake: &Intake, hall: &TestHall, first: u64, items: &[Value]) -> RefusedItem {
    let answer = intake.receive(&hall.key(), hall.batch(first, items)).await;
    match answer.unwrap() {
        Answer::Committed { refused, .. } => refused.expect("took all"),
        other => panic!("{other:?}"),
    }
}

async fn an_item_that_cannot_be_kept_stops_the_line_until_it_is_set_aside(make: Make) {
    let folder = Folder::on(make);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    let crooked = queue_quarter(DAY, "2020-01-02T08:07:00Z", 1, 5);
    let elsewhere = queue_quarter(DAY, "2020-03-02T08:00:00Z", 1, 5);
    let nowhere = json!({"item": "profile", "name": "x", "time_zone": "Mars/Base",
        "opens": "08:00:00", "closes": "17:00:00", "queues": []});
    let strange = json!({"item": "from the future"});
    let aside = json!({"item": "set-aside", "reason": "no use"});
    let reasons = [
        (crooked, "slot does not begin on a quarter hour"),
        (elsewhere, "slot is not on its day in any zone"),
        (nowhere.clone(), "profile names an unknown time zone"),
        (strange, "unknown variant `from the future`"),
    ];
    let mut next = 1;
    for (item, reason) in reasons {
        let items = [fact(1, 10), item, fact(2, 11)];
        for _ in 0..3 {
            let stopped = refused(&intake, &hall, next, &items).await;
            assert_eq!(stopped.seq, next + 1);
            assert!(stopped.reason.contains(reason), "{}", stopped.reason);
        }
        let items = [fact(1, 10), aside.clone(), fact(2, 11)];
        assert_eq!(hall.send(&intake, next, &items).await, next + 2);
        next += 3;
    }
    assert_eq!(issued(&intake, &hall).await, 11);
    let letters = dead_letters(&intake).await;
    assert_eq!((letters.len(), letters[2].0), (4, 8));
    assert_eq!(letters[2].2, serde_json::to_vec(&nowhere).unwrap());
    let read = |c: &dyn Sql| {
        let query = "select count(*) from intake_dead_letter where tries = 3 and set_aside";
        c.one(query, &[], |row| row.get::<i64>(0))
    };
    assert_eq!(intake.store.read(read).await.unwrap(), 4);
}

async fn other_contents_under_a_number_are_another_box(make: Make) {
    let folder = Folder::on(make);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    hall.send(&intake, 1, &[fact(1, 10), fact(2, 11)]).await;
    let other = [fact(1, 10), fact(2, 99), fact(3, 100)];
    let answer = intake.receive(&hall.key(), hall.batch(1, &other)).await;
    let (lane, same_to) = (Lane::History, 1);
    let cause = Estrangement::OtherHand { lane, same_to };
    let epoch = Epoch(7);
    assert_eq!(answer.unwrap(), Answer::Estranged { epoch, cause });
    assert_eq!(issued(&intake, &hall).await, 11);
}

async fn two_boxes_that_speak_for_one_hall_are_both_told(make: Make) {
    let folder = Folder::on(make);
    let (mut intake, hall) = (intake(&folder), TestHall::new("wola"));
    let mut twin = TestHall::new("wola");
    twin.epoch = 8;
    let told = async |intake: &Intake, hall: &TestHall, number| {
        let beat = hall.beat(number, "2020-01-02T12:00:00Z", 1);
        let answer = intake.receive(&hall.key(), beat).await;
        matches!(answer.unwrap(), Answer::Committed { twin: true, .. })
    };
    assert!(!told(&intake, &hall, 1).await);
    assert!(!told(&intake, &twin, 1).await, "a restored box");
    assert!(!told(&intake, &hall, 2).await, "what was on its way");
    intake.clock = clock_at("2020-01-02T12:05:00Z");
    assert!(
        !told(&intake, &hall, 2).await,
        "a message somebody recorded"
    );
    assert!(told(&intake, &hall, 3).await);
    assert!(told(&intake, &twin, 2).await);
    intake.clock = clock_at("2020-01-04T12:00:00Z");
    assert!(
        !told(&intake, &twin, 3).await,
        "one of them was switched off"
    );
}

async fn a_message_that_is_not_what_its_key_says_is_refused_whole(make: Make) {
    let folder = Folder::on(make);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    let text = hall.text(1, &[fact(1, 10)]);
    let mokotow = TestHall::new("mokotow");
    let said_by = async |sender: &TestHall, key: &TestHall, text: &str| {
        let sealed = sender.seal(text.as_bytes());
        refusal(&intake, &key.key(), &sealed).await
    };
    let of_another = said_by(&mokotow, &mokotow, &text).await;
    assert!(
        of_another.contains("not the key of store wola"),
        "{of_another}"
    );
    let other_hand = said_by(&mokotow, &hall, &text).await;
    assert!(
        other_hand.contains("not signed by this store"),
        "{other_hand}"
    );
    let unsigned = refusal(&intake, &hall.key(), text.as_bytes()).await;
    assert!(unsigned.contains("not signed"), "{unsigned}");
    let stranger = refusal(&intake, "zhiban/1/up/0/nobody", text.as_bytes()).await;
    assert!(stranger.contains("key of no store"), "{stranger}");
    let newer = text.replace("\"protocol\":1", "\"protocol\":2");
    assert!(said_by(&hall, &hall, &newer).await.contains("protocol 2"));
    let holes = text.replace("\"seq\":1", "\"seq\":0");
    assert!(said_by(&hall, &hall, &holes).await.contains("numbered"));
    let long = vec![b' '; MESSAGE_BYTES_MAX + 1];
    assert!(
        refusal(&intake, &hall.key(), &long)
            .await
            .contains("larger than 4 MiB")
    );
    for junk in [&b""[..], b"{}", b"\xff\x00", b"{\"order\":{}}"] {
        let said = refusal(&intake, &hall.key(), &hall.seal(junk)).await;
        assert!(said.contains("cannot be read"), "{said}");
    }
    assert_eq!(counted(&intake).await.batches, 0);
}

async fn a_heartbeat_is_kept_as_the_latest_and_answered_with_the_cursor(make: Make) {
    let folder = Folder::on(make);
    let (intake, hall) = (intake(&folder), TestHall::new("wola"));
    let mut changes = intake.changes();
    hall.send(&intake, 1, &[profile("Wola", "A"), fact(1, 10)])
        .await;
    let key = hall.key();
    let answer = intake
        .receive(&key, hall.beat(2, "2020-01-02T12:00:00Z", 5))
        .await;
    let expect = Answer::Committed {
        epoch: Epoch(7),
        committed: Marks {
            live: 0,
            history: 2,
        },
        refused: None,
        twin: false,
        beat: 2,
    };
    assert_eq!(answer.unwrap(), expect);
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let id = hall.store.clone();
    let known = async || {
        let id = id.clone();
        let read = move |c: &dyn Sql| stores::one(c, &id);
        intake.store.read(read).await.unwrap().unwrap()
    };
    // Overtaken on its way, or sent again by somebody who recorded it.
    for number in [1, 2] {
        let late = hall.beat(number, "2020-01-02T12:30:00Z", 1);
        assert_eq!(committed(&intake.receive(&key, late).await.unwrap()), 2);
    }
    assert!(!changes.has_changed().unwrap());
    let hall_now = known().await;
    let waits = hall_now.live.as_ref().map(|(_, live)| live.waiting);
    assert_eq!(
        (waits, hall_now.name(), hall_now.backlog),
        (Some(5), "Wola", Some(3))
    );
    // The box started with a wrong clock, then it was set right: numbers decide.
    for (number, at, waiting) in [
        (3, "2037-01-01T00:00:00Z", 8),
        (4, "2020-01-02T12:01:00Z", 9),
    ] {
        let answer = intake.receive(&key, hall.beat(number, at, waiting)).await;
        assert_eq!(committed(&answer.unwrap()), 2);
        let waits = known().await.live.as_ref().map(|(_, live)| live.waiting);
        assert_eq!(waits, Some(waiting), "{at}");
    }
}

async fn an_old_box_that_is_put_back_begins_anew_and_its_word_counts(make: Make) {
    let folder = Folder::on(make);
    let (mut intake, mut hall) = (intake(&folder), TestHall::new("wola"));
    hall.send(&intake, 1, &[fact(5, 10)]).await;
    let mut spare = TestHall::new("wola");
    spare.epoch = 8;
    spare.send(&intake, 1, &[fact(9, 11)]).await;
    intake.clock = clock_at("2020-01-02T12:20:00Z");
    let key = hall.key();
    let over = Answer::Estranged {
        epoch: Epoch(7),
        cause: Estrangement::Over,
    };
    let again = hall.batch(2, &[fact(6, 12)]);
    assert_eq!(intake.receive(&key, again).await.unwrap(), over);
    let beat = hall.beat(9, "2020-01-02T12:20:00Z", 1);
    assert_eq!(intake.receive(&key, beat).await.unwrap(), over);
    hall.epoch = 9;
    hall.born = 1;
    hall.send(&intake, 2, &[fact(6, 12)]).await;
    assert_eq!(issued(&intake, &hall).await, 12);
}

/// What a hall's outbox may hold: few keys, versions in any order, some set aside.
fn outbox() -> impl Strategy<Value = Vec<Value>> {
    let slot_texts = slots(DAY, 3);
    let item = (0..4_usize, 1..6_u32, 0..50_u32).prop_map(move |(slot, version, issued)| {
        match slot_texts.get(slot) {
            // One version is always the same statement.
            Some(slot) => queue_quarter(DAY, slot, version, version * 10),
            None if issued % 2 == 0 => hall_quarter(DAY, &slot_texts[0]),
            None => json!({"item": "set-aside", "reason": issued.to_string()}),
        }
    });
    prop::collection::vec(item, 1..40)
}

/// Tickets issued if every fact of the outbox counts once, in its highest version.
fn expected_issued(outbox: &[Value]) -> u64 {
    let mut latest = std::collections::BTreeMap::new();
    for item in outbox.iter().filter(|item| item["fact"] == "queue-quarter") {
        let (version, issued) = (item["version"].as_u64(), item["issued"].as_u64());
        let kept = latest
            .entry(item["slot"].to_string())
            .or_insert((version, issued));
        if version > kept.0 {
            *kept = (version, issued);
        }
    }
    latest.values().filter_map(|(_, issued)| *issued).sum()
}

#[test]
fn whatever_the_network_does_each_item_counts_once_in_its_latest_version() {
    storm(Make::Sqlite);
}

#[test]
fn whatever_the_network_does_each_item_counts_once_in_its_latest_version_on_postgres() {
    storm(Make::Postgres);
}

fn storm(make: Make) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let folder = Folder::on(make);
    let intake = intake(&folder);
    let number = std::sync::atomic::AtomicU32::new(0);
    let deliveries = prop::collection::vec((0..40_usize, 0..12_usize), 0..12);
    let config = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(outbox in outbox(), deliveries in deliveries, start in 1..1_000_u64)| {
        let case = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut hall = TestHall::new(&format!("hall-{case}"));
        hall.born = start - 1;
        runtime.block_on(async {
            let before = counted(&intake).await;
            // The first batch of a line, cut short, then anything in any order.
            let mut cursor = hall.send(&intake, start, &outbox[..1]).await;
            for (from, length) in deliveries {
                let from = from.min(outbox.len() - 1);
                let to = (from + length).min(outbox.len());
                let now = hall.send(&intake, start + from as u64, &outbox[from..to]).await;
                assert!(now >= cursor, "the cursor went back");
                cursor = now;
            }
            // In the end the hall sends what is missing, one by one, each twice.
            while cursor < start + outbox.len() as u64 - 1 {
                let at = usize::try_from(cursor + 1 - start).unwrap();
                let next = &outbox[at..=at];
                hall.send(&intake, cursor + 1, next).await;
                cursor = hall.send(&intake, cursor + 1, next).await;
            }
            let after = counted(&intake).await;
            assert_eq!(after.items - before.items, outbox.len() as u64);
            assert_eq!(issued(&intake, &hall).await, expected_issued(&outbox));
        });
    });
}

on_both!(
    a_batch_sent_twice_has_one_effect,
    the_table_itself_refuses_an_item_it_has,
    a_gap_takes_nothing_and_answers_with_the_cursor,
    what_a_later_life_says_counts_and_within_it_the_highest_version,
    an_item_that_cannot_be_kept_stops_the_line_until_it_is_set_aside,
    other_contents_under_a_number_are_another_box,
    two_boxes_that_speak_for_one_hall_are_both_told,
    a_message_that_is_not_what_its_key_says_is_refused_whole,
    a_heartbeat_is_kept_as_the_latest_and_answered_with_the_cursor,
    an_old_box_that_is_put_back_begins_anew_and_its_word_counts,
);
