//! The centre is killed and comes back, and the whole fleet is at its door in the same second: each
//! fact is taken in once, and the centre's memory stays bounded.
//!
//! `ZHIBAN_HALLS=1000 ZHIBAN_LINES=100` is the size `make torture` asks for; the tests take less. The
//! halls are the real machine of the line with an outbox in memory; the lines are real sessions of
//! zenoh through mutual TLS, each shared by several halls, because one machine cannot hold a fleet.

mod hall;
mod line;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use zhiban_gateway::federation::{Member, enrol};
use zhiban_tests::harness::Ended;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::Centre;
use zhiban_vocabulary::StoreId;

use hall::Hall;
use line::Line;

/// Facts that wait in each hall when the centre comes back.
const FACTS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the fleet knocks in vain.
const AWAY: Duration = Duration::from_secs(5);
/// Enrolments at once.
const AT_ONCE: usize = 8;

fn number(name: &str, usual: usize) -> usize {
    let asked = std::env::var(name).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn join(centre: &Centre, folder: &Path, nth: usize) -> Member {
    let store: StoreId = format!("fleet-{nth:05}").parse().unwrap();
    let path = format!("/api/v1/trust/{store}/code");
    let made: Value = centre.operator.post(&path, &json!({})).await.unwrap();
    let code = made["code"].as_str().unwrap().parse().unwrap();
    let door = centre.running.addresses.door.clone().unwrap();
    let data = folder.join(store.as_str());
    std::fs::create_dir_all(&data).unwrap();
    enrol(&data, &store, &door, &code).await.unwrap()
}

/// Peak of the memory of a process, in MiB.
fn peak_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() / 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_fact_arrives_once_when_all_halls_come_at_once() {
    let (halls, lines) = (number("ZHIBAN_HALLS", 60), number("ZHIBAN_LINES", 12));
    let folder = Folder::new("fleet");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    let started = Instant::now();
    let members: Vec<Arc<Member>> = futures_util::stream::iter(0..halls)
        .map(|nth| join(&centre, folder.path(), nth))
        .buffered(AT_ONCE)
        .map(Arc::new)
        .collect()
        .await;
    println!("{halls} halls enrolled in {:?}", started.elapsed());

    let mut groups: Vec<Vec<Hall>> = (0..lines).map(|_| Vec::new()).collect();
    for (nth, member) in members.iter().enumerate() {
        groups[nth % lines].push(Hall::new(Arc::clone(member), nth as u64));
    }
    let (runtime, clock) = (Handle::current(), Instant::now());
    let spawn = |(nth, halls): (usize, Vec<Hall>)| {
        let line = Line::new(&runtime, &door, &members[nth]);
        std::thread::spawn(move || line.carry(halls, clock, PATIENCE))
    };
    // The first facts go up while the centre is there.
    let first: Vec<_> = groups.into_iter().enumerate().map(spawn).collect();
    let mut groups: Vec<Vec<Hall>> = first.into_iter().map(|line| line.join().unwrap()).collect();
    println!("all heard after {:?}", clock.elapsed());

    centre.running.kill().await.unwrap();
    for hall in groups.iter_mut().flatten() {
        hall.state(FACTS);
    }
    let carried: Vec<_> = groups.into_iter().enumerate().map(spawn).collect();
    tokio::time::sleep(AWAY).await;
    let again = centre.running.program.start().await;
    centre.running = again.unwrap_or_else(|error| panic!("{error}"));
    let back = Instant::now();
    let groups: Vec<Vec<Hall>> = tokio::task::spawn_blocking(move || {
        carried
            .into_iter()
            .map(|line| line.join().unwrap())
            .collect()
    })
    .await
    .unwrap();
    let took = back.elapsed();
    let facts = halls as u64 * FACTS;
    let rate = facts * 1_000 / u64::try_from(took.as_millis()).unwrap().max(1);
    let peak = peak_mib(centre.running.addresses.pid);
    println!(
        "{halls} halls over {lines} lines, {FACTS} facts each: all there after {took:?} \
         ({rate} facts/s), the centre's memory at most {peak} MiB"
    );
    // Half a second, then longer and longer: three tries in five seconds, and the one that works.
    let oftenest = groups
        .iter()
        .flatten()
        .map(|hall| hall.in_vain)
        .max()
        .unwrap();
    println!("in vain at most {oftenest} times by one hall");
    assert!(
        oftenest <= 12,
        "a hall knocked {oftenest} times in {AWAY:?}"
    );
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
    check(&centre.running.program.data, halls as u64);
}

/// Every fact of every hall is there, and had one effect.
fn check(data: &Path, halls: u64) {
    let copied = Copied::of(data, "central.db");
    assert_eq!(copied.integrity(), "ok");
    let facts = FACTS + 1;
    let short = format!(
        "select count(*) from (select store from facts_queue_quarter
             where store like 'fleet-%' group by store having count(*) = {facts})"
    );
    assert_eq!(copied.one::<i64>(&short).unsigned_abs(), halls);
    let items = "select sum(items) from intake_cursor where lane = 'history'";
    assert_eq!(copied.one::<i64>(items).unsigned_abs(), halls * facts);
}
