//! What installed devices rely on: no keep-alive, retained state of hundreds of topics, also after
//! a restart of the real program, wills. With paho-mqtt and mosquitto_sub.

use std::time::Duration;

use serde_json::Value;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::paho::{Identity, Paho, Version};
use zhiban_tests::harness::peers::{debian, finish, text};
use zhiban_tests::harness::stage::{Hall, mqtt};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, Running};

const TOPICS: usize = 300;
const SOON: Duration = Duration::from_secs(15);

async fn retained(gateway: &Running, secret: &str, version: Version) -> usize {
    let (host, port) = mqtt(gateway);
    let mut listen = debian("mosquitto_sub");
    listen.args([
        "-V",
        version.mosquitto(),
        "-h",
        host,
        "-p",
        port,
        "-i",
        "kiosk-1",
    ]);
    listen.args([
        "-u", "kiosk-1", "-P", secret, "-q", "1", "-v", "-W", "8", "-C", "300",
    ]);
    listen.args(["-t", "te/device/kiosk-1///twin/+"]);
    let heard = finish(&mut listen, SOON).await;
    let text = text(&heard);
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| line.ends_with(" here"))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_reach_a_late_listener_also_after_a_restart() {
    let folder = Folder::new("retained");
    let devices = ["kiosk-1 kiosk"];
    let hall = Hall::prepare(folder.path(), "retained-hall", &devices, |_| ()).await;
    let secret = &hall.secrets[0];
    let mut gateway = hall.start().await;
    // One mosquitto_pub per topic would take a minute; paho tells 300 in one go.
    let mut device = Paho::connect(
        &gateway,
        Version::V311,
        Identity::of("kiosk-1", secret),
        &[],
    )
    .await;
    device
        .peer
        .order(&format!("retain {TOPICS} te/device/kiosk-1///twin/ here"))
        .await;
    device.peer.until(&format!("retained {TOPICS}")).await;
    drop(device);
    for version in Version::BOTH {
        assert_eq!(
            retained(&gateway, secret, version).await,
            TOPICS,
            "{version:?}"
        );
    }
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    let mut gateway = hall.start().await;
    for version in Version::BOTH {
        assert_eq!(
            retained(&gateway, secret, version).await,
            TOPICS,
            "{version:?} after a restart"
        );
    }
    // Killed, not stopped: acknowledged is on disk.
    gateway.kill().await.unwrap();
    let mut gateway = hall.start().await;
    assert_eq!(
        retained(&gateway, secret, Version::V5).await,
        TOPICS,
        "after a kill"
    );
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_keep_alive_stays_and_a_lost_one_leaves_its_will() {
    let folder = Folder::new("will");
    let devices = ["kiosk-1 kiosk"];
    let hall = Hall::prepare(folder.path(), "will-hall", &devices, |_| ()).await;
    let (mut gateway, manager) = hall.open().await;
    let own = Identity::of("kiosk-1", &hall.secrets[0]);
    for version in Version::BOTH {
        let will = "will=te/device/kiosk-1/service/agent/status/health";
        let mut device = Paho::connect(&gateway, version, own, &["alive=0", will]).await;
        assert_eq!(device.connack, "0", "{version:?}: keep-alive 0 was refused");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let topic = "te/device/kiosk-1/service/agent/status/health";
        assert_eq!(device.publish(topic, r#"{"status":"up"}"#).await, "0");
        assert!(!device.peer.said.iter().any(|line| line.starts_with("lost")));
        // Killed: no DISCONNECT.
        device.peer.process.kill().await.unwrap();
        until("the will tells that it is down", SOON, async || {
            let found: Value = manager
                .get("/api/v1/devices")
                .await
                .map_err(|e| e.to_string())?;
            let device = &found["devices"][0];
            seen(
                device["health"]["status"] == "down" && device["connected"] == false,
                device.to_string(),
            )
        })
        .await;
    }
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}
