//! The centre is away: facts pile up in the hall, its pages go on, it is restarted, killed. The
//! centre comes back and is killed in the middle of the drain, again and again. In the end it has
//! every fact once, in the version the hall stated last.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::{Folder, centre, enrol_early};
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Program, Running, facts};

const STORE: &str = "away-hall";
const DAY: &str = "2026-03-02";
/// Facts: so many queues, each in so many quarter hours that have ended.
const QUEUES: u32 = 100;
const QUARTERS: u32 = 40;
const KILLS_IN_DRAIN: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// One ticket in each queue and quarter hour, by HTTP; the hall books them at their own time.
async fn report_day(gateway: &Running, secret: &str, boot: &str) {
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/reports", gateway.url());
    let mut seq = 0;
    for quarter in 0..QUARTERS {
        let start: jiff::Timestamp = format!("{DAY}T00:05:00Z").parse().unwrap();
        let time = start + jiff::SignedDuration::from_mins(15 * i64::from(quarter));
        let reports: Vec<_> = (1..=QUEUES)
            .map(|queue| {
                seq += 1;
                json!({"kind": "ticket.issued", "ticket": format!("{boot}-{seq}"), "boot": boot,
                    "seq": seq, "queue": format!("Q{queue}"), "time": time.to_string()})
            })
            .collect();
        let body = json!({ "reports": reports });
        let answer = client
            .post(&url)
            .basic_auth("tm-1", Some(secret))
            .json(&body)
            .send()
            .await;
        let answer: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(answer["accepted"], QUEUES, "{answer}");
    }
}

async fn uplink(manager: &Account) -> Result<Value, String> {
    let floor: Value = manager
        .get("/api/v1/floor")
        .await
        .map_err(|error| error.to_string())?;
    Ok(floor["freshness"]["uplink"].clone())
}

/// Waits until the hall has stated so many facts the centre has not.
async fn backlog_of(manager: &Account, least: u64) -> u64 {
    until(
        "facts pile up, and the floor says so",
        PATIENCE,
        async || {
            let uplink = uplink(manager).await?;
            let backlog = uplink["backlog"].as_u64().unwrap_or(0);
            seen(
                uplink["connected"] == false && backlog >= least,
                uplink.to_string(),
            )?;
            Ok::<_, String>(backlog)
        },
    )
    .await
}

/// Waits until the centre took some of the backlog; false when it took all.
async fn began_to_drain(manager: &Account, backlog: u64) -> bool {
    until("the drain begins", PATIENCE, async || {
        let left = uplink(manager).await?["backlog"]
            .as_u64()
            .unwrap_or(u64::MAX);
        seen(left < backlog, left.to_string())?;
        Ok::<_, String>(left > 0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_wait_for_the_centre_and_arrive_once() {
    let folder = Folder::new("away");
    // 20:10 in the hall, time of day as real.
    let clock = ReplayClock::from_now(format!("{DAY}T12:10:00Z").parse().unwrap(), 10);
    let (central, mut config) = centre(folder.path()).unwrap();
    clock.put(&mut config);
    central.write_config(&config).unwrap();
    let devices = ["tm-1 ticket-machine"];
    let hall = Hall::prepare(folder.path(), STORE, &devices, |config| {
        clock.put(config);
        config["web"]["listen"] =
            format!("127.0.0.1:{}", zhiban_tests::harness::free_port().unwrap()).into();
    })
    .await;
    enrol_early(&central, &[(&hall.program, STORE)])
        .await
        .unwrap();
    let (mut gateway, manager) = hall.open().await;
    report_day(&gateway, &hall.secrets[0], "b1").await;
    let facts = u64::from(QUEUES * QUARTERS);
    backlog_of(&manager, facts).await;

    // The hall is restarted, then killed, while the centre is away: nothing is forgotten, and
    // late reports state facts anew.
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    gateway = hall.start().await;
    report_day(&gateway, &hall.secrets[0], "b2").await;
    backlog_of(&manager, 2 * facts).await;
    gateway.kill().await.unwrap();
    gateway = hall.start().await;
    let mut backlog = backlog_of(&manager, 2 * facts).await;
    println!("backlog {backlog}");

    let mut in_drain = 0;
    for _ in 0..KILLS_IN_DRAIN {
        let mut running = central.start().await.unwrap();
        let mid = began_to_drain(&manager, backlog).await;
        sleep(Duration::from_millis(rand::rng().random_range(0..30))).await;
        running.kill().await.unwrap();
        in_drain += u32::from(mid);
        assert_eq!(Copied::of(&central.data, "central.db").integrity(), "ok");
        // What it acknowledged it has; the rest waits.
        backlog = uplink(&manager).await.unwrap()["backlog"].as_u64().unwrap();
        println!("killed with {backlog} left");
        if backlog == 0 {
            break;
        }
    }
    let mut running = central.start().await.unwrap();
    let started = Instant::now();
    until("all facts are at the centre", PATIENCE, async || {
        let uplink = uplink(&manager).await?;
        seen(
            uplink["connected"] == true && uplink["backlog"] == 0,
            uplink.to_string(),
        )
    })
    .await;
    println!("the rest arrived after {:?}", started.elapsed());
    shown(&running, 2 * facts).await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    in_both(&hall.program, &central, in_drain, 2 * facts);
}

/// The comparison shows the sum.
async fn shown(running: &Running, tickets: u64) {
    let operator = Account::set_up(running, "1001", "operator").await.unwrap();
    let path = format!("/api/v1/compare?from={DAY}&to={DAY}");
    let figures: Value = operator.get(&path).await.unwrap();
    assert_eq!(figures["total"]["issued"], tickets, "{figures}");
}

fn in_both(hall: &Program, central: &Program, kills: u32, tickets: u64) {
    let (hall, centre) = (
        Copied::of(&hall.data, "hall.db"),
        Copied::of(&central.data, "central.db"),
    );
    let (count, wrong) = facts::compare(&hall, &centre, STORE);
    assert!(
        wrong.is_empty(),
        "{} differences, such as {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert_eq!(count, (QUEUES * QUARTERS) as usize);
    let issued: i64 = centre.one("select sum(issued) from facts_queue_quarter");
    assert_eq!(issued.cast_unsigned(), tickets);
    let again: i64 = centre.one("select sum(duplicates) from intake_cursor");
    println!(
        "n = {kills} kills in the drain: {count} facts, duplicates in the sums 0, items that came twice {again}"
    );
}
