//! What store IT relies on: a backup taken beside the running service is put back and the hall goes on
//! in a new epoch; the nightly backup comes by itself and says when it cannot; the doctor tells what is
//! wrong; systemd hears of the service only while it does what it is for.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use jiff::ToSpan;
use reqwest::Client;
use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running, free_port};

const STORE: &str = "cared-hall";
const PATIENCE: Duration = Duration::from_secs(60);

async fn report(running: &Running, hall: &Hall, seq: u64) {
    let client = Client::builder().no_proxy().build().unwrap();
    let report = json!({"kind": "ticket.issued", "ticket": format!("A{seq}"), "boot": "b",
        "seq": seq, "queue": "A"});
    let answer = client
        .post(format!("{}/api/v1/reports", running.url()))
        .basic_auth("tm-1", Some(&hall.secrets[0]))
        .json(&json!({ "reports": [report] }))
        .send()
        .await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], 1, "{answer}");
}

async fn hall(folder: &Path, edit: impl FnOnce(&mut toml::Table)) -> Hall {
    Hall::prepare(folder, STORE, &["tm-1 ticket-machine"], edit).await
}

/// The time on the wall of the hall when it has started.
fn soon() -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let soon = zhiban_kernel::Clock::real_now() + 12.seconds();
    soon.to_zoned(zone).time().strftime("%H:%M:%S").to_string()
}

fn backup_at(config: &mut toml::Table, at: &str, folder: &Path) {
    let mut backup = toml::Table::new();
    backup.insert("at".into(), at.into());
    backup.insert("folder".into(), folder.to_str().unwrap().into());
    config.insert("backup".into(), backup.into());
}

/// Runs a command of the gateway on the hall's configuration; what it printed, or why it refused.
async fn command(hall: &Hall, words: &[&str]) -> Result<String, String> {
    let config = hall.program.config.display().to_string();
    let mut args = words.to_vec();
    args.extend(["--config", &config]);
    let done = hall.program.command(&args, Vec::new()).await;
    done.map_err(|error| error.to_string())
}

fn tickets(data: &Path) -> i64 {
    Copied::of(data, "hall.db")
        .one("select count(*) from journal_report where kind = 'ticket.issued'")
}

async fn level(manager: &Account) {
    until("everything is sent", PATIENCE, async || {
        let floor: Value = manager
            .get("/api/v1/floor")
            .await
            .map_err(|e| e.to_string())?;
        let uplink = &floor["freshness"]["uplink"];
        let is_level = uplink["connected"] == true && uplink["backlog"] == 0;
        seen(is_level, uplink.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_hall_is_put_back_and_the_hall_goes_on_in_a_new_epoch() {
    let folder = Folder::new("restored-box");
    let mut centre = Centre::start(folder.path(), None).await;
    let hall = hall(folder.path(), |config| {
        let web = format!("127.0.0.1:{}", free_port().unwrap());
        config["web"]["listen"] = web.into();
    })
    .await;
    centre.enrol(&hall).await;
    let (mut running, manager) = hall.open().await;
    for seq in 1..=20 {
        report(&running, &hall, seq).await;
    }
    level(&manager).await;
    let archive = folder.path().join("box.tar.gz");
    let archive = archive.to_str().unwrap();
    let said = command(&hall, &["backup", archive]).await.unwrap();
    assert!(said.contains("read back and compared"), "{said}");
    let mode = std::fs::metadata(archive).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "it holds secrets");
    let refused = command(&hall, &["restore", archive]).await.unwrap_err();
    assert!(refused.contains("stop the service first"), "{refused}");
    for seq in 21..=25 {
        report(&running, &hall, seq).await;
    }
    level(&manager).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);

    let said = command(&hall, &["restore", archive]).await.unwrap();
    assert!(said.contains("new epoch"), "{said}");
    assert_eq!(tickets(&hall.program.data), 20, "as it was");
    running = hall.start().await;
    for seq in 26..=30 {
        report(&running, &hall, seq).await;
    }
    level(&manager).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
    let at_centre = Copied::of(&folder.path().join("centre/data"), "central.db");
    let lives: i64 = at_centre.one("select count(*) from stores_life");
    assert_eq!(lives, 2, "the restored hall speaks in a life of its own");
    assert_eq!(tickets(&hall.program.data), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nightly_backup_comes_by_itself_and_says_when_it_cannot() {
    let folder = Folder::new("nightly");
    let disk = folder.path().join("second-disk");
    std::fs::create_dir(&disk).unwrap();
    let at = soon();
    let hall = hall(folder.path(), |config| {
        backup_at(config, &at, &disk);
    })
    .await;
    let (mut running, manager) = hall.open().await;
    let upkeep = async || -> Result<Value, String> {
        manager
            .get("/api/v1/upkeep")
            .await
            .map_err(|e| e.to_string())
    };
    until("a backup is taken", PATIENCE, async || {
        let backup = upkeep().await?["backup"].clone();
        seen(!backup["last"].is_null(), backup.to_string())
    })
    .await;
    let files = std::fs::read_dir(&disk).unwrap().count();
    assert_eq!(files, 1);
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let doctor = command(&hall, &["doctor", "--language", "en"])
        .await
        .unwrap_err();
    assert!(
        doctor.contains("must be mended"),
        "it does not run: {doctor}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_taken_shows() {
    let folder = Folder::new("no-disk");
    let at = soon();
    let hall = hall(folder.path(), |config| {
        backup_at(config, &at, Path::new("/nowhere/mounted"));
    })
    .await;
    let (mut running, manager) = hall.open().await;
    until("the failure shows", PATIENCE, async || {
        let health: Value = manager.get("/health").await.map_err(|e| e.to_string())?;
        let part = health["parts"].as_array().into_iter().flatten();
        let part = part
            .into_iter()
            .find(|part| part["part"] == "backup")
            .cloned();
        let shows = part
            .as_ref()
            .is_some_and(|part| part["status"] == "degraded");
        seen(shows, format!("{part:?}"))
    })
    .await;
    let said = command(&hall, &["doctor", "--language", "zh"]).await;
    let said = said.unwrap_err();
    assert!(said.contains("must be mended"), "no backup is bad: {said}");
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_the_hall_is_ready_alive_and_stopping() {
    let folder = Folder::new("notified");
    let hall = hall(folder.path(), |_| {}).await;
    let file = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&file).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut service = std::process::Command::new(&hall.program.executable)
        .arg("run")
        .arg(&hall.program.config)
        .env("NOTIFY_SOCKET", &file)
        .env("WATCHDOG_USEC", "2000000")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut buffer = [0; 64];
        let heard = systemd.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..heard]).into_owned()
    };
    let mut heard = vec![hear()];
    while heard.iter().filter(|word| *word == "WATCHDOG=1").count() < 2 {
        heard.push(hear());
    }
    assert!(heard.contains(&"READY=1".to_owned()), "{heard:?}");
    let pid = rustix::process::Pid::from_child(&service);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    while heard.last().is_some_and(|word| word != "STOPPING=1") {
        heard.push(hear());
    }
    assert!(service.wait().unwrap().success());
}

#[test]
fn the_services_are_locked_in() {
    let top = zhiban_tests::harness::peers::workspace();
    for unit in ["gateway", "central"] {
        let file = top.join(format!("deploy/debian/{unit}/zhiban-{unit}.service"));
        let judged = std::process::Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
            .arg(&file)
            .output()
            .expect("systemd-analyze (apt-get install systemd)");
        let said = String::from_utf8_lossy(&judged.stdout);
        let overall = said.lines().find(|line| line.contains("Overall exposure"));
        assert!(
            judged.status.success() && overall.is_some(),
            "{unit}: {said}"
        );
    }
}
