//! A hall whose database is damaged on the disk comes up again by itself: what its backup had is there,
//! newer reports that prove to be what was written are brought over, nothing wrong and nothing twice goes
//! up to the centre, what was there is kept, and whoever should know is told.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::ToSpan;
use reqwest::Client;
use serde_json::{Value, json};
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running, free_port};

const DAY: &str = "2026-03-02";
const PATIENCE: Duration = Duration::from_secs(60);
/// As SQLite makes them here.
const PAGE: usize = 4_096;

async fn hall(folder: &Path, backups: &Path, edit: impl FnOnce(&mut toml::Table)) -> Hall {
    Hall::prepare(folder, "spoilt-hall", &["tm-1 ticket-machine"], |config| {
        let mut backup = toml::Table::new();
        backup.insert("folder".into(), backups.to_str().unwrap().into());
        config.insert("backup".into(), backup.into());
        let web = format!("127.0.0.1:{}", free_port().unwrap());
        config["web"]["listen"] = web.into();
        edit(config);
    })
    .await
}

/// One ticket in a queue of its own, in a quarter hour that has ended.
async fn report(running: &Running, hall: &Hall, queue: &str) {
    let client = Client::builder().no_proxy().build().unwrap();
    let report = json!({"kind": "ticket.issued", "ticket": queue, "boot": queue, "seq": 1,
        "queue": queue, "time": format!("{DAY}T02:05:00Z")});
    let answer = client
        .post(format!("{}/api/v1/reports", running.url()))
        .basic_auth("tm-1", Some(&hall.secrets[0]))
        .json(&json!({ "reports": [report] }))
        .send()
        .await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], 1, "{answer}");
}

async fn level(manager: &Account) {
    until("everything is sent", PATIENCE, async || {
        let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
        let floor = floor.map_err(|error| error.to_string())?;
        let uplink = &floor["freshness"]["uplink"];
        let is_level = uplink["connected"] == true && uplink["backlog"] == 0;
        seen(is_level, uplink.to_string())
    })
    .await;
}

async fn counted(centre: &Centre, tickets: u64) {
    let path = format!("/api/v1/compare?from={DAY}&to={DAY}");
    until("the tickets are at the centre", PATIENCE, async || {
        let figures: Result<Value, _> = centre.operator.get(&path).await;
        let figures = figures.map_err(|error| error.to_string())?;
        let issued = &figures["total"]["issued"];
        seen(*issued == tickets, issued.to_string())
    })
    .await;
}

async fn command(hall: &Hall, words: &[&str]) -> Result<String, String> {
    let config = hall.program.config.display().to_string();
    let mut args = words.to_vec();
    args.extend(["--config", &config]);
    let done = hall.program.command(&args, Vec::new()).await;
    done.map_err(|error| error.to_string())
}

async fn back_up(hall: &Hall, backups: &Path) {
    let folder = backups.to_str().unwrap();
    command(hall, &["backup", folder]).await.unwrap();
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

/// Moves the log into the database of a program that was stopped: what stands in both is read from the
/// log, and not every stop has the time for it.
fn empty_log(data: &Path) {
    let database = rusqlite::Connection::open(data.join("hall.db")).unwrap();
    let mode = "pragma wal_checkpoint(truncate)";
    database.query_row(mode, [], |_| Ok(())).unwrap();
}

/// Changes one letter of the report of a queue, wherever it stands in a file, and nothing else of it: the
/// program may be reading.
fn change_report(file: &Path, queue: &str) {
    let needle = format!("\"ticket\":\"{queue}\"");
    let bytes = std::fs::read(file).unwrap();
    let found = |at: &usize| bytes[*at..].starts_with(needle.as_bytes());
    let places: Vec<_> = (0..bytes.len()).filter(found).collect();
    assert!(!places.is_empty(), "{queue} is in {}", file.display());
    let open = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    for at in places {
        let letter = at + needle.len() - 2;
        let changed = [bytes[letter] ^ 1];
        open.write_all_at(&changed, letter as u64).unwrap();
    }
}

/// The queues whose tickets the journal has, in the order of their names.
fn queues(data: &Path) -> Vec<String> {
    let sql = "select distinct boot from journal_report where kind = 'ticket.issued' order by boot";
    Copied::of(data, "hall.db").rows(sql, |row| row.get(0))
}

/// The only folder with a damaged database.
fn set_aside(data: &Path) -> PathBuf {
    let entries = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_damaged = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("damaged-")
    };
    let found: Vec<_> = entries.filter(is_damaged).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// What the doctor advises when all is well.
fn delete_what_was_set_aside(data: &Path) {
    std::fs::remove_dir_all(set_aside(data)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_hall_comes_up_again_with_its_backup_and_nothing_wrong_goes_up() {
    let folder = Folder::new("spoilt");
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let clock = ReplayClock::from_now(format!("{DAY}T12:10:00Z").parse().unwrap(), 10);
    let mut centre = Centre::start(folder.path(), Some(clock)).await;
    let hall = hall(folder.path(), &backups, |config| clock.put(config)).await;
    let data = hall.program.data.clone();
    centre.enrol(&hall).await;
    let (mut running, manager) = hall.open().await;
    report(&running, &hall, "Q1").await;
    counted(&centre, 1).await;
    back_up(&hall, &backups).await;
    report(&running, &hall, "Q2").await;
    counted(&centre, 2).await;
    level(&manager).await;

    // A bit of a report the backup has: the newer one is brought over.
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    empty_log(&data);
    change_report(&data.join("hall.db"), "Q1");
    running = hall.start().await;
    report(&running, &hall, "Q3").await;
    counted(&centre, 3).await;
    level(&manager).await;
    let doctor = command(&hall, &["doctor", "--language", "en"]).await;
    let doctor = doctor.unwrap_or_else(|said| said);
    assert!(doctor.contains("database was damaged"), "{doctor}");
    assert!(set_aside(&data).join("hall.db").exists());
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(queues(&data), ["Q1", "Q2", "Q3"]);
    delete_what_was_set_aside(&data);

    beyond_rows(&centre, &hall, &manager).await;
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
    check_centre(folder.path());
    let log = std::fs::read_to_string(&hall.program.log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

/// Damage no row is read after: the page everything is found by, and the log.
async fn beyond_rows(centre: &Centre, hall: &Hall, manager: &Account) {
    let data = &hall.program.data;
    // What came after the backup is at the centre alone.
    empty_log(data);
    change(&data.join("hall.db"), |bytes| bytes[..PAGE].fill(0xa5));
    let mut running = hall.start().await;
    report(&running, hall, "Q4").await;
    counted(centre, 4).await;
    level(manager).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(queues(data), ["Q1", "Q4"]);
    delete_what_was_set_aside(data);

    // The log, after a kill: what came before the damage is there.
    running = hall.start().await;
    report(&running, hall, "Q5").await;
    report(&running, hall, "Q6").await;
    counted(centre, 6).await;
    level(manager).await;
    running.kill().await.unwrap();
    change_report(&data.join("hall.db-wal"), "Q6");
    running = hall.start().await;
    report(&running, hall, "Q7").await;
    counted(centre, 7).await;
    level(manager).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let found = queues(data);
    assert!(
        found.starts_with(&["Q1".into(), "Q4".into(), "Q5".into()]),
        "{found:?}"
    );
    assert!(
        !found.contains(&"Q6".to_owned()),
        "it was on the damaged page: {found:?}"
    );
    let told = "select count(*) from people_audit where action = 'box.database-mended'";
    let lines: i64 = Copied::of(data, "hall.db").one(told);
    assert_eq!(lines, 2, "the first went with what was set aside second");
}

fn check_centre(folder: &Path) {
    let at_centre = Copied::of(&folder.join("centre/data"), "central.db");
    let lives: i64 = at_centre.one("select count(*) from stores_life");
    assert_eq!(lives, 4, "each time in a life of its own");
    let alarm = "select count(*) from alarms_alarm where alarm = 'database-damaged'";
    assert!(at_centre.one::<i64>(alarm) >= 1, "the centre was told");
}

/// The time on the wall of the hall when it has started.
fn soon() -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let soon = zhiban_kernel::Clock::real_now() + 30.seconds();
    soon.to_zoned(zone).time().strftime("%H:%M:%S").to_string()
}

fn set_time(hall: &Hall, config: &mut toml::Table, at: &str) {
    let backup = config["backup"].as_table_mut().unwrap();
    backup.insert("at".into(), at.into());
    hall.program.write_config(config).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_while_it_runs_is_found_by_the_nightly_backup_and_ends_the_program_once() {
    let folder = Folder::new("spoilt-running");
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let mut hall = hall(folder.path(), &backups, |_| {}).await;
    let data = hall.program.data.clone();
    let (mut running, _) = hall.open().await;
    report(&running, &hall, "Q1").await;
    // Q1 is to stand on a page nobody writes to any more.
    for nth in 0..120 {
        report(&running, &hall, &format!("fill{nth}")).await;
    }
    back_up(&hall, &backups).await;
    report(&running, &hall, "Q2").await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    // A backup of another day, so that tonight's is due.
    for entry in std::fs::read_dir(&backups).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let (head, _) = name.rsplit_once('_').unwrap();
        std::fs::rename(
            &file,
            backups.join(format!("{head}_20260301T000000Z.tar.gz")),
        )
        .unwrap();
    }
    let mut config: toml::Table = std::fs::read_to_string(&hall.program.config)
        .unwrap()
        .parse()
        .unwrap();
    set_time(&hall, &mut config, &soon());
    empty_log(&data);
    running = hall.start().await;
    change_report(&data.join("hall.db"), "Q1");
    let ended = running.wait_stopped(2 * PATIENCE).await.unwrap();
    assert_ne!(ended, Ended::Killed, "it ends by itself");
    assert!(data.join("hall.db-damaged").exists(), "and leaves a mark");

    set_time(&hall, &mut config, "03:30");
    hall.program.log = folder.path().join("log-after");
    running = hall.start().await;
    report(&running, &hall, "Q3").await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let found = queues(&data);
    assert_eq!(
        (&found[..3], found.len()),
        (&["Q1", "Q2", "Q3"].map(String::from)[..], 123)
    );
    assert!(set_aside(&data).join("hall.db").exists());

    // Again within the hour: not by itself, and not a word less clear for it.
    empty_log(&data);
    change_report(&data.join("hall.db"), "Q1");
    for _ in 0..2 {
        let refused = hall
            .program
            .start()
            .await
            .expect_err("it refuses")
            .to_string();
        assert!(refused.contains("less than an hour ago"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_backup_it_refuses_and_names_the_way_out() {
    let folder = Folder::new("spoilt-alone");
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let mut hall = hall(folder.path(), &backups, |_| {}).await;
    let data = hall.program.data.clone();
    let (mut running, _) = hall.open().await;
    report(&running, &hall, "Q1").await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let sound = command(&hall, &["begin-anew"]).await.unwrap_err();
    assert!(sound.contains("is sound"), "{sound}");

    empty_log(&data);
    change(&data.join("hall.db"), |bytes| bytes[..PAGE].fill(0));
    let refused = hall
        .program
        .start()
        .await
        .expect_err("it refuses")
        .to_string();
    for word in [
        "no good backup",
        "zhiban-gateway restore FILE",
        "zhiban-gateway begin-anew",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    assert!(
        refused.contains(&backups.display().to_string()),
        "{refused}"
    );
    let said = command(&hall, &["begin-anew"]).await.unwrap();
    assert!(said.contains("is kept in"), "{said}");
    hall.program.log = folder.path().join("log-after");
    // Nobody has an account: somebody makes the first.
    let (mut running, _) = hall.open().await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
}
