//! A device nobody knows: unboxed, let in by a person, and heard. The device is the sample for
//! vendors, `drivers/contract/samples/device.py`, on paho-mqtt.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::peers::{Peer, python, workspace};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running};

const SOON: Duration = Duration::from_secs(20);

/// The sample, as a vendor would start it.
fn sample(gateway: &Running, folder: &Path, serial: &str, state: &str, more: &[&str]) -> Peer {
    let script = workspace().join("drivers/contract/samples/device.py");
    let mqtt = gateway.addresses.mqtt.as_deref().unwrap();
    let port = mqtt.rsplit(':').next().unwrap();
    let mut command = python(&script.display().to_string());
    command
        .args(["--port", port, "--serial", serial, "--state"])
        .arg(folder.join(state))
        .args(more)
        .kill_on_drop(true);
    Peer::start(&mut command)
}

async fn claims(manager: &Account) -> Vec<Value> {
    let found: Value = manager.get("/api/v1/joining").await.unwrap();
    found["claims"].as_array().unwrap().clone()
}

async fn open_window(manager: &Account) -> String {
    let body = json!({"open": true});
    let window: Value = manager.post("/api/v1/joining/window", &body).await.unwrap();
    window["key"].as_str().unwrap().to_owned()
}

async fn reports(manager: &Account, device: &str) -> Vec<Value> {
    let path = format!("/api/v1/devices/{device}/reports");
    let found: Value = manager.get(&path).await.unwrap();
    found["reports"].as_array().unwrap().clone()
}

fn is_kind(report: &Value, kind: &str) -> bool {
    report["kind"] == kind
}

#[tokio::test(flavor = "multi_thread")]
async fn three_actions_bring_a_device_from_its_box_to_its_first_report() {
    let folder = Folder::new("joining");
    let hall = Hall::prepare(folder.path(), "join-hall", &[], |_| ()).await;
    let (mut gateway, manager) = hall.open().await;

    // Without a key, or with a wrong one, nobody is heard.
    let wrong = ["--key", "AAAAA-AAAAA"];
    let mut stranger = sample(&gateway, folder.path(), "KS-1", "stranger.json", &wrong);
    stranger.until("refused claim key").await;

    // One: a person opens the window and reads the key to the device.
    let key = open_window(&manager).await;
    let mut kiosk = sample(
        &gateway,
        folder.path(),
        "KS-1",
        "kiosk.json",
        &["--key", &key],
    );
    let code = kiosk.until("code ").await;
    // Two: the person finds it in the list.
    let claim = claims(&manager).await.remove(0);
    assert_eq!(claim["serial"], "KS-1");
    assert_eq!(
        (&claim["clash"], &claim["kind"]),
        (&json!(false), &json!("kiosk"))
    );
    // Three: the person types the code it shows.
    let decide = format!("/api/v1/joining/claims/{}", claim["id"]);
    let code = code.strip_prefix("code ").unwrap();
    let body = json!({"approve": true, "code": code, "device": claim["wished"]});
    let decided: Value = manager.post(&decide, &body).await.unwrap();
    let device = decided["device"].as_str().unwrap().to_owned();
    kiosk.until(&format!("connected {device}")).await;
    kiosk
        .order(r#"kiosk.health {"in_service": true, "paper": "low"}"#)
        .await;
    kiosk.until("stored kiosk.health").await;
    let found = reports(&manager, &device).await;
    let health = found
        .iter()
        .find(|report| is_kind(report, "kiosk.health"))
        .unwrap();
    assert_eq!(health["payload"]["paper"], "low");
    assert!(
        found
            .iter()
            .any(|report| is_kind(report, "device.identity"))
    );

    commands_reach_it(&manager, &mut kiosk, &device).await;
    let next = next_key(&gateway, &manager, folder.path(), &key).await;
    a_second_box_is_parked(&gateway, &manager, folder.path(), &next).await;

    // It has its own credential now: no key, no window.
    let _: Value = manager
        .post("/api/v1/joining/window", &json!({"open": false}))
        .await
        .unwrap();
    kiosk.process.kill().await.unwrap();
    let mut kiosk = sample(&gateway, folder.path(), "KS-1", "kiosk.json", &[]);
    kiosk.until(&format!("connected {device}")).await;
    drop(kiosk);
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}

/// A key is good for one device; the panel shows the next one.
async fn next_key(gateway: &Running, manager: &Account, folder: &Path, key: &str) -> String {
    let joining: Value = manager.get("/api/v1/joining").await.unwrap();
    let next = joining["window"]["key"].as_str().unwrap().to_owned();
    assert_ne!(next, key);
    let mut late = sample(gateway, folder, "KS-9", "late.json", &["--key", key]);
    late.until("refused claim key").await;
    next
}

/// The hall offers what the device says it obeys. Restart is done; what it cannot is refused with
/// the device's own reason.
async fn commands_reach_it(manager: &Account, kiosk: &mut Peer, device: &str) {
    let page: Value = manager
        .get(&format!("/api/v1/devices/{device}"))
        .await
        .unwrap();
    assert_eq!(page["accepts"], json!(["display", "restart"]));
    let path = format!("/api/v1/devices/{device}/commands");
    for (what, kind, expected) in [
        ("restart", "restart", ("successful", Value::Null)),
        ("power-off", "power", ("failed", json!("cannot power"))),
    ] {
        let asked: Value = manager.post(&path, &json!({"what": what})).await.unwrap();
        kiosk.until(&format!("command {kind} ")).await;
        until("the command has ended", SOON, async || {
            let listed: Value = manager.get(&path).await.map_err(|e| e.to_string())?;
            let newest = &listed["commands"][0];
            let fits = newest["id"] == asked["id"]
                && newest["state"] == expected.0
                && newest["reason"] == expected.1;
            seen(fits, newest.to_string())
        })
        .await;
    }
}

async fn a_second_box_is_parked(gateway: &Running, manager: &Account, folder: &Path, key: &str) {
    let mut second = sample(gateway, folder, "KS-1", "second.json", &["--key", key]);
    second.until("code ").await;
    let claim = claims(manager).await.remove(0);
    assert_eq!(claim["clash"], true);
    until("the hall raises an alarm", SOON, async || {
        let found = reports(manager, "hall").await;
        let alarm = found.iter().find(|report| is_kind(report, "device.alarm"));
        let text = alarm.map(|alarm| alarm["payload"].to_string());
        let fits = text.as_ref().is_some_and(|text| {
            text.contains("serial-clash") && text.contains("KS-1") && text.contains("major")
        });
        seen(fits, format!("{text:?}"))
    })
    .await;
    let decide = format!("/api/v1/joining/claims/{}", claim["id"]);
    let body = json!({"approve": false, "reason": "we have that one"});
    let _: Value = manager.post(&decide, &body).await.unwrap();
    second.until("refused we have that one").await;
}

/// S0-2.5-3a: the third model of kiosk is checked by its code like the others, and fetches its
/// credential once a person has granted the model.
#[tokio::test(flavor = "multi_thread")]
async fn a_third_model_of_kiosk_is_heard_once_it_is_granted() {
    let folder = Folder::new("third-model");
    let hall = Hall::prepare(folder.path(), "third-hall", &[], |_| ()).await;
    let (gateway, manager) = hall.open().await;
    for (serial, is_third) in [("KS-1", false), ("KS-2", false), ("KS-3", true)] {
        let key = open_window(&manager).await;
        let state = format!("{serial}.json");
        let more = ["--key", &key[..], "--model", serial];
        let mut kiosk = sample(&gateway, folder.path(), serial, &state, &more);
        let code = kiosk.until("code ").await;
        let code = code.rsplit(' ').next().unwrap();
        let claim = claims(&manager).await.remove(0);
        let path = format!("/api/v1/joining/claims/{}", claim["id"]);
        let body = json!({"approve": true, "code": code, "device": serial});
        let _: Value = manager.post(&path, &body).await.unwrap();
        if is_third {
            let asked: Value = manager.get("/api/v1/device-requests").await.unwrap();
            assert_eq!(asked["requests"][0]["what"], "third-model", "{asked}");
            let path = format!("/api/v1/device-requests/{}", asked["requests"][0]["id"]);
            let granted = json!({"grant": true});
            let _: Value = manager.post(&path, &granted).await.unwrap();
        }
        kiosk.until(&format!("joined {serial}")).await;
        kiosk.until(&format!("connected {serial}")).await;
    }
    let alarms = reports(&manager, "hall").await;
    assert!(alarms.is_empty(), "{alarms:?}");
}
