use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::authority::digest;
use zhiban_sync::seal::Purpose;
use zhiban_sync::wire::{pack, unpack};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{About, Outcome, Polled, Rows};
use zhiban_vocabulary::envelope::Answer;
use zhiban_vocabulary::topics;

use super::Downlink;
use crate::intake::Intake;
use crate::questions::test_asker;
use crate::tests::{Folder, Make, TestHall, clock_at, key_of, members, on_both};
use crate::trust::{Member, Members};

const LONG: Duration = Duration::from_secs(30);

struct Site {
    intake: Intake,
    downlink: Downlink,
    members: Members,
    stop: CancellationToken,
    _folder: Folder,
}

impl Site {
    fn open(make: Make, hold: Duration) -> Self {
        let folder = Folder::on(make);
        let (store, members) = (folder.store(), members());
        let clock = clock_at("2020-01-02T12:00:00Z");
        let intake = Intake::new(store.clone(), clock, members.clone());
        let (bell, stop) = (intake.questions().bell().clone(), CancellationToken::new());
        let downlink = Downlink::new(store, members.clone(), bell, stop.clone()).holding(hold);
        tokio::spawn(downlink.clone().watch(stop.clone()));
        Self {
            intake,
            downlink,
            members,
            stop,
            _folder: folder,
        }
    }

    fn poll(&self, hall: &str, number: u64) -> JoinHandle<Polled> {
        let store: StoreId = hall.parse().unwrap();
        self.send(&topics::down(&store), poll_of(&store, number))
    }

    fn send(&self, key: &str, bytes: Vec<u8>) -> JoinHandle<Polled> {
        let (downlink, key) = (self.downlink.clone(), key.to_owned());
        tokio::spawn(async move {
            let answer = downlink.poll(key, bytes).await.unwrap();
            serde_json::from_slice(&unpack(&answer).unwrap()).unwrap()
        })
    }

    fn ask(&self, hall: &str) -> JoinHandle<Option<Outcome>> {
        let (questions, hall) = (self.intake.questions().clone(), hall.parse().unwrap());
        let about = About {
            rows: Rows::Alarms,
            after: None,
            limit: 10,
        };
        tokio::spawn(async move {
            let asked = questions.ask(hall, &about, test_asker()).await;
            asked.unwrap()
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn poll_of(store: &StoreId, number: u64) -> Vec<u8> {
    let poll = json!({"protocol": 1, "store": store, "number": number,
        "has": {"life": 0, "change": 0}});
    let packed = pack(poll.to_string().as_bytes());
    key_of(store).seal(Purpose::Poll, store, &packed)
}

async fn soon<T>(task: JoinHandle<T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(5), task).await;
    ended.expect("not within 5 s").unwrap()
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

fn fetched(answer: Polled) -> zhiban_vocabulary::down::Fetched {
    match answer {
        Polled::Fetched(fetched) => fetched,
        other => panic!("{other:?}"),
    }
}

async fn a_poll_with_nothing_to_fetch_is_held_and_leaves_the_hall_where_it_stands(make: Make) {
    let site = Site::open(make, Duration::from_millis(800));
    let began = std::time::Instant::now();
    let answer = fetched(soon(site.poll("wola", 1)).await);
    assert!(began.elapsed() >= Duration::from_millis(600), "not held");
    assert!(answer.is_empty());
    assert_eq!(answer.upto.change, 0, "{answer:?}");
}

async fn a_question_wakes_the_poll_of_its_hall_alone_and_its_answer_finds_who_asked(make: Make) {
    let site = Site::open(make, LONG);
    let (wola, mokotow) = (site.poll("wola", 1), site.poll("mokotow", 1));
    settle().await;
    let asked = site.ask("wola");
    let question = fetched(soon(wola).await).questions.remove(0);
    assert_eq!(
        (question.asked_by.as_str(), question.roles.as_slice()),
        ("1001", &["operator".to_owned()][..])
    );
    assert_eq!(question.about, json!({"rows": "alarms", "limit": 10}));
    assert!(!mokotow.is_finished() && !asked.is_finished());

    let answer = |hall: &str| {
        let hall = TestHall::new(hall);
        let text = json!({"answered": {"protocol": 1, "store": hall.store, "id": question.id,
            "outcome": {"outcome": "rows", "rows": [{"alarm": "door"}]}}});
        (hall.key(), hall.seal(&pack(text.to_string().as_bytes())))
    };
    // Another hall cannot answer in its place.
    let (key, message) = answer("mokotow");
    let noted = site.intake.receive(&key, message).await.unwrap();
    assert_eq!(noted, Answer::Noted);
    settle().await;
    assert!(!asked.is_finished());
    let (key, message) = answer("wola");
    for _ in 0..2 {
        let noted = site.intake.receive(&key, message.clone()).await.unwrap();
        assert_eq!(noted, Answer::Noted);
    }
    let rows = vec![json!({"alarm": "door"})];
    let expected = Outcome::Rows { rows, next: None };
    assert_eq!(soon(asked).await, Some(expected));
    // Nothing is asked any more.
    let wola = site.poll("wola", 2);
    settle().await;
    assert!(!wola.is_finished());
}

async fn a_newer_poll_ends_the_older_one_and_an_old_number_fetches_nothing(make: Make) {
    let site = Site::open(make, LONG);
    let first = site.poll("wola", 5);
    settle().await;
    for number in [5, 4] {
        let again = soon(site.poll("wola", number)).await;
        assert_eq!(again, Polled::Behind { number: 5 });
    }
    assert!(!first.is_finished());
    let second = site.poll("wola", 6);
    assert!(fetched(soon(first).await).is_empty());
    settle().await;
    assert!(!second.is_finished());
}

async fn a_hall_that_is_shut_out_while_it_waits_gets_nothing(make: Make) {
    let site = Site::open(make, LONG);
    let waiting = site.poll("wola", 1);
    settle().await;
    let store: StoreId = "wola".parse().unwrap();
    let revoked = Member {
        key: key_of(&store).public(),
        store,
        until: Timestamp::MAX,
        used: true,
        revoked: true,
    };
    site.members.learn(vec![(digest(b"wola"), revoked)]);
    for poll in [waiting, site.poll("wola", 2)] {
        let answer = soon(poll).await;
        assert!(matches!(answer, Polled::Refused { .. }), "{answer:?}");
    }
}

async fn a_poll_is_no_statement_and_a_statement_no_poll(make: Make) {
    let site = Site::open(make, LONG);
    let hall = TestHall::new("wola");
    let down = topics::down(&hall.store);
    let poll = poll_of(&hall.store, 1);
    let of_another = poll_of(&"mokotow".parse().unwrap(), 1);
    let beat = hall.beat(1, "2020-01-02T12:00:00Z", 3);
    let last = poll_of(&hall.store, u64::MAX);
    for wrong in [beat.clone(), of_another, last, vec![2; 5_000], Vec::new()] {
        let answer = soon(site.send(&down, wrong)).await;
        assert!(matches!(answer, Polled::Refused { .. }), "{answer:?}");
    }
    let up = site.intake.receive(&hall.key(), poll.clone()).await;
    assert!(matches!(up.unwrap(), Answer::Refused { .. }));
    let answer = soon(site.send(&hall.key(), poll)).await;
    assert!(matches!(answer, Polled::Refused { .. }), "{answer:?}");
}

on_both!(threads:
    a_poll_with_nothing_to_fetch_is_held_and_leaves_the_hall_where_it_stands,
    a_question_wakes_the_poll_of_its_hall_alone_and_its_answer_finds_who_asked,
    a_newer_poll_ends_the_older_one_and_an_old_number_fetches_nothing,
    a_hall_that_is_shut_out_while_it_waits_gets_nothing,
    a_poll_is_no_statement_and_a_statement_no_poll,
);
