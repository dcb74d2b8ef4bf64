//! Packets no server should get end that connection and nothing else.

use zhiban_tests::harness::Ended;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::wire::{RawMqtt, connect, connect_with, publish};

use super::{GOOD, SOON, Scene, TOPIC};

/// What it is, its bytes, and the word it is counted under.
fn cases(secret: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let hello = |version| connect("tm-1", "tm-1", secret, version);
    let after = |version, more: &[u8]| [hello(version), more.to_vec()].concat();
    let huge = publish(TOPIC, 1, &vec![b'x'; 100_000], 4);
    vec![
        (
            "publish before CONNECT",
            publish(TOPIC, 1, GOOD.as_bytes(), 4),
            "not-connect",
        ),
        (
            "HTTP at the MQTT door",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "not-connect",
        ),
        (
            "CONNACK to the server",
            after(4, &[0x20, 2, 0, 0]),
            "forbidden-packet",
        ),
        (
            "CONNACK as first packet",
            vec![0x20, 2, 0, 0],
            "not-connect",
        ),
        (
            "SUBACK to the server",
            after(5, &[0x90, 4, 0, 1, 0, 0]),
            "forbidden-packet",
        ),
        ("second CONNECT", after(4, &hello(4)), "second-connect"),
        ("oversized payload", after(4, &huge), "too-large"),
        (
            "a length of 256 MB",
            after(5, &[0x32, 0xff, 0xff, 0xff, 0x7f]),
            "too-large",
        ),
        (
            "a length of five bytes",
            after(4, &[0x32, 0xff, 0xff, 0xff, 0xff, 1]),
            "malformed",
        ),
        ("QoS 3", after(4, &[0x36, 5, 0, 1, b't', 0, 1]), "malformed"),
        ("QoS 2", after(5, &[0x34, 6, 0, 1, b't', 0, 1, 0]), "qos-2"),
        (
            "MQTT 3.1",
            b"\x10\x12\x00\x06MQIsdp\x03\xc2\x00\x1e\x00\x01a\x00\x01b".to_vec(),
            "protocol-version",
        ),
        (
            "another's client id",
            connect("tm-2", "tm-1", secret, 4),
            "client-id",
        ),
        (
            "a client id with a slash",
            connect("tm/1", "tm-1", secret, 5),
            "client-id",
        ),
        (
            "a wrong secret",
            connect("tm-1", "tm-1", "wrong", 4),
            "bad-credentials",
        ),
    ]
}

fn nothing_panicked(scene: &Scene) {
    let log = std::fs::read_to_string(&scene.gateway.program.log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_no_server_should_get_end_that_connection_only() {
    let mut scene = Scene::open("bad-packet", |_| ()).await;
    for (what, bytes, code) in cases(&scene.secret) {
        let before = scene.refusals(code).await;
        let mut peer = RawMqtt::open(scene.mqtt()).await;
        peer.send(&bytes).await;
        peer.until_closed().await;
        until(&format!("{what} is counted as {code}"), SOON, async || {
            let now = scene.refusals(code).await;
            seen(now > before, now)
        })
        .await;
        scene.good_report(what).await;
    }
    nothing_panicked(&scene);
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_a_router_for_good_stops_nothing_here() {
    let mut scene = Scene::open("bad-topic", |_| ()).await;
    // Topics that would stop the router for good are answered and forgotten.
    let mut device = RawMqtt::sign_in(scene.mqtt(), "tm-1", &scene.secret, 4).await;
    for topic in ["排队机/1", "", "te/device/tm-1/\0", "a/+/b"] {
        device.send(&publish(topic.as_bytes(), 9, b"x", 4)).await;
    }
    device.packet().await;
    scene.good_report("topics that hurt the router").await;
    // Keep-alive 0 is allowed by the standard.
    let mut device = RawMqtt::open(scene.mqtt()).await;
    device
        .send(&connect_with("tm-1", "tm-1", &scene.secret, 4, 0))
        .await;
    assert_eq!(device.packet().await, Some(vec![0x20, 2, 0, 0]));
    nothing_panicked(&scene);
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}
