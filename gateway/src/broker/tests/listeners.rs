//! What devices hear.

use super::*;

/// Sends many messages and reads the PUBACKs as they come.
async fn pour(device: &mut Peer, topic: &str, count: u16) {
    let (mut read, mut write) = device.stream.split();
    let send = async {
        for n in 1..=count {
            let payload = n.to_string();
            let bytes = publish(4, topic, &payload, n, 0);
            write.write_all(&bytes).await.unwrap();
        }
    };
    let acknowledged = async {
        let mut bytes = vec![0; 4 * usize::from(count)];
        read.read_exact(&mut bytes).await.unwrap();
    };
    let both = async { tokio::join!(send, acknowledged) };
    tokio::time::timeout(SOON, both).await.unwrap();
}

/// A listener that is another connection than the speaker: the hall itself speaks.
async fn five_thousand(hall: &Hall, qos: u8) {
    let mut sleeper = hall.device("tm-1").await;
    sleeper.subscribed("te/device/tm-1///cmd/#", qos).await;
    let broker = Broker(Arc::clone(&hall.shared));
    for n in 0..5_000 {
        let payload = Bytes::from(n.to_string());
        let topic = "te/device/tm-1///cmd/text/1";
        broker.publish(topic, payload, false).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for n in 0..5_000 {
        assert_eq!(sleeper.message().await.1, n.to_string());
    }
}

#[tokio::test]
async fn a_listener_that_sleeps_gets_five_thousand_at_qos_0() {
    five_thousand(&Hall::open("sleeper-0").await, 0).await;
}

#[tokio::test]
async fn a_listener_that_sleeps_gets_five_thousand_at_qos_1() {
    five_thousand(&Hall::open("sleeper-1").await, 1).await;
}

#[tokio::test]
async fn a_listener_that_never_acknowledges_holds_up_nobody() {
    let hall = Hall::open("holds-up").await;
    let mut stubborn = hall.device("tm-1").await;
    stubborn.subscribed("te/device/tm-1///cmd/#", 1).await;
    let mut other = hall.device("tm-2").await;
    other.subscribed("te/device/tm-2///cmd/#", 1).await;
    let broker = Broker(Arc::clone(&hall.shared));
    for n in 0..500 {
        let payload = Bytes::from(n.to_string());
        for device in ["tm-1", "tm-2"] {
            let topic = format!("te/device/{device}///cmd/text/1");
            broker
                .publish(&topic, payload.clone(), false)
                .await
                .unwrap();
        }
    }
    for n in 0..500 {
        assert_eq!(other.message().await.1, n.to_string());
    }
    // The window is 64; acknowledging out of order opens it.
    let mut ids = Vec::new();
    for _ in 0..64 {
        let raw = stubborn.raw().await;
        let at = raw.len() - raw.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        ids.push([raw[at - 2], raw[at - 1]]);
    }
    stubborn.silent(Duration::from_millis(200)).await;
    for id in ids.iter().rev() {
        stubborn.send(&[0x40, 2, id[0], id[1]]).await;
    }
    for n in 64..500 {
        assert_eq!(stubborn.message().await.1, n.to_string());
    }
}

#[tokio::test]
async fn a_listener_gets_the_lower_qos() {
    let hall = Hall::open("lower").await;
    let mut device = hall.device("tm-1").await;
    device.subscribed("te/device/tm-1/#", 1).await;
    let topic = "te/device/tm-1///twin/x";
    device.send(&publish(4, topic, "a", 0, 0)).await;
    assert_eq!(device.raw().await[0], 0x30);
    device.send(&publish(4, topic, "b", 1, 0)).await;
    assert_eq!(device.raw().await, [0x40, 2, 0, 1]);
    assert_eq!(device.raw().await[0], 0x32);
}

#[tokio::test]
async fn what_was_unsubscribed_is_not_heard() {
    let hall = Hall::open("unsubscribed").await;
    let mut device = hall.device("tm-1").await;
    let filter = "te/device/tm-1/#";
    device.subscribed(filter, 1).await;
    let mut body = vec![0, 3];
    body.extend(text(filter));
    device.send(&packet(0xa2, &body)).await;
    assert_eq!(device.raw().await, [0xb0, 2, 0, 3]);
    device
        .acknowledged("te/device/tm-1///twin/x", "1", 1, 0)
        .await;
    device.silent(Duration::from_millis(100)).await;
    device.subscribed(filter, 1).await;
    device
        .acknowledged("te/device/tm-1///twin/x", "2", 2, 0)
        .await;
    assert_eq!(device.message().await.1, "2");
}

#[tokio::test]
async fn a_session_is_kept_while_the_gateway_runs() {
    let hall = Hall::open("kept").await;
    let secret = hall.register("tm-1").await;
    let login = login("tm-1", &secret).lasting();
    let mut device = hall.connected(&login).await;
    device.subscribed("te/device/tm-1///cmd/#", 1).await;
    device.send(&[0xe0, 0]).await;
    device.closed().await;
    let broker = Broker(Arc::clone(&hall.shared));
    let topic = "te/device/tm-1///cmd/text/1";
    broker.publish(topic, "1".into(), false).await.unwrap();
    broker.publish(topic, "2".into(), false).await.unwrap();
    let mut device = hall.dial().await;
    device.send(&login.bytes()).await;
    assert_eq!(device.raw().await, [0x20, 2, 1, 0], "session present");
    // The first is not acknowledged: it comes again.
    assert_eq!(device.raw().await[0], 0x32);
    device.reset();
    let mut device = hall.dial().await;
    device.send(&login.bytes()).await;
    assert_eq!(device.raw().await, [0x20, 2, 1, 0]);
    let mut heard = vec![device.message().await.1, device.message().await.1];
    heard.sort();
    assert_eq!(heard, ["1", "2"]);
    drop(device);
    let hall = hall.restart().await;
    let mut device = hall.dial().await;
    device.send(&login.bytes()).await;
    assert_eq!(
        device.raw().await,
        [0x20, 2, 0, 0],
        "and gone after a restart"
    );
}

#[tokio::test]
async fn a_clean_start_forgets() {
    let hall = Hall::open("forgets").await;
    let secret = hall.register("tm-1").await;
    let lasting = login("tm-1", &secret).lasting();
    let mut device = hall.connected(&lasting).await;
    device.subscribed("te/device/tm-1/#", 1).await;
    drop(device);
    let mut device = hall.connected(&login("tm-1", &secret)).await;
    device
        .acknowledged("te/device/tm-1///twin/x", "1", 1, 0)
        .await;
    device.silent(Duration::from_millis(100)).await;
    drop(device);
    let mut device = hall.dial().await;
    device.send(&lasting.bytes()).await;
    assert_eq!(device.raw().await, [0x20, 2, 0, 0]);
    device.subscribed("te/device/tm-1/#", 1).await;
    pour(&mut device, "te/device/tm-2/none", 10).await;
}
