//! Both programs are ended at every step that has a name (`crash_point!` in the sources), while
//! devices report and facts go up. Whatever the step, what was acknowledged is there once, and in
//! the end the centre has each fact once.
//!
//! `ZHIBAN_CRASHES` (1) says how often each step is tried; `ZHIBAN_SEED` (random) may be set.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::{Folder, centre, enrol_early};
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::ledger::{LedgerDevice, Speaks, acked, nothing_is_lost, start_devices};
use zhiban_tests::harness::peers::workspace;
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, Program, ProgramError, Running, facts, free_port};

const STORE: &str = "step-hall";
/// A quarter hour of the hall in 3 s.
const SPEED: u32 = 300;
const DEVICES: [(&str, Speaks); 2] = [("tm-5", Speaks::Mqtt5), ("tm-http", Speaks::Http)];
/// How long it may take until a step is passed.
const PASSED_WITHIN: Duration = Duration::from_secs(90);
const PATIENCE: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;

fn from_env(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// The names of all steps below a folder of the sources.
fn steps_in(folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(steps_of(&path));
            }
        }
    }
    names.sort();
    names
}

fn steps_of(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let after = text.split("crash_point!(\"").skip(1);
    let names = after.filter_map(|rest| Some(rest.split_once("\");")?.0.to_owned()));
    names.collect()
}

/// Starts a program that ends itself at a step, and waits until it has.
async fn crash(program: &Program, step: &str, times: u64) {
    let mut program = program.clone();
    let plan = format!("{step}:{times}");
    program
        .environment
        .push(("ZHIBAN_CRASH_AT".into(), plan.clone()));
    let mut running = program.spawn().unwrap();
    let end = Instant::now() + PASSED_WITHIN;
    loop {
        match running.check() {
            Err(ProgramError::Ended { status, tail, .. }) => {
                assert_eq!(status.signal(), Some(SIGABRT), "{plan}: {status}\n{tail}");
                return;
            }
            Err(error) => panic!("{error}"),
            Ok(()) => {}
        }
        assert!(
            Instant::now() < end,
            "{}: {plan} was never passed",
            program.name
        );
        sleep(Duration::from_millis(10)).await;
    }
}

struct Site {
    hall: Hall,
    central: Program,
    devices: Vec<LedgerDevice>,
    folder: Folder,
}

impl Site {
    async fn open() -> (Self, Running, Running) {
        let folder = Folder::new("steps");
        let clock = ReplayClock::from_now("2026-03-01T17:00:10Z".parse().unwrap(), SPEED);
        let (central, mut config) = centre(folder.path()).unwrap();
        clock.put(&mut config);
        central.write_config(&config).unwrap();
        let names = DEVICES.map(|(id, _)| format!("{id} ticket-machine"));
        let hall = Hall::prepare(
            folder.path(),
            STORE,
            &names.each_ref().map(String::as_str),
            |config| {
                clock.put(config);
                for door in ["web", "mqtt"] {
                    let port = free_port().unwrap();
                    config[door]["listen"] = format!("127.0.0.1:{port}").into();
                }
            },
        )
        .await;
        enrol_early(&central, &[(&hall.program, STORE)])
            .await
            .unwrap();
        let centre = central.start().await.unwrap();
        let gateway = hall.start().await;
        let devices = start_devices(&gateway, folder.path(), &DEVICES, &hall.secrets).await;
        (
            Self {
                hall,
                central,
                devices,
                folder,
            },
            gateway,
            centre,
        )
    }

    async fn at_the_hall(&self, mut gateway: Running, step: &str, times: u64) -> Running {
        gateway.kill().await.unwrap();
        if step.starts_with("epoch: ") {
            // Only a box whose epoch is in doubt takes these steps.
            fs::remove_file(self.hall.program.data.join("epoch")).unwrap();
        }
        crash(&self.hall.program, step, times).await;
        nothing_is_lost(&self.hall.program.data, &self.devices);
        self.hall.start().await
    }

    async fn at_the_centre(&self, mut centre: Running, step: &str, times: u64) -> Running {
        centre.kill().await.unwrap();
        crash(&self.central, step, times).await;
        assert_eq!(
            Copied::of(&self.central.data, "central.db").integrity(),
            "ok"
        );
        self.central.start().await.unwrap()
    }
}

/// How often a step is passed before it ends the program.
fn times(step: &str, rng: &mut StdRng) -> u64 {
    match step.split_once(": ").map_or(step, |(part, _)| part) {
        "store" if step.contains("checkpoint") || step.contains("migrat") => 1,
        "store" | "journal" | "http" | "mqtt" | "follower" => rng.random_range(1..40),
        "epoch" | "quarter hour" => 1,
        _ => rng.random_range(1..4),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_step_nothing_acknowledged_is_lost_or_doubled() {
    let rounds = from_env("ZHIBAN_CRASHES", 1);
    let seed = from_env("ZHIBAN_SEED", rand::rng().random());
    println!("each step {rounds} times, ZHIBAN_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let kernel = steps_in("config/kernel/src");
    let at_halls = [kernel.clone(), steps_in("gateway/src")].concat();
    let at_centre = [kernel, steps_in("central/src")].concat();
    assert!(
        at_halls.len() > 15 && at_centre.len() > 8,
        "{at_halls:?} {at_centre:?}"
    );
    let (mut site, mut gateway, mut centre) = Site::open().await;
    let mut tried = BTreeMap::<String, u64>::new();
    for _ in 0..rounds {
        for step in &at_halls {
            let times = times(step, &mut rng);
            gateway = site.at_the_hall(gateway, step, times).await;
            *tried.entry(format!("hall, {step}")).or_default() += 1;
        }
        // A big log of the centre takes more than a hall says in a minute.
        for step in at_centre.iter().filter(|step| !step.contains("checkpoint")) {
            let times = times(step, &mut rng).min(5);
            centre = site.at_the_centre(centre, step, times).await;
            *tried.entry(format!("centre, {step}")).or_default() += 1;
        }
    }
    for device in &mut site.devices {
        device.drain().await;
    }
    level(&site.hall.program).await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(centre.stop().await.unwrap(), Ended::Cleanly);
    nothing_is_lost(&site.hall.program.data, &site.devices);
    let count = in_both(&site);
    println!(
        "n = {} crashes at {} steps: {} acknowledged, {count} facts, 0 lost, 0 doubled",
        tried.values().sum::<u64>(),
        tried.len(),
        acked(&site.devices)
    );
    drop(site.folder);
}

/// Waits until followers have read everything, every quarter hour with tickets is stated, and all of
/// it is settled.
async fn level(hall: &Program) {
    until("all is stated and settled", PATIENCE, async || {
        let copy = Copied::of(&hall.data, "hall.db");
        let unstated: i64 = copy.one("select count(*) from queue_quarter where dirty = 1");
        let unread: i64 = copy.one(
            "select (select max(id) from journal_report) - min(position) from journal_follower",
        );
        let unsent: i64 = copy.one("select sum(given - settled) from federation_line");
        let state = Value::from(vec![unstated, unread, unsent]);
        seen(
            unstated == 0 && unread <= 0 && unsent == 0,
            state.to_string(),
        )
    })
    .await;
}

fn in_both(site: &Site) -> usize {
    let hall = Copied::of(&site.hall.program.data, "hall.db");
    let centre = Copied::of(&site.central.data, "central.db");
    let (count, wrong) = facts::compare(&hall, &centre, STORE);
    assert!(count > 0 && wrong.is_empty(), "{count} facts, {wrong:#?}");
    let sql = "select count(*) from journal_report where kind = 'ticket.issued'";
    let issued: i64 = hall.one(sql);
    let sql = "select sum(issued) from facts_queue_quarter";
    assert_eq!(centre.one::<i64>(sql), issued);
    count
}
