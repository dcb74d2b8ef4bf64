//! The clock of the box jumps (libfaketime): a year ahead, ten days back, an hour, and it starts in
//! 1970. Nothing acknowledged is lost or doubled, nothing is deleted for its age, and when the clock
//! is right again the centre has every fact once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use zhiban_tests::harness::clock::real_now;
use zhiban_tests::harness::configs::{Folder, centre, enrol_early};
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::ledger::{Speaks, acked, nothing_is_lost, start_devices};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, facts, free_port};

const STORE: &str = "clock-hall";
const DEVICES: [(&str, Speaks); 2] = [("tm-5", Speaks::Mqtt5), ("tm-http", Speaks::Http)];
const JUMPS: [&str; 6] = ["+365d", "-10d", "+1h", "-1h", "+400d", "+0"];
const STAY: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(90);

/// What is preloaded; the programs are linked dynamically.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a folder of libraries");
    let places =
        folders.filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    let mut found = places.filter(|file| file.is_file());
    found
        .next()
        .expect("libfaketime is missing: run `make setup`")
}

fn set_clock(file: &Path, to: &str) {
    // The whole line at once: it is read at any moment.
    let new = file.with_extension("new");
    fs::write(&new, format!("{to}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

/// Rows that only retention deletes, and what it says it dropped.
fn kept(hall: &Path) -> (i64, i64) {
    let copy = Copied::of(hall, "hall.db");
    let reports = copy.one("select count(*) from journal_report");
    (
        reports,
        copy.one("select coalesce(sum(rows), 0) from retention_dropped"),
    )
}

/// What makes a program live by the clock in a file.
fn under(clock: &Path) -> Vec<(String, String)> {
    [
        ("LD_PRELOAD", library().to_string_lossy().into_owned()),
        (
            "FAKETIME_TIMESTAMP_FILE",
            clock.to_string_lossy().into_owned(),
        ),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Waits until the hall has stated what happened and the centre has it.
async fn all_is_stated(hall: &Path, clock: &Path) {
    // Two hours later every quarter hour has ended but the one 400 days away.
    set_clock(clock, "+2h");
    let in_an_hour = real_now().as_millisecond() + 3_600_000;
    let open =
        format!("select count(*) from queue_quarter where dirty = 1 and slot_ms < {in_an_hour}");
    until("all is stated and sent", PATIENCE, async || {
        let copy = Copied::of(hall, "hall.db");
        let unstated: i64 = copy.one(&open);
        let unsent: i64 = copy.one("select sum(given - settled) from federation_line");
        seen(
            unstated == 0 && unsent == 0,
            format!("{unstated} unstated, {unsent} unsent"),
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_deleted() {
    let folder = Folder::new("clock");
    let (central, _) = centre(folder.path()).unwrap();
    let names = DEVICES.map(|(id, _)| format!("{id} ticket-machine"));
    let mut hall = Hall::prepare(
        folder.path(),
        STORE,
        &names.each_ref().map(String::as_str),
        |config| {
            for door in ["web", "mqtt"] {
                let port = free_port().unwrap();
                config[door]["listen"] = format!("127.0.0.1:{port}").into();
            }
            let uplink = toml::toml! { heartbeat_s = 1 };
            config.insert("uplink".into(), uplink.into());
        },
    )
    .await;
    enrol_early(&central, &[(&hall.program, STORE)])
        .await
        .unwrap();
    let mut centre = central.start().await.unwrap();
    let clock = folder.path().join("clock");
    set_clock(&clock, "+0");
    hall.program.environment = under(&clock);
    let (mut gateway, _) = hall.open().await;
    let mut devices = start_devices(&gateway, folder.path(), &DEVICES, &hall.secrets).await;
    let mut before = 0;
    for jump in JUMPS {
        set_clock(&clock, jump);
        sleep(STAY).await;
        let now = acked(&devices);
        println!("{jump}: {} acknowledged", now - before);
        assert!(now > before, "nothing was acknowledged at {jump}");
        before = now;
    }
    // A box without a clock battery, switched on.
    gateway.kill().await.unwrap();
    nothing_is_lost(&hall.program.data, &devices);
    set_clock(&clock, "@1970-01-01 00:00:30");
    gateway = hall.start().await;
    sleep(STAY).await;
    let now = acked(&devices);
    println!("1970: {} acknowledged", now - before);
    assert!(now > before, "nothing was acknowledged in 1970");
    set_clock(&clock, "+0");
    for device in &mut devices {
        device.drain().await;
    }
    all_is_stated(&hall.program.data, &clock).await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(centre.stop().await.unwrap(), Ended::Cleanly);
    nothing_is_lost(&hall.program.data, &devices);
    let (reports, dropped) = kept(&hall.program.data);
    assert!(reports as usize >= acked(&devices));
    assert_eq!(dropped, 0, "rows were deleted");
    at_the_centre(&hall.program.data, &central.data);
    println!(
        "n = {} jumps, {} acknowledged, 0 lost, 0 deleted",
        JUMPS.len() + 1,
        acked(&devices)
    );
}

/// Everything the hall stated is there once. What it stated of 1970 no centre takes for a day of a
/// hall: both ends keep it aside, for a person to see.
fn at_the_centre(hall: &Path, central: &Path) {
    let (hall, centre) = (
        Copied::of(hall, "hall.db"),
        Copied::of(central, "central.db"),
    );
    let (count, mut wrong) = facts::compare(&hall, &centre, STORE);
    let all = wrong.len();
    wrong.retain(|difference| {
        !(difference.starts_with("(0, ") && difference.ends_with("not at the centre"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    let aside = i64::try_from(all).unwrap();
    for (database, table) in [
        (&hall, "federation_dead_letter"),
        (&centre, "intake_dead_letter"),
    ] {
        let kept: i64 = database.one(&format!("select count(*) from {table}"));
        assert!(kept >= aside, "{table} has {kept} of {aside}");
    }
    println!("{count} facts at the hall, {aside} of 1970 set aside, all others in both");
}
