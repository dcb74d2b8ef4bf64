//! In a strict hall a kiosk that comes from another address is not used before a person has granted
//! it (S0-2.5-3b): nothing it says from there is taken, by HTTP or by MQTT (mosquitto_pub).

use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::Command;
use zhiban_tests::harness::Running;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::stage::{Hall, mqtt};

const HOME: &str = "127.0.0.1";
const ELSEWHERE: &str = "127.0.0.9";

fn strict(config: &mut toml::Table) {
    let registry = toml::toml! { changes = "strict" };
    config.insert("registry".into(), registry.into());
}

/// The answer to a transaction told by HTTP from an address: status and body.
async fn tells(gateway: &Running, secret: &str, from: &str, seq: u32) -> (u16, Value) {
    let client = Client::builder().local_address(Some(from.parse().unwrap()));
    let answer = client
        .build()
        .unwrap()
        .post(format!("{}/api/v1/reports", gateway.url()))
        .basic_auth("ks-1", Some(secret))
        .json(&json!({"kind": "kiosk.health", "in_service": true, "boot": "b", "seq": seq}))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What mosquitto_pub complains of when it publishes from an address; nothing when it was heard.
async fn publishes(gateway: &Running, secret: &str, from: &str, seq: u32) -> String {
    let (host, port) = mqtt(gateway);
    let report = format!(r#"{{"in_service":true,"boot":"m","seq":{seq}}}"#);
    let done = Command::new("mosquitto_pub")
        .args(["-h", host, "-p", port, "-A", from, "-q", "1"])
        .args(["-i", "ks-1", "-u", "ks-1", "-P", secret])
        .args(["-t", "te/device/ks-1///e/kiosk.health", "-m", &report])
        .output()
        .await
        .expect("mosquitto-clients");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_from_where_nobody_let_it_speak() {
    for by_mqtt in [false, true] {
        let folder = Folder::new("moved");
        let hall = Hall::prepare(folder.path(), "moved-hall", &["ks-1 kiosk"], strict).await;
        let (gateway, manager) = hall.open().await;
        let secret = &hall.secrets[0];

        let (status, taken) = tells(&gateway, secret, HOME, 1).await;
        assert_eq!((status, &taken["accepted"]), (200, &json!(1)), "{taken}");
        if by_mqtt {
            let refused = publishes(&gateway, secret, ELSEWHERE, 1).await;
            assert!(refused.contains("not authorised"), "{refused}");
        }
        let (status, refused) = tells(&gateway, secret, ELSEWHERE, 2).await;
        assert_eq!(status, 403, "{refused}");

        let path = "/api/v1/devices/ks-1/reports";
        let kept: Value = manager.get(path).await.unwrap();
        assert_eq!(kept["reports"].as_array().unwrap().len(), 1, "{kept}");

        // Once it is granted, it speaks from there.
        let asked: Value = manager.get("/api/v1/device-requests").await.unwrap();
        assert_eq!(asked["requests"][0]["what"], "address", "{asked}");
        let decide = format!("/api/v1/device-requests/{}", asked["requests"][0]["id"]);
        let _: Value = manager
            .post(&decide, &json!({"grant": true}))
            .await
            .unwrap();
        assert_eq!(publishes(&gateway, secret, ELSEWHERE, 3).await, "");
        assert_eq!(tells(&gateway, secret, ELSEWHERE, 4).await.0, 200);
    }
}
