//! Who is let in, and what those who are not are told.

use super::*;

async fn check(hall: &Hall, login: &Login, answer: &[u8]) {
    let mut peer = hall.dial().await;
    peer.send(&login.bytes()).await;
    assert_eq!(peer.raw().await, answer, "{login:?}");
    peer.closed().await;
}

#[tokio::test]
async fn a_refused_device_is_told_why() {
    let hall = Hall::open("refused").await;
    let (secret, other) = (hall.register("tm-1").await, hall.register("tm-2").await);
    let good = login("tm-1", &secret);
    let wrong = login("tm-1", "guess");
    check(&hall, &wrong, &[0x20, 2, 0, 4]).await;
    check(&hall, &wrong.v5(), &[0x20, 3, 0, 0x86, 0]).await;
    let unknown = login("tm-9", &secret);
    check(&hall, &unknown, &[0x20, 2, 0, 4]).await;
    let mut borrowed = login("tm-2", &secret);
    borrowed.user = "tm-1".into();
    check(&hall, &borrowed, &[0x20, 2, 0, 2]).await;
    check(&hall, &borrowed.v5(), &[0x20, 3, 0, 0x85, 0]).await;
    let foreign = good.clone().will("te/device/tm-2///e/x", "{}", false);
    check(&hall, &foreign, &[0x20, 2, 0, 5]).await;
    check(&hall, &foreign.v5(), &[0x20, 3, 0, 0x87, 0]).await;
    let mut old = good.clone();
    old.level = 3;
    check(&hall, &old, &[0x20, 2, 0, 1]).await;
    let mut new = good.clone();
    new.level = 6;
    check(&hall, &new, &[0x20, 3, 0, 0x84, 0]).await;
    let mut outside = login(watchdog::WATCHDOG_ID, &other);
    outside.user = watchdog::WATCHDOG_ID.into();
    check(&hall, &outside, &[0x20, 2, 0, 4]).await;
    assert_eq!(hall.shared.refused.load(Ordering::Relaxed), 10);
    hall.connected(&good).await;
}

#[tokio::test]
async fn ids_that_would_stop_the_router_never_reach_it() {
    let hall = Hall::open("ids").await;
    let secret = hall.register("tm-1").await;
    for id in ["a/b", "a/b", "a+", "#", "$SYS", "排队机", ""] {
        let mut bad = login(id, &secret);
        bad.user = "tm-1".into();
        check(&hall, &bad, &[0x20, 2, 0, 2]).await;
    }
    let mut good = hall.connected(&login("tm-1", &secret)).await;
    good.subscribed("te/device/tm-1/#", 1).await;
}

#[tokio::test]
async fn silent_peers_hold_up_nobody_and_are_closed() {
    let hall = Hall::open("silent").await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(hall.dial().await);
    }
    let started = std::time::Instant::now();
    hall.device("tm-1").await;
    assert!(started.elapsed() < Duration::from_secs(2));
    for peer in &mut silent {
        peer.closed().await;
    }
    assert!(started.elapsed() >= Duration::from_secs(4));
}

#[tokio::test]
async fn an_address_gets_its_share_of_places_and_no_more() {
    let hall = Hall::open_with("places", |mqtt| mqtt.connections_per_address_max = 2).await;
    let first = hall.device("tm-1").await;
    let _second = hall.device("tm-2").await;
    let mut third = hall.dial().await;
    third.closed().await;
    drop(first);
    eventually(async || hall.shared.gate.open() == 1).await;
    hall.device("tm-3").await;
}

#[tokio::test]
async fn no_keep_alive_is_a_keep_alive_of_ten_minutes() {
    let hall = Hall::open("keep-alive").await;
    let secret = hall.register("tm-1").await;
    let mut none = login("tm-1", &secret);
    none.keep_alive = 0;
    hall.connected(&none).await;
    let mut v5 = hall.dial().await;
    v5.send(&none.clone().v5().bytes()).await;
    let connack = v5.raw().await;
    let told = connack.windows(3).any(|bytes| bytes == [0x13, 1, 0x90]);
    assert!(told, "server keep-alive of 400 s: {connack:02x?}");
    let mut short = none;
    short.keep_alive = 1;
    let mut peer = hall.connected(&short).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    peer.send(&[0xc0, 0]).await;
    assert_eq!(peer.raw().await, [0xd0, 0]);
    let started = std::time::Instant::now();
    peer.closed().await;
    assert!(started.elapsed() >= Duration::from_millis(1_400));
}

#[tokio::test]
async fn a_device_that_comes_again_takes_its_seat() {
    let hall = Hall::open("seat").await;
    let secret = hall.register("tm-1").await;
    let login = login("tm-1", &secret).v5();
    let mut old = hall.connected(&login).await;
    let mut new = hall.connected(&login).await;
    assert_eq!(old.raw().await, [0xe0, 1, 0x8e]);
    old.closed().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(hall.shared.devices.connections(), 1);
    new.send(&[0xc0, 0]).await;
    assert_eq!(new.raw().await, [0xd0, 0]);
    // Many at once: exactly one stays.
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut peer = hall.dial().await;
        peer.send(&login.bytes()).await;
        crowd.push(peer);
    }
    eventually(async || hall.shared.gate.open() == 1).await;
    assert_eq!(hall.shared.devices.connections(), 1);
}

#[tokio::test]
async fn a_stop_is_announced_and_quick() {
    let mut hall = Hall::open("stop").await;
    let secret = hall.register("tm-1").await;
    let mut peer = hall.connected(&login("tm-1", &secret).v5()).await;
    let _unknown = hall.dial().await;
    let started = std::time::Instant::now();
    let ((), answer) = tokio::join!(hall.stop(), peer.raw());
    assert_eq!(answer, [0xe0, 1, 0x8b]);
    assert!(started.elapsed() < Duration::from_secs(3));
}
