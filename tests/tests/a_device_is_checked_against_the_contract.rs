//! `zhiban-gateway check-device`: what it says of the sample for vendors, and of a device that
//! breaks the contract wherever it can.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::peers::{Peer, python, workspace};
use zhiban_tests::harness::programs;

const TIME: Duration = Duration::from_secs(120);

/// A hall that is played, where it listens, and the key a device asks with.
struct Played {
    hall: Peer,
    port: String,
    key: String,
}

async fn play(more: &[&str]) -> Played {
    let mut command = Command::new(programs().unwrap().join("zhiban-gateway"));
    command
        .args(["check-device", "--listen", "127.0.0.1:0", "--step", "4"])
        .args(more)
        .kill_on_drop(true);
    let mut hall = Peer::start(&mut command);
    let line = hall.until("MQTT ").await;
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, key) = (words[1], words[words.len() - 1]);
    Played {
        port: port_of(address),
        key: key.to_owned(),
        hall,
    }
}

fn port_of(address: &str) -> String {
    address.rsplit(':').next().unwrap_or_default().to_owned()
}

fn sample(folder: &Path, played: &Played, more: &[&str]) -> Peer {
    let script = workspace().join("drivers/contract/samples/device.py");
    let mut command = python(&script.display().to_string());
    command
        .args(["--serial", "KS-1", "--key", &played.key, "--state"])
        .arg(folder.join("device.json"))
        .args(more)
        .kill_on_drop(true);
    Peer::start(&mut command)
}

impl Played {
    /// The report, and whether the program was content.
    async fn verdict(mut self) -> (Vec<String>, bool) {
        let lines = self.hall.rest(TIME).await;
        let content = self.hall.process.wait().await.unwrap().success();
        (lines, content)
    }
}

fn of(lines: &[String], verdict: &str) -> Vec<String> {
    let found = lines.iter().filter_map(|line| line.strip_prefix(verdict));
    let what = |rest: &str| rest.split(':').next().unwrap_or_default().trim().to_owned();
    found.map(what).collect()
}

#[tokio::test]
async fn the_sample_keeps_the_contract() {
    let folder = Folder::new("checked-sample");
    let played = play(&[]).await;
    let mut device = sample(folder.path(), &played, &["--port", &played.port]);
    device.until("connected").await;
    device.order(r#"kiosk.health {"in_service": true}"#).await;
    let (lines, content) = played.verdict().await;
    assert!(content, "{lines:#?}");
    assert_eq!(of(&lines, "BROKEN"), Vec::<String>::new());
    assert_eq!(of(&lines, "kept").len(), 14, "{lines:#?}");
}

#[tokio::test]
async fn the_sample_keeps_it_within_tls_with_a_certificate_of_its_own() {
    let folder = Folder::new("checked-tls");
    let mut played = play(&["--tls-listen", "127.0.0.1:0"]).await;
    let line = played.hall.until("MQTT within TLS ").await;
    let words: Vec<&str> = line.split_whitespace().collect();
    let (port, trust) = (port_of(words[3]), words[words.len() - 1]);
    let more = ["--port", &port, "--ca", trust, "--certificate"];
    let mut device = sample(folder.path(), &played, &more);
    device.until("connected").await;
    device.order(r#"kiosk.health {"in_service": true}"#).await;
    let (lines, content) = played.verdict().await;
    assert!(content, "{lines:#?}");
    assert_eq!(of(&lines, "kept").len(), 14, "{lines:#?}");
}

#[tokio::test]
async fn every_breach_is_named() {
    let played = play(&[]).await;
    let script = workspace().join("tests/tests/peers/bad_device.py");
    let mut command = python(&script.display().to_string());
    command.args([&played.port, &played.key]).kill_on_drop(true);
    let device = Peer::start(&mut command);
    let (lines, content) = played.verdict().await;
    drop(device);
    assert!(!content, "{lines:#?}");
    let breaches = [
        "answers a display command",
        "answers a restart command",
        "leaves a will that says it is down",
        "says that it is up when it connects",
        "registers itself with its serial number",
        "time in every report",
        "its clock is right",
        "boot and seq in every report",
        "seq only counts up",
        "no number is used twice",
        "a boot of its own for each start",
        "every message is understood",
    ];
    assert_eq!(of(&lines, "BROKEN"), breaches);
}
