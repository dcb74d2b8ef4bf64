//! Bytes from a wire that are not what the device said.

use std::time::Duration;

use serde_json::{Value, json};
use zhiban_tests::harness::Ended;
use zhiban_tests::harness::peers::{Peer, python};
use zhiban_tests::harness::wait::{seen, until};

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn readings_with_a_bad_sum_are_dropped_and_counted() {
    // A foreign Modbus RTU sensor on a pseudo terminal; what it says can be corrupted.
    let mut sensor = Peer::start(&mut python("bad_sensor.py"));
    let path = sensor.until("/dev/").await;
    let mut scene = Scene::open("bad-sum", |config| {
        let wired = json!([{"id": "th-1", "driver": "modbus", "settings": {
            "link": {"serial": path}, "unit": 1, "map": "xy-md02", "poll_s": 0.2, "timeout_ms": 200}}]);
        config.insert("device".into(), toml::Value::try_from(wired).unwrap());
    })
    .await;
    let reading = async |tenths: i64| {
        until(
            &format!("{tenths} is on the floor"),
            Duration::from_secs(20),
            async || {
                let floor: Value = scene
                    .manager
                    .get("/api/v1/floor")
                    .await
                    .map_err(|e| e.to_string())?;
                let found = &floor["climate"][0]["temperature_tenths"];
                seen(*found == tenths, found.to_string())
            },
        )
        .await;
    };
    reading(225).await;
    sensor.order("corrupt 999").await;
    sensor.until("done").await;
    sensor.until("asked 4").await;
    sensor.order("good 231").await;
    reading(231).await;
    let path = "/api/v1/devices/th-1/reports?limit=500";
    let reports: Value = scene.manager.get(path).await.unwrap();
    let text = reports.to_string();
    assert!(
        !text.contains("99.9"),
        "a reading with a bad sum was taken: {text}"
    );
    scene.good_report("a bad sum").await;
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}
