//! The watchdog tells a door that works from one that only looks so.

use zhiban_kernel::health::{Health, Status};

use super::*;

pub(super) const WATCHDOG_ID: &str = super::super::watchdog::WATCHDOG;

async fn probe(hall: &Hall) -> (Status, String) {
    let health = Health::default();
    let watchdog = Watchdog::new(Arc::clone(&hall.shared), hall.address, health.clone());
    watchdog.round().await;
    let part = health.report().parts.remove(0);
    (part.status, part.detail)
}

#[tokio::test]
async fn a_door_that_works_is_well() {
    let hall = Hall::open("well").await;
    for _ in 0..3 {
        let (status, detail) = probe(&hall).await;
        assert_eq!(status, Status::Ok, "{detail}");
    }
    assert_eq!(
        hall.shared.devices.connections(),
        0,
        "the watchdog is no device"
    );
}

#[tokio::test]
async fn a_router_that_died_is_noticed_while_reports_go_on() {
    let hall = Hall::open("died").await;
    let mut device = hall.device("tm-1").await;
    device.subscribed("te/device/tm-1/#", 1).await;
    // Round the guard: the topic that stops the router for good.
    let deadly = Passing {
        topic: "排队机/1".into(),
        payload: "".into(),
        properties: None,
        qos: Qos::AtMostOnce,
    };
    hall.shared.bus.publish(deadly).await;
    let (status, detail) = probe(&hall).await;
    assert_eq!(status, Status::Failing, "{detail}");
    let (topic, payload) = issued("tm-1", 1);
    device.acknowledged(&topic, &payload, 1, 0).await;
    assert_eq!(hall.reports().await, 1);
}

#[tokio::test]
async fn a_full_door_is_not_a_broken_one() {
    let hall = Hall::open_with("crowded", |mqtt| mqtt.connections_max = 1).await;
    let _device = hall.device("tm-1").await;
    assert_eq!(probe(&hall).await.0, Status::Degraded);
}
