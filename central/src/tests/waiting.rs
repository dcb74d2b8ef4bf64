//! Thousands of polls that wait at the real queryable.

use std::fs::read_to_string;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use zenoh::Wait as _;
use zenoh::query::ConsolidationMode;
use zhiban_kernel::authority::digest;
use zhiban_sync::seal::Purpose;
use zhiban_sync::wire::pack;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{About, Rows};
use zhiban_vocabulary::topics;

use super::{Folder, Make, clock_at, free_port, key_of};
use crate::downlink::Downlink;
use crate::intake::{Intake, Listener, links};
use crate::questions::test_asker;
use crate::trust::{Member, Members};

const HALLS: usize = 2_000;
/// Halls that share a line, so that the test is not one of sessions.
const HALLS_PER_LINE: usize = 50;
/// Both ends of a poll are in this process.
const KIB_PER_POLL_MAX: u64 = 60;

fn hall(n: usize) -> StoreId {
    format!("many-{n}").parse().unwrap()
}

fn fleet() -> Members {
    let members = Members::default();
    let row = |n| {
        let store = hall(n);
        let member = Member {
            key: key_of(&store).public(),
            store,
            until: Timestamp::MAX,
            used: true,
            revoked: false,
        };
        (digest(n.to_string().as_bytes()), member)
    };
    members.learn((0..HALLS).map(row).collect());
    members
}

/// Sends one poll of each hall; who was answered comes by the channel.
fn poll_all(endpoint: &str) -> (Vec<zenoh::Session>, Receiver<usize>) {
    let (answered, answers) = sync_channel(HALLS);
    let mut sessions = Vec::new();
    for first in (0..HALLS).step_by(HALLS_PER_LINE) {
        let session = links::open_client(endpoint).unwrap();
        for n in first..first + HALLS_PER_LINE {
            let (store, answered) = (hall(n), answered.clone());
            let poll = json!({"protocol": 1, "store": store, "number": 1,
                "has": {"life": 0, "change": 0}});
            let packed = pack(poll.to_string().as_bytes());
            session
                .get(topics::down(&store))
                .payload(key_of(&store).seal(Purpose::Poll, &store, &packed))
                .consolidation(ConsolidationMode::None)
                .timeout(Duration::from_secs(75))
                .callback(move |_| {
                    let _ = answered.send(n);
                })
                .wait()
                .unwrap();
        }
        sessions.push(session);
    }
    (sessions, answers)
}

/// Memory of this process in KiB, and the time it used.
fn used() -> (u64, Duration) {
    let statm = read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    let stat = read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = [fields[11], fields[12]]
        .iter()
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    (pages * 4, Duration::from_millis(ticks * 10))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_polls_wait_at_little_cost_and_one_is_woken_alone() {
    let folder = Folder::on(Make::Sqlite);
    let (store, stop) = (folder.store(), CancellationToken::new());
    let intake = Intake::new(store.clone(), clock_at("2020-01-02T12:00:00Z"), fleet());
    let bell = intake.questions().bell().clone();
    let downlink = Downlink::new(store, fleet(), bell, stop.clone());
    let endpoint = format!("tcp/127.0.0.1:{}", free_port());
    let listener = Listener::open(intake.clone(), downlink.clone(), vec![endpoint.clone()]);
    let task = tokio::spawn(listener.await.unwrap().run(stop.clone()));
    tokio::spawn(downlink.clone().watch(stop.clone()));

    let (before, _) = used();
    let began = Instant::now();
    let polling = tokio::task::spawn_blocking(move || poll_all(&endpoint));
    let (sessions, answers) = polling.await.unwrap();
    while downlink.waiting() < HALLS {
        assert!(began.elapsed() < Duration::from_secs(30), "not all wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (after, busy) = used();
    let per_poll = after.saturating_sub(before) / HALLS as u64;
    println!(
        "{HALLS} polls wait after {:?}, {per_poll} KiB each with both ends",
        began.elapsed()
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("in 3 s of waiting {:?} of processor", used().1 - busy);
    assert!(per_poll <= KIB_PER_POLL_MAX, "{per_poll} KiB");
    assert!(answers.try_recv().is_err(), "nobody has anything to fetch");

    let about = About {
        rows: Rows::Alarms,
        after: None,
        limit: 1,
    };
    let questions = intake.questions().clone();
    let asked = Instant::now();
    tokio::spawn(async move { questions.ask(hall(1_234), &about, test_asker()).await });
    let woken = tokio::task::spawn_blocking(move || {
        let first = answers.recv_timeout(Duration::from_secs(5)).unwrap();
        let took = asked.elapsed();
        (
            first,
            took,
            answers.recv_timeout(Duration::from_secs(1)).is_err(),
        )
    });
    let (first, took, alone) = woken.await.unwrap();
    println!("the one that is asked hears of it after {took:?}");
    assert_eq!((first, alone), (1_234, true));
    stop.cancel();
    task.await.unwrap();
    let close = move || sessions.iter().for_each(links::close);
    tokio::task::spawn_blocking(close).await.unwrap();
}
