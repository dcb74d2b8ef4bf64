//! A hall buys a sensor whose registers no version of the program knows: the centre writes them
//! down, the hall reads the sensor, and reads it anew when the centre mends the map.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::peers::{Peer, python};

use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, HttpError, free_port};

const STORE: &str = "map-hall";
/// A map is used as soon as it came, far sooner than the hall looks at its devices by the clock.
const PATIENCE: Duration = Duration::from_secs(15);
const LIST: &str = "/api/v1/masters/lists/definition";

/// The sensor has tenths of a degree in its first register.
fn map(scale: &str) -> Value {
    let text = format!(
        "title = 'ACME TH1'\n\n[temperature]\nfunction = 'input'\naddress = 1\n\
         type = 'i16'\nscale = {scale}\nunit = 'celsius'\n"
    );
    json!({"kind": "register-map", "text": text})
}

async fn publish(operator: &Account, map: &Value) -> Result<(), HttpError> {
    let path = format!("{LIST}/{STORE}/acme-th1");
    operator.put::<Value>(&path, map).await.map(drop)
}

/// Waits until the floor shows the temperature.
async fn shows(manager: &Account, tenths: i64) {
    until("the temperature", PATIENCE, async || {
        let floor: Value = manager
            .get("/api/v1/floor")
            .await
            .map_err(|error| error.to_string())?;
        let climate = &floor["climate"];
        let found = climate[0]["temperature_tenths"] == tenths;
        seen(found, climate.to_string())
    })
    .await;
}

/// A map with an error is refused with its line, at the centre.
async fn refused_with_its_line(operator: &Account) {
    let refused = publish(operator, &map("0")).await;
    let Err(HttpError::Refused { status, body, .. }) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(status, StatusCode::CONFLICT);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["error"]["reason"], "unfit-line", "{body}");
    assert_eq!(body["error"]["facts"]["line"], 7, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_is_read_by_a_map_of_the_centre_and_by_its_next_version() {
    let folder = Folder::new("maps");
    let centre = Centre::start(folder.path(), None).await;
    let hall = Hall::prepare(folder.path(), STORE, &[], |_| {}).await;
    centre.enrol(&hall).await;
    let (mut running, manager) = hall.open().await;
    let port = free_port().unwrap().to_string();
    let mut sensor = Peer::start(python("modbus_sensor.py").arg(&port));
    sensor.until("ready").await;
    let place = format!("/api/v1/masters/halls/{STORE}/place");
    let nowhere = json!({"unit": null});
    let placed = centre.operator.put::<Value>(&place, &nowhere).await;
    placed.unwrap();

    let device = json!({"device": "air-1", "driver": "modbus", "name": "空气", "settings": {
        "link": {"tcp": format!("127.0.0.1:{port}")}, "unit": 1, "map": "acme-th1", "poll_s": 0.5}});
    let unknown = manager.post::<Value>("/api/v1/devices", &device).await;
    assert!(unknown.unwrap_err().to_string().contains("settings.map"));
    refused_with_its_line(&centre.operator).await;
    publish(&centre.operator, &map("0.1")).await.unwrap();
    until("the map can be chosen", PATIENCE, async || {
        let kinds: Value = manager
            .get("/api/v1/drivers")
            .await
            .map_err(|error| error.to_string())?;
        let text = kinds.to_string();
        seen(
            text.contains("acme-th1") && text.contains("ACME TH1"),
            String::from("not yet"),
        )
    })
    .await;
    manager
        .post::<Value>("/api/v1/devices", &device)
        .await
        .unwrap();
    shows(&manager, 225).await;
    // The map is mended: the driver reads by it, and the gateway goes on.
    publish(&centre.operator, &map("0.2")).await.unwrap();
    shows(&manager, 450).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
}
