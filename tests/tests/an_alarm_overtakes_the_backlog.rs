//! The hall was away for days: the centre gets every fact once, and an alarm raised meanwhile does
//! not wait behind them.
//!
//! `ZHIBAN_BACKLOG=140000` is a week of a busy hall; the tests take less. Prints the rate.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use zhiban_tests::harness::configs::{Folder, centre, enrol_early};
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::facts::{ISSUED, pile_up};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running, free_port};

const STORE: &str = "week-hall";
const PATIENCE: Duration = Duration::from_secs(180);

fn backlog() -> usize {
    let asked = std::env::var("ZHIBAN_BACKLOG").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

async fn waiting(manager: &Account) -> Result<u64, String> {
    let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
    let floor = floor.map_err(|error| error.to_string())?;
    let backlog = &floor["freshness"]["uplink"]["backlog"];
    backlog.as_u64().ok_or_else(|| floor.to_string())
}

async fn alarm(running: &Running, secret: &str) {
    let report = json!({"kind": "device.alarm", "alarm": "paper-jam", "severity": "major"});
    let answer = Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/api/v1/reports", running.url()))
        .basic_auth("tm-1", Some(secret))
        .json(&json!({ "reports": [report] }))
        .send()
        .await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fact_arrives_once_and_the_alarm_before_the_last_of_them() {
    let folder = Folder::new("week");
    let (central, _) = centre(folder.path()).unwrap();
    let devices = ["tm-1 ticket-machine"];
    let hall = Hall::prepare(folder.path(), STORE, &devices, |config| {
        let web = format!("127.0.0.1:{}", free_port().unwrap());
        config["web"]["listen"] = web.into();
    })
    .await;
    enrol_early(&central, &[(&hall.program, STORE)])
        .await
        .unwrap();
    let (mut running, manager) = hall.open().await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let facts = backlog();
    pile_up(&hall.program.data, facts);
    running = hall.start().await;
    let all = waiting(&manager).await.unwrap();

    let mut centre = central.start().await.unwrap();
    let operator = Account::set_up(&centre, "1001", "operator").await.unwrap();
    until("the drain begins", PATIENCE, async || {
        let left = waiting(&manager).await?;
        seen(left < all, left.to_string())
    })
    .await;
    let began = Instant::now();
    alarm(&running, &hall.secrets[0]).await;
    let raised = Instant::now();
    let left = until("the alarm is at the centre", PATIENCE, async || {
        let halls: Result<Value, _> = operator.get("/api/v1/halls").await;
        let halls = halls.map_err(|error| error.to_string())?;
        let alarms = &halls["halls"][0]["alarms"];
        seen(alarms[0]["alarm"] == "paper-jam", halls.to_string())?;
        waiting(&manager).await
    })
    .await;
    println!(
        "the alarm was there after {:?}, {left} facts behind it",
        raised.elapsed()
    );
    let facts_left = usize::try_from(left).unwrap();
    assert!(
        facts_left > facts / 4,
        "it waited: {left} of {facts} were left"
    );
    until("everything is sent", PATIENCE, async || {
        let left = waiting(&manager).await?;
        seen(left == 0, left.to_string())
    })
    .await;
    let rate = facts as f64 / began.elapsed().as_secs_f64();
    println!("n = {facts} facts, about {rate:.0} a second");

    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(centre.stop().await.unwrap(), Ended::Cleanly);
    let kept = Copied::of(&folder.path().join("centre/data"), "central.db");
    let count = |sql: &str| usize::try_from(kept.one::<i64>(sql)).unwrap();
    assert_eq!(count("select count(*) from facts_queue_quarter"), facts);
    assert_eq!(
        count("select sum(issued) from facts_hall_day"),
        ISSUED * facts
    );
    assert_eq!(count("select sum(duplicates) from intake_cursor"), 0);
}
