//! Wills: once when a device is gone, never when it is here.

use super::*;

const TOPIC: &str = "te/device/tm-1/service/agent/status/health";
const DOWN: &str = r#"{"status":"down"}"#;

async fn hall(name: &str) -> (Hall, Login) {
    let hall = Hall::open(name).await;
    let secret = hall.register("tm-1").await;
    let login = login("tm-1", &secret).will(TOPIC, DOWN, true);
    (hall, login)
}

#[tokio::test]
async fn a_will_is_published_once_after_a_take_over_and_a_reset() {
    let (hall, login) = hall("once").await;
    let _old = hall.connected(&login).await;
    let new = hall.connected(&login).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(hall.reports().await, 0, "the device is here");
    new.reset();
    eventually(async || hall.reports().await == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(hall.reports().await, 1);
    let mut late = hall.connected(&login).await;
    late.subscribed("te/device/tm-1/#", 1).await;
    assert_eq!(late.message().await, (TOPIC.into(), DOWN.into(), true));
}

#[tokio::test]
async fn a_will_happens_when_the_device_is_gone_whatever_time_it_was_written_with() {
    let (hall, login) = hall("time").await;
    let written = r#"{"status":"down","time":"2026-03-01T04:00:00Z"}"#;
    let device = hall.connected(&login.will(TOPIC, written, true)).await;
    device.reset();
    eventually(async || hall.reports().await == 1).await;
    let read = |connection: &_| Ok(entries_after(connection, 0, 100)?.0);
    let entry = hall.shared.store.read(read).await.unwrap().remove(0);
    assert_eq!(entry.clock, crate::journal::ClockFlag::Ok);
    assert_eq!(entry.time, entry.received);
}

#[tokio::test]
async fn a_will_goes_with_a_goodbye_unless_it_is_asked_for() {
    let (hall, login) = hall("goodbye").await;
    let mut device = hall.connected(&login).await;
    device.send(&[0xe0, 0]).await;
    device.closed().await;
    assert_eq!(hall.reports().await, 0);
    let mut device = hall.connected(&login.v5()).await;
    device.send(&[0xe0, 1, 4]).await;
    device.closed().await;
    assert_eq!(hall.reports().await, 1);
}

#[tokio::test]
async fn a_will_comes_after_the_last_words() {
    let (hall, login) = hall("order").await;
    let mut device = hall.connected(&login).await;
    for seq in 1..=50 {
        let (topic, payload) = issued("tm-1", seq);
        device.send(&publish(4, &topic, &payload, 0, 0)).await;
    }
    device.send(&[0x20, 2, 0, 0]).await;
    device.closed().await;
    assert_eq!(hall.reports().await, 51);
    let read = |connection: &_| Ok(entries_after(connection, 0, 100)?.0);
    let entries = hall.shared.store.read(read).await.unwrap();
    let kind = entries[50].observation.kind();
    assert_eq!(kind.as_str(), "device.health");
}

#[tokio::test]
async fn a_will_is_published_after_silence_and_not_at_a_stop() {
    let (mut hall, mut login) = hall("silence").await;
    login.keep_alive = 1;
    let mut device = hall.connected(&login).await;
    device.closed().await;
    assert_eq!(hall.reports().await, 1);
    let _device = hall.connected(&login).await;
    hall.stop().await;
    assert_eq!(hall.reports().await, 1);
}
