//! A full disk: nothing is acknowledged, health says why, the rescue page answers; with room again
//! reports are taken without a restart, and nothing acknowledged was lost.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::disk::SmallDisk;
use zhiban_tests::harness::ledger::{LedgerDevice, Speaks, acked, nothing_is_lost, start_devices};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, Running};

/// Devices pour while health is waited for: what is freed must not be full again by then.
const DISK_MIB: u64 = 128;
/// Health is proved every ten seconds.
const NOTICED_WITHIN: Duration = Duration::from_secs(25);
/// A write-ahead log that begins anew takes reports without any room on the disk until it is as
/// long as it was; that is no fault, only some time.
const USED_UP_WITHIN: Duration = Duration::from_secs(120);
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);
const DEVICES: [(&str, Speaks); 3] = [
    ("tm-a", Speaks::Mqtt311),
    ("tm-b", Speaks::Mqtt5),
    ("tm-c", Speaks::Http),
];

fn client() -> Client {
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// Status of `/health` and what it says about the journal.
async fn health(gateway: &Running) -> (u16, String) {
    let answer = client()
        .get(format!("{}/health", gateway.url()))
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    let parts = body["parts"].as_array().cloned().unwrap_or_default();
    let journal = parts.iter().find(|part| part["part"] == "journal");
    (status, journal.map_or(String::new(), ToString::to_string))
}

/// Fills the disk until health says so and the last room in the write-ahead log is used up; gives
/// how many reports were acknowledged by then.
async fn fill(disk: &SmallDisk, gateway: &Running, devices: &[LedgerDevice]) -> usize {
    let filled = Instant::now();
    until(
        "health says that the disk is full",
        NOTICED_WITHIN,
        async || {
            // Again and again: the gateway makes room by emptying its write-ahead log.
            disk.fill();
            let (status, journal) = health(gateway).await;
            seen(status == 503 && journal.contains("disk is full"), journal)
        },
    )
    .await;
    println!(
        "health failed {:?} after the disk was full",
        filled.elapsed()
    );
    until(
        "nothing is acknowledged any more",
        USED_UP_WITHIN,
        async || {
            let before = acked(devices);
            disk.fill();
            sleep(Duration::from_secs(1)).await;
            seen(acked(devices) == before, before)?;
            Ok::<_, usize>(before)
        },
    )
    .await
}

/// What people and devices are told meanwhile.
async fn says_why(gateway: &Running, secret: &str) {
    let report = json!({"kind": "ticket.issued", "ticket": "Z1", "queue": "A"});
    let request = client().post(format!("{}/api/v1/reports", gateway.url()));
    let answer = request
        .basic_auth("tm-c", Some(secret))
        .json(&report)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let error = answer.text().await.unwrap();
    assert!(error.contains("disk is full"), "{error}");
    let page = client()
        .get(format!("{}/status", gateway.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status().as_u16(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("disk is full"),
        "the rescue page does not say why: {page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() {
    let folder = Folder::new("full");
    let disk = SmallDisk::mount(folder.path(), DISK_MIB);
    let data = disk.path().join("data");
    let ids = DEVICES.map(|(id, _)| format!("{id} ticket-machine"));
    let ids = ids.each_ref().map(String::as_str);
    let mut hall = Hall::prepare(folder.path(), "full-hall", &ids, |config| {
        config["hall"]["data"] = data.to_string_lossy().into_owned().into();
    })
    .await;
    hall.program.data = data;
    let mut gateway = hall.start().await;
    let mut devices = start_devices(&gateway, folder.path(), &DEVICES, &hall.secrets).await;
    until("reports are taken", NOTICED_WITHIN, async || {
        let count = acked(&devices);
        seen(count > 300, count)
    })
    .await;

    let before = fill(&disk, &gateway, &devices).await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(
        acked(&devices),
        before,
        "acknowledged although nothing can be written"
    );
    says_why(&gateway, &hall.secrets[2]).await;
    gateway.check().unwrap();

    disk.free();
    let freed = Instant::now();
    until("reports are taken again", RECOVERED_WITHIN, async || {
        let count = acked(&devices);
        seen(count > before + 100, count)
    })
    .await;
    println!(
        "reports were taken again {:?} after there was room",
        freed.elapsed()
    );
    until("health is good again", RECOVERED_WITHIN, async || {
        let (status, journal) = health(&gateway).await;
        seen(status == 200, journal)
    })
    .await;
    for device in &mut devices {
        device.drain().await;
    }
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    nothing_is_lost(&hall.program.data, &devices);
    println!("{} acknowledged, 0 lost", acked(&devices));
}
