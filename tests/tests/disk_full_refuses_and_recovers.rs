//! A full disk: nothing is acknowledged, health says why, the rescue page answers; with room again
//! reports are taken without a restart, and nothing acknowledged was lost.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::disk::SmallDisk;
use zhiban_tests::harness::ledger::{LedgerClient, LedgerDevice, Speaks, differences};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, Running};

const DISK_MIB: u64 = 24;
/// Health is proved every ten seconds.
const NOTICED_WITHIN: Duration = Duration::from_secs(25);
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

fn acked(devices: &[LedgerDevice]) -> usize {
    devices
        .iter()
        .map(|device| device.ledger().acked.len())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() {
    let folder = Folder::new("full");
    let disk = SmallDisk::mount(folder.path(), DISK_MIB);
    let ids = DEVICES.map(|(id, _)| format!("{id} ticket-machine"));
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut hall = Hall::prepare(folder.path(), "full-hall", None, &ids, |config| {
        config["hall"]["data"] = disk
            .path()
            .join("data")
            .to_string_lossy()
            .into_owned()
            .into();
    })
    .await;
    hall.program.data = disk.path().join("data");
    let mut gateway = hall.start().await;
    let mut devices = Vec::new();
    for ((device, speaks), secret) in DEVICES.into_iter().zip(&hall.secrets) {
        let mqtt = gateway.addresses.mqtt.clone().unwrap();
        let web = gateway.addresses.web.clone();
        let address = if speaks == Speaks::Http { &web } else { &mqtt };
        let client = LedgerClient {
            speaks,
            address,
            device,
            secret,
            boot: "b1",
            every_ms: 5,
        };
        devices.push(client.start(folder.path()).await);
    }
    until("reports are taken", Duration::from_secs(10), async || {
        let count = acked(&devices);
        seen(count > 300, count)
    })
    .await;

    let filled = Instant::now();
    until(
        "health says that the disk is full",
        NOTICED_WITHIN,
        async || {
            // Again and again: the gateway makes room by emptying its write-ahead log.
            disk.fill();
            let (status, journal) = health(&gateway).await;
            seen(status == 503 && journal.contains("disk is full"), journal)
        },
    )
    .await;
    println!(
        "health failed {:?} after the disk was full",
        filled.elapsed()
    );
    // What still fitted has been written by now.
    let before = acked(&devices);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(
        acked(&devices),
        before,
        "acknowledged although nothing can be written"
    );
    let answer = client()
        .post(format!("{}/api/v1/reports", gateway.url()))
        .basic_auth("tm-c", Some(&hall.secrets[2]))
        .json(&json!({"kind": "ticket.issued", "ticket": "Z1", "queue": "A"}));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let error: Value = answer.json().await.unwrap();
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("disk is full"),
        "{error}"
    );
    let page = client()
        .get(format!("{}/status", gateway.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(
        page.text().await.unwrap().contains("disk is full"),
        "the rescue page does not say why"
    );
    gateway.check().unwrap();

    disk.free();
    let freed = Instant::now();
    until("reports are taken again", RECOVERED_WITHIN, async || {
        let per_device: Vec<_> = devices
            .iter()
            .map(|device| device.ledger().acked.len())
            .collect();
        seen(per_device.iter().sum::<usize>() > before + 100, per_device)
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
    holds_all(&hall.program.data, &devices);
}

fn holds_all(data: &std::path::Path, devices: &[LedgerDevice]) {
    let journal = Copied::of(data, "hall.db");
    assert_eq!(journal.integrity(), "ok");
    for device in devices {
        let wrong = differences(&journal, device);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    println!("{} acknowledged, 0 lost", acked(devices));
}
