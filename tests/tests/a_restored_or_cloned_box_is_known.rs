//! A hall's disk is put back in time, or runs in two boxes at once: the centre takes nothing for
//! something it has, loses nothing either of them says, and tells two boxes from one.

use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running, free_port};

const STORE: &str = "twin-hall";
const DAY: &str = "2026-03-02";
const PATIENCE: Duration = Duration::from_secs(60);

/// The day at ten times its speed: a minute of the centre's clock is six seconds.
fn clock() -> ReplayClock {
    ReplayClock::from_now(format!("{DAY}T12:10:00Z").parse().unwrap(), 10)
}

async fn hall(folder: &Path, clock: &ReplayClock) -> Hall {
    let devices = ["tm-1 ticket-machine"];
    Hall::prepare(folder, STORE, &devices, |config| {
        clock.put(config);
        let web = format!("127.0.0.1:{}", free_port().unwrap());
        config["web"]["listen"] = web.into();
    })
    .await
}

/// One ticket in a queue of its own, in a quarter hour that has ended.
async fn report(running: &Running, hall: &Hall, queue: &str) {
    let client = Client::builder().no_proxy().build().unwrap();
    let report = json!({"kind": "ticket.issued", "ticket": queue, "boot": queue, "seq": 1,
        "queue": queue, "time": format!("{DAY}T02:05:00Z")});
    let answer = client
        .post(format!("{}/api/v1/reports", running.url()))
        .basic_auth("tm-1", Some(&hall.secrets[0]))
        .json(&json!({ "reports": [report] }))
        .send()
        .await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], 1, "{answer}");
}

async fn uplink(manager: &Account) -> Result<Value, String> {
    let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
    let floor = floor.map_err(|error| error.to_string())?;
    Ok(floor["freshness"]["uplink"].clone())
}

/// Waits until the centre counts so many tickets.
async fn counted(centre: &Centre, tickets: u64) {
    let path = format!("/api/v1/compare?from={DAY}&to={DAY}");
    until("the tickets are at the centre", PATIENCE, async || {
        let figures: Result<Value, _> = centre.operator.get(&path).await;
        let figures = figures.map_err(|error| error.to_string())?;
        let issued = &figures["total"]["issued"];
        seen(*issued == tickets, issued.to_string())
    })
    .await;
}

async fn level(manager: &Account) {
    until("everything is sent", PATIENCE, async || {
        let uplink = uplink(manager).await?;
        let is_level = uplink["connected"] == true && uplink["backlog"] == 0;
        seen(is_level, uplink.to_string())
    })
    .await;
}

async fn has_twin(centre: &Centre) -> Result<bool, String> {
    let halls: Result<Value, _> = centre.operator.get("/api/v1/halls").await;
    let halls = halls.map_err(|error| error.to_string())?;
    Ok(!halls["halls"][0]["twin"].is_null())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Lives of the hall the centre heard of.
fn lives(data: &Path) -> i64 {
    Copied::of(data, "central.db").one("select count(*) from stores_life")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_put_back_in_time_goes_on_in_another_epoch() {
    let folder = Folder::new("restored");
    let clock = clock();
    let mut centre = Centre::start(folder.path(), Some(clock)).await;
    let hall = hall(folder.path(), &clock).await;
    centre.enrol(&hall).await;
    let (mut running, manager) = hall.open().await;
    report(&running, &hall, "Q1").await;
    counted(&centre, 1).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let backup = folder.path().join("backup");
    copy(&hall.program.data, &backup);

    running = hall.start().await;
    report(&running, &hall, "Q2").await;
    counted(&centre, 2).await;
    level(&manager).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);

    // The whole disk, with the file of the epoch: only the centre can know.
    std::fs::remove_dir_all(&hall.program.data).unwrap();
    copy(&backup, &hall.program.data);
    running = hall.start().await;
    report(&running, &hall, "Q3").await;
    counted(&centre, 3).await;
    level(&manager).await;
    assert!(!has_twin(&centre).await.unwrap(), "there is one box");
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(lives(&folder.path().join("centre/data")), 2);
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_boxes_with_one_disk_are_told_and_neither_loses_anything() {
    let folder = Folder::new("cloned");
    let clock = clock();
    let mut centre = Centre::start(folder.path(), Some(clock)).await;
    let first = hall(folder.path(), &clock).await;
    centre.enrol(&first).await;
    let (mut running, manager) = first.open().await;
    report(&running, &first, "Q1").await;
    counted(&centre, 1).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);

    let second = hall(&folder.path().join("second"), &clock).await;
    std::fs::remove_dir_all(&second.program.data).unwrap();
    copy(&first.program.data, &second.program.data);
    let second = Hall {
        store: STORE.into(),
        secrets: first.secrets.clone(),
        program: second.program,
    };
    running = first.start().await;
    let mut twin = second.start().await;
    report(&running, &first, "Q2").await;
    report(&twin, &second, "Q3").await;
    counted(&centre, 3).await;
    until("the centre sees two boxes", PATIENCE, async || {
        seen(has_twin(&centre).await?, "no twin".to_owned())
    })
    .await;
    level(&manager).await;
    until("the hall says so", PATIENCE, async || {
        let uplink = uplink(&manager).await?;
        seen(uplink["twin"] == true, uplink.to_string())
    })
    .await;
    for program in [&mut running, &mut twin, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
    assert_eq!(lives(&folder.path().join("centre/data")), 2);
}
