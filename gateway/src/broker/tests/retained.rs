//! Retained messages: kept on disk, given to whoever subscribes, however many there are.

use std::collections::BTreeSet;

use zhiban_vocabulary::command::CommandKind;

use super::*;

async fn all(peer: &mut Peer, count: usize) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let (topic, _, retain) = peer.message().await;
        assert!(retain, "{topic}");
        assert!(topics.insert(topic));
    }
    topics
}

#[tokio::test]
async fn three_hundred_reach_a_late_listener_also_after_a_restart() {
    let hall = Hall::open("three-hundred").await;
    let secret = hall.register("tm-1").await;
    let login = login("tm-1", &secret);
    let mut device = hall.connected(&login).await;
    for n in 1..=300 {
        let topic = format!("te/device/tm-1///twin/value-{n}");
        device.acknowledged(&topic, "1", n, 1).await;
    }
    device.subscribed("te/device/tm-1/#", 1).await;
    assert_eq!(all(&mut device, 300).await.len(), 300);
    drop(device);
    let hall = hall.restart().await;
    let mut device = hall.connected(&login).await;
    device.subscribed("te/device/tm-1/+/+/twin/+", 0).await;
    assert_eq!(all(&mut device, 300).await.len(), 300);
    // The window is not all there is: what comes live is not lost behind it.
    device
        .acknowledged("te/device/tm-1///twin/live", "2", 1, 0)
        .await;
    let live = ("te/device/tm-1///twin/live".into(), "2".into(), false);
    assert_eq!(device.message().await, live);
}

#[tokio::test]
async fn the_oldest_comes_first_whatever_its_topic() {
    let hall = Hall::open("oldest").await;
    let mut device = hall.device("screen-1").await;
    let topics = ["b", "a", "9", "10"].map(|name| format!("te/device/screen-1///twin/{name}"));
    for (n, topic) in (1..).zip(&topics) {
        device.acknowledged(topic, "1", n, 1).await;
        // Kept to the millisecond.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    device.subscribed("te/device/screen-1/#", 1).await;
    for topic in topics {
        assert_eq!(device.message().await.0, topic);
    }
}

#[tokio::test]
async fn only_an_empty_retained_message_clears() {
    let hall = Hall::open("clear").await;
    let mut device = hall.device("tm-1").await;
    let topic = "te/device/tm-1///twin/mode";
    device.acknowledged(topic, "auto", 1, 1).await;
    device.acknowledged(topic, "", 2, 0).await;
    device.subscribed(topic, 1).await;
    assert_eq!(device.message().await, (topic.into(), "auto".into(), true));
    device.acknowledged(topic, "", 3, 1).await;
    assert_eq!(device.message().await, (topic.into(), String::new(), false));
    device.subscribed(topic, 1).await;
    device.silent(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn a_retained_report_is_kept_in_both_places() {
    let hall = Hall::open("both").await;
    let mut device = hall.device("tm-1").await;
    let (topic, payload) = issued("tm-1", 1);
    device.acknowledged(&topic, &payload, 1, 1).await;
    assert_eq!(hall.reports().await, 1);
    device.subscribed("te/device/tm-1/#", 1).await;
    assert_eq!(device.message().await, (topic, payload, true));
}

#[tokio::test]
async fn a_device_keeps_no_more_than_its_share() {
    let hall = Hall::open("share").await;
    let secret = hall.register("tm-1").await;
    let mut device = hall.connected(&login("tm-1", &secret).v5()).await;
    for n in 1..=401_u16 {
        let topic = format!("te/device/tm-1///twin/value-{n}");
        device.send(&publish(5, &topic, "1", n, 1)).await;
        let answer = device.raw().await;
        assert_eq!(
            answer.get(4),
            (n == 401).then_some(&0x97),
            "{n}: {answer:02x?}"
        );
    }
}

#[tokio::test]
async fn the_hall_tells_a_device_and_it_is_kept() {
    let hall = Hall::open("hall").await;
    let mut device = hall.device("tm-1").await;
    device.subscribed("te/device/tm-1///cmd/#", 1).await;
    let broker = Broker(Arc::clone(&hall.shared));
    let topic = "te/device/tm-1///cmd/restart/1";
    let payload = Bytes::from_static(b"{}");
    broker.publish(topic, payload.clone(), true).await.unwrap();
    assert_eq!(device.message().await, (topic.into(), "{}".into(), false));
    device.subscribed("te/device/tm-1///cmd/#", 0).await;
    assert_eq!(device.message().await, (topic.into(), "{}".into(), true));
    let nobody = broker.publish("te/hall", payload, false).await;
    assert!(matches!(nobody, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn a_device_says_which_commands_it_understands() {
    let hall = Hall::open("understands").await;
    let mut device = hall.device("tm-1").await;
    device
        .acknowledged("te/device/tm-1///cmd/restart", "{}", 1, 1)
        .await;
    let commands = async |device: &'static str| {
        let read = move |connection: &rusqlite::Connection| {
            Ok(crate::broker::commands_of(connection, device)?)
        };
        hall.shared.store.read(read).await.unwrap()
    };
    assert_eq!(commands("tm-1").await, [CommandKind::Restart]);
    assert_eq!(commands("tm-2").await, []);
    device
        .acknowledged("te/device/tm-1///cmd/restart", "", 2, 1)
        .await;
    assert_eq!(commands("tm-1").await, []);
}
