//! From PUBLISH to PUBACK.

use std::sync::mpsc;

use super::*;

#[tokio::test]
async fn a_report_is_acknowledged_and_kept_once() {
    let hall = Hall::open("once").await;
    let mut device = hall.device("tm-1").await;
    let (topic, payload) = issued("tm-1", 1);
    device.acknowledged(&topic, &payload, 1, 0).await;
    device.acknowledged(&topic, &payload, 1, 8).await;
    assert_eq!(hall.reports().await, 1);
    // Without a number of its own it is known by packet id and payload.
    let bare = r#"{"ticket":"A2","queue":"A"}"#;
    device.acknowledged(&topic, bare, 7, 0).await;
    device.acknowledged(&topic, bare, 7, 8).await;
    device.acknowledged(&topic, bare, 8, 0).await;
    assert_eq!(hall.reports().await, 3);
    assert_eq!(hall.letters().await, []);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_on_disk() {
    let hall = Hall::open("commit").await;
    let mut device = hall.device("tm-1").await;
    let (go, wait) = mpsc::channel::<()>();
    let store = hall.shared.store.clone();
    let held = tokio::spawn(async move {
        let hold = move |_: &rusqlite::Connection| {
            let _ = wait.recv();
            Ok(())
        };
        store.write(hold).await
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    for seq in 1..=20 {
        let (topic, payload) = issued("tm-1", seq);
        let packet_id = u16::try_from(seq).unwrap();
        device
            .send(&publish(4, &topic, &payload, packet_id, 0))
            .await;
    }
    device.silent(Duration::from_millis(400)).await;
    assert_eq!(hall.reports().await, 0);
    go.send(()).unwrap();
    for packet_id in 1..=20 {
        assert_eq!(device.raw().await, [0x40, 2, 0, packet_id]);
    }
    assert_eq!(hall.reports().await, 20);
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_disk_that_fails_ends_the_connection_without_an_acknowledgement() {
    let hall = Hall::open("full").await;
    let secret = hall.register("tm-1").await;
    let mut device = hall.connected(&login("tm-1", &secret).v5()).await;
    let pages = |count: u32| {
        hall.shared.store.write(move |connection| {
            connection.pragma_update(None, "max_page_count", count)?;
            Ok(())
        })
    };
    pages(1).await.unwrap();
    let padding = "x".repeat(30_000);
    let payload = format!(r#"{{"ticket":"A1","queue":"A","boot":"b","seq":1,"x":"{padding}"}}"#);
    let topic = issued("tm-1", 1).0;
    device.send(&publish(5, &topic, &payload, 1, 0)).await;
    assert_eq!(device.raw().await, [0xe0, 1, 0x97]);
    device.closed().await;
    pages(100_000).await.unwrap();
    let mut device = hall.connected(&login("tm-1", &secret)).await;
    device.acknowledged(&topic, &payload, 1, 8).await;
    assert_eq!(hall.reports().await, 1);
}

#[tokio::test]
async fn a_device_cannot_speak_for_another() {
    let hall = Hall::open("speak").await;
    let mut victim = hall.device("tm-2").await;
    victim.subscribed("te/device/tm-2/#", 1).await;
    let mut device = hall.device("tm-1").await;
    let (topic, payload) = issued("tm-2", 1);
    device.acknowledged(&topic, &payload, 1, 1).await;
    for (at, topic) in ["排队机/1", "te/device/tm-1///e/+", "", "x\0y"]
        .iter()
        .enumerate()
    {
        let packet_id = u16::try_from(at).unwrap() + 2;
        device.acknowledged(topic, "{}", packet_id, 0).await;
    }
    device.send(&publish(4, &topic, &payload, 0, 0)).await;
    for filter in [
        "te/device/tm-2/#",
        "#",
        "te/device/+/#",
        "$SYS/#",
        "$share/g/#",
    ] {
        device.send(&subscribe(4, filter, 1)).await;
        assert_eq!(device.raw().await, [0x90, 3, 0, 9, 0x80], "{filter}");
    }
    victim.silent(Duration::from_millis(200)).await;
    assert_eq!(hall.reports().await, 0);
    eventually(async || hall.letters().await.len() == 6).await;
    let letters = hall.letters().await;
    assert!(
        letters
            .iter()
            .all(|(_, code)| code == "topic-not-permitted")
    );
    assert_eq!(letters[1].0, "排队机/1");
    // The router lives: who listens still hears.
    let (topic, payload) = issued("tm-2", 2);
    victim.send(&publish(4, &topic, &payload, 5, 0)).await;
    assert_eq!(victim.raw().await, [0x40, 2, 0, 5]);
    assert_eq!(victim.message().await, (topic, payload, false));
}

#[tokio::test]
async fn a_slash_too_few_leaves_a_trace() {
    let hall = Hall::open("slash").await;
    let mut device = hall.device("tm-1").await;
    for (id, topic) in [
        (1, "te/device/tm-1/e/ticket.issued"),
        (2, "te/device/tm-1//e/ticket.issued"),
        (3, "te/device/tm-1///x/ticket.issued"),
    ] {
        device.send(&publish(4, topic, "{}", id, 0)).await;
        let packet = u8::try_from(id).unwrap();
        assert_eq!(device.raw().await, [0x40, 2, 0, packet], "{topic}");
    }
    eventually(async || hall.letters().await.len() == 3).await;
    let letters = hall.letters().await;
    let unknown = letters.iter().all(|(_, code)| code == "unknown-topic");
    assert!(unknown, "{letters:?}");
    assert_eq!(hall.reports().await, 0);
}

#[tokio::test]
async fn version_5_is_told_what_was_wrong() {
    let hall = Hall::open("told").await;
    let secret = hall.register("tm-1").await;
    let mut device = hall.connected(&login("tm-1", &secret).v5()).await;
    device
        .send(&publish(5, "te/device/x///e/y", "{}", 1, 0))
        .await;
    assert_eq!(device.raw().await, [0x40, 3, 0, 1, 0x87]);
    device
        .send(&publish(5, "te/device/tm-1///e/ticket.issued", "{", 2, 0))
        .await;
    assert_eq!(device.raw().await, [0x40, 3, 0, 2, 0x99]);
    device
        .send(&subscribe(5, "$share/g/te/device/tm-1/#", 1))
        .await;
    assert_eq!(device.raw().await, [0x90, 4, 0, 9, 0, 0x9e]);
    device.send(&subscribe(5, "te/device/tm-1/#", 2)).await;
    assert_eq!(device.raw().await, [0x90, 4, 0, 9, 0, 1], "QoS 2 becomes 1");
    device.send(&[0x34, 5, 0, 0, 0, 1, 0]).await;
    assert_eq!(device.raw().await, [0xe0, 1, 0x9b]);
    device.closed().await;
}

#[tokio::test]
async fn a_hostile_device_fills_no_table() {
    let hall = Hall::open("letters").await;
    let mut device = hall.device("tm-1").await;
    for packet_id in 1..=200 {
        device
            .acknowledged("te/device/tm-2///e/x", "{}", packet_id, 0)
            .await;
    }
    assert!(hall.letters().await.len() <= 51);
}

#[tokio::test]
async fn a_device_over_its_rate_is_slowed_and_loses_nothing() {
    let hall = Hall::open_with("rate", |mqtt| {
        (mqtt.messages_per_s, mqtt.burst) = (200, 20);
    })
    .await;
    let mut device = hall.device("tm-1").await;
    let started = std::time::Instant::now();
    for seq in 1..=120 {
        let (topic, payload) = issued("tm-1", seq);
        let packet_id = u16::try_from(seq).unwrap();
        device
            .send(&publish(4, &topic, &payload, packet_id, 0))
            .await;
    }
    // One more than fits into the buffers of the sockets at once.
    device.send(&[0xc0, 0]).await;
    let mut acknowledged = 0;
    while device.raw().await != [0xd0, 0] {
        acknowledged += 1;
    }
    device.send(&[0xc0, 0]).await;
    while device.raw().await != [0xd0, 0] {
        acknowledged += 1;
    }
    assert_eq!(acknowledged, 120);
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(hall.reports().await, 120);
}
