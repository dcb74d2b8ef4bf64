//! A device finds the hall on the network (python-zeroconf), makes sure that it is the right one,
//! makes a key (OpenSSL) and gets a certificate, which is good until a person shuts it out.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::peers::{Peer, finish, python, text, workspace};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::{Account, Ended, Running};

const SOON: Duration = Duration::from_secs(20);

/// A door as the advert says it.
struct Found {
    address: String,
    port: String,
    fingerprint: String,
}

impl Found {
    /// `found <kind> <server> <address> <port> <tls> <fingerprint>`
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[2], words[5]), ("zhiban-found-hall.local.", "1"));
        Self {
            address: words[3].to_owned(),
            port: words[4].to_owned(),
            fingerprint: words[6].to_owned(),
        }
    }
}

async fn openssl(arguments: &[&str]) -> String {
    text(&finish(Command::new("openssl").args(arguments), SOON).await)
}

/// What the person who sets the device up takes from the panel.
async fn authority(gateway: &Running, file: &Path) {
    let url = format!("{}/api/v1/joining/authority.pem", gateway.url());
    let pem = reqwest::get(url).await.unwrap().text().await.unwrap();
    std::fs::write(file, pem).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_finds_the_hall_and_gets_a_certificate() {
    let folder = Folder::new("found");
    let hall = Hall::prepare(folder.path(), "found-hall", &[], |config| {
        let mqtt = config["mqtt"].as_table_mut().unwrap();
        let tls = toml::toml! { listen = "0.0.0.0:0" };
        mqtt.insert("tls".into(), tls.into());
    })
    .await;
    let (mut gateway, manager) = hall.open().await;
    let script = workspace().join("tests/tests/peers/mdns_browser.py");
    let mut browser = python(&script.display().to_string());
    let mut browser = Peer::start(browser.arg("found-hall").kill_on_drop(true));
    let found = Found::read(&browser.until("found _zhiban._tcp").await);
    let told = gateway.addresses.mqtts.clone().unwrap();
    assert_eq!(told.rsplit(':').next(), Some(&found.port[..]));

    let trust = folder.path().join("authority.pem");
    authority(&gateway, &trust).await;
    let trust = trust.display().to_string();
    let shown = openssl(&["x509", "-in", &trust, "-noout", "-fingerprint", "-sha256"]).await;
    let shown = shown.replace(':', "");
    assert!(shown.contains(&found.fingerprint), "{shown}");

    let mut kiosk = join(&manager, folder.path(), &found, &trust).await;
    kiosk.order(r#"kiosk.health {"in_service": true}"#).await;
    kiosk.until("stored kiosk.health").await;
    let state = folder.path().join("kiosk.json").display().to_string();
    let certificate = format!("{state}.crt");
    let verified = openssl(&["verify", "-CAfile", &trust, &certificate]).await;
    assert!(verified.ends_with("OK\n"), "{verified}");

    // Another program may sign in with it, until a person shuts the device out.
    assert_eq!(publish(&found, &trust, &state).await, "");
    let shut = json!({"state": "retired"});
    let path = "/api/v1/devices/kiosk-ks1";
    let _: Value = manager.post(path, &shut).await.unwrap();
    let refused = publish(&found, &trust, &state).await;
    assert!(refused.contains("refused"), "{refused}");

    drop(kiosk);
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    browser.until("gone _zhiban._tcp").await;
}

/// The sample for vendors joins by the code it shows.
async fn join(manager: &Account, folder: &Path, found: &Found, trust: &str) -> Peer {
    let body = json!({"open": true});
    let window: Value = manager.post("/api/v1/joining/window", &body).await.unwrap();
    let script = workspace().join("drivers/contract/samples/device.py");
    let mut kiosk = python(&script.display().to_string());
    kiosk
        .args(["--host", &found.address, "--port", &found.port])
        .args(["--ca", trust, "--certificate", "--serial", "KS1", "--state"])
        .arg(folder.join("kiosk.json"))
        .args(["--key", window["key"].as_str().unwrap()])
        .kill_on_drop(true);
    let mut kiosk = Peer::start(&mut kiosk);
    let code = kiosk.until("code ").await;
    let joining: Value = manager.get("/api/v1/joining").await.unwrap();
    assert_eq!(joining["fingerprint"], found.fingerprint);
    let claim = &joining["claims"][0];
    let decide = format!("/api/v1/joining/claims/{}", claim["id"]);
    let code = code.strip_prefix("code ").unwrap();
    let body = json!({"approve": true, "code": code, "device": "kiosk-ks1"});
    let _: Value = manager.post(&decide, &body).await.unwrap();
    kiosk.until("connected kiosk-ks1").await;
    kiosk
}

/// mosquitto_pub with the device's key and certificate, and no password; what it complains of.
async fn publish(found: &Found, trust: &str, state: &str) -> String {
    let (certificate, key) = (format!("{state}.crt"), format!("{state}.key"));
    let topic = "te/device/kiosk-ks1///e/kiosk.health";
    let mut command = Command::new("mosquitto_pub");
    command
        .args(["-h", &found.address, "-p", &found.port, "-i", "kiosk-ks1"])
        .args(["--cafile", trust, "--cert", &certificate, "--key", &key])
        .args(["-q", "1", "-t", topic, "-m", r#"{"in_service": false}"#]);
    text(&finish(&mut command, SOON).await)
}
