//! Bytes no device should send.

use proptest::prelude::*;

use super::frame::Stage;
use super::packet::Version;
use super::*;

async fn check(hall: &Hall, bytes: &[u8], code: &str) {
    let before = hall.shared.refused.load(Ordering::Relaxed);
    let mut peer = hall.dial().await;
    peer.send(bytes).await;
    while !peer.raw().await.is_empty() {}
    let after = hall.shared.refused.load(Ordering::Relaxed);
    assert_eq!(after, before + 1, "{code}");
}

#[tokio::test]
async fn what_a_server_never_receives_ends_the_connection_and_nothing_else() {
    let hall = Hall::open("never").await;
    let mut witness = hall.device("tm-1").await;
    witness.subscribed("te/device/tm-1/#", 1).await;
    let secret = hall.register("tm-2").await;
    let connect = login("tm-2", &secret).bytes();
    check(&hall, &publish(4, "a", "b", 1, 0), "publish first").await;
    check(&hall, &[0x20, 2, 0, 0], "CONNACK first").await;
    check(&hall, &[0x10, 0xff, 0xff, 0xff, 0x7f], "256 MB CONNECT").await;
    check(&hall, b"GET / HTTP/1.1\r\n\r\n", "a web browser").await;
    check(&hall, &[0x16, 3, 1, 0, 0xa5, 1, 0, 0], "a TLS client").await;
    for (code, bytes) in [
        ("CONNACK", vec![0x20, 2, 0, 0]),
        ("SUBACK", vec![0x90, 3, 0, 1, 0]),
        ("PINGRESP", vec![0xd0, 0]),
        ("second CONNECT", connect.clone()),
        ("packet id 0", vec![0x82, 6, 0, 0, 0, 1, b'a', 0]),
        ("256 MB PUBLISH", vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
        ("endless length", vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("QoS 2", vec![0x34, 5, 0, 1, b'a', 0, 1]),
        ("wrong flags", vec![0x80, 6, 0, 1, 0, 1, b'a', 0]),
        (
            "topic longer than the packet",
            vec![0x32, 4, 0xff, 0xff, 0, 1],
        ),
        ("65 KiB", publish(4, "a", &"x".repeat(65_536), 1, 0)),
    ] {
        let mut bytes_sent = connect.clone();
        bytes_sent.extend(bytes);
        check(&hall, &bytes_sent, code).await;
    }
    witness
        .acknowledged("te/device/tm-1///twin/x", "1", 1, 0)
        .await;
    assert_eq!(witness.message().await.1, "1");
}

#[tokio::test]
async fn packets_may_come_byte_by_byte() {
    let hall = Hall::open("bytes").await;
    let secret = hall.register("tm-1").await;
    let (topic, payload) = issued("tm-1", 1);
    let mut bytes = login("tm-1", &secret).bytes();
    bytes.extend(publish(4, &topic, &payload, 1, 0));
    let mut peer = hall.dial().await;
    peer.stream.set_nodelay(true).unwrap();
    for byte in bytes {
        peer.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.raw().await, [0x20, 2, 0, 0]);
    assert_eq!(peer.raw().await, [0x40, 2, 0, 1]);
}

#[tokio::test]
async fn a_panic_in_a_connection_frees_its_seat() {
    let hall = Hall::open("panic").await;
    let device: DeviceId = "tm-1".parse().unwrap();
    let (seat, _leave) = hall.shared.sessions.arrive(&device, 1);
    let guard = seat.lock_owned().await;
    let seat = seat::Seat::new(Arc::clone(&hall.shared), device.clone(), 1, guard);
    let panicked = tokio::spawn(async move {
        let _seat = seat;
        panic!("as a codec might");
    });
    assert!(panicked.await.is_err());
    let secret = hall.register("tm-1").await;
    hall.connected(&login("tm-1", &secret)).await;
}

/// Whole packets of both versions, to be spoilt.
fn seeds() -> impl Strategy<Value = Vec<u8>> {
    let level = prop_oneof![Just(4_u8), Just(5)];
    (level, 0_usize..5, "[a-z/+#\\PC]{0,12}").prop_map(|(level, which, word)| {
        let mut connect = login(&word, &word).will(&word, &word, true);
        connect.level = level;
        match which {
            0 => connect.bytes(),
            1 => publish(level, &word, &word, 7, 1),
            2 => publish(level, &word, &word, 0, 0),
            3 => subscribe(level, &word, 1),
            _ => {
                let mut body = vec![0, 1];
                body.extend(text(&word));
                packet(0xa2, &body)
            }
        }
    })
}

/// Reads as the door does, until the bytes end or are refused.
fn read_all(bytes: &[u8], version: Version) {
    let mut buffer = BytesMut::from(bytes);
    for stage in [Stage::BeforeConnect, Stage::Connected] {
        while let Ok(Some(frame)) = frame::next(&mut buffer, stage, 65_536) {
            if stage == Stage::BeforeConnect {
                if packet::version(&frame).is_ok() {
                    let _ = packet::read_connect(frame, version);
                }
                break;
            }
            if let Err(refusal) = packet::read(frame, version) {
                assert_ne!(refusal, Refusal::Malformed("the codec panicked"));
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes, Version::V4);
        read_all(&bytes, Version::V5);
    }

    #[test]
    fn no_spoilt_packet_panics(
        mut bytes in seeds(),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, byte) in spoilt {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_all(&bytes, Version::V4);
        read_all(&bytes, Version::V5);
        let cut = cut.index(bytes.len());
        read_all(&bytes[..cut], Version::V5);
    }
}
