//! The gateway is killed again and again while independent devices report. Every report that was
//! acknowledged is in the journal once, and in the centre's sums once.
//!
//! `ZHIBAN_KILLS` (25) and `ZHIBAN_SEED` (random) may be set.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::time::sleep;
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::{Folder, centre, enrol, hall};
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::ledger::{LedgerClient, LedgerDevice, Speaks, acked};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, NewDevice, Program, add_devices, facts, free_port};

const STORE: &str = "kill-hall";
const DAY: &str = "2026-03-02";
/// A quarter hour of the hall in 15 s.
const SPEED: u32 = 60;

const DEVICES: [(&str, Speaks); 6] = [
    ("tm-311-a", Speaks::Mqtt311),
    ("tm-311-b", Speaks::Mqtt311),
    ("tm-5-a", Speaks::Mqtt5),
    ("tm-5-b", Speaks::Mqtt5),
    ("http-a", Speaks::Http),
    // This one dies in the middle and comes back under a new boot.
    ("tm-mortal", Speaks::Mqtt311),
];

fn from_env(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

struct Site {
    gateway: Program,
    secrets: Vec<String>,
    web: String,
    mqtt: String,
    folder: Folder,
}

impl Site {
    async fn prepare(folder: Folder, clock: ReplayClock) -> Self {
        let (gateway, mut config) = hall(folder.path(), STORE).unwrap();
        clock.put(&mut config);
        // The same ports after every restart, as in a real hall.
        let [web, mqtt] = ["web", "mqtt"].map(|door| {
            let address = format!("127.0.0.1:{}", free_port().unwrap());
            config[door]["listen"] = address.clone().into();
            address
        });
        gateway.write_config(&config).unwrap();
        let devices = DEVICES.map(|(id, _)| NewDevice {
            id: id.parse().unwrap(),
            kind: zhiban_vocabulary::device::DeviceKind::TicketMachine,
            name: None,
            counter: None,
            topics: Vec::new(),
        });
        let secrets = add_devices(&gateway, &devices).await.unwrap();
        Self {
            gateway,
            secrets,
            web,
            mqtt,
            folder,
        }
    }

    async fn start_device(&self, nth: usize, boot: &str) -> LedgerDevice {
        let (device, speaks) = DEVICES[nth];
        let address = if speaks == Speaks::Http {
            &self.web
        } else {
            &self.mqtt
        };
        let secret = &self.secrets[nth];
        let client = LedgerClient {
            speaks,
            address,
            device,
            secret,
            boot,
            every_ms: 4,
        };
        client.start(self.folder.path()).await
    }

    /// What the kill left behind.
    fn check(&self, devices: &[LedgerDevice]) -> i64 {
        let journal = Copied::of(&self.gateway.data, "hall.db");
        assert_eq!(journal.integrity(), "ok");
        let wrong: Vec<_> = devices
            .iter()
            .flat_map(|device| device.differences(&journal))
            .collect();
        assert!(
            wrong.is_empty(),
            "{} differences:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(10)].join("\n")
        );
        journal.one("select count(*) from journal_report")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_report_is_there_once_after_every_kill() {
    let kills = from_env("ZHIBAN_KILLS", 25);
    let seed = from_env("ZHIBAN_SEED", rand::rng().random());
    assert!(kills >= 25, "fewer than 25 kills prove little");
    println!("kills {kills}, ZHIBAN_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = Folder::new("kill");
    let clock = ReplayClock::from_now(format!("{DAY}T01:00:10Z").parse().unwrap(), SPEED);
    let (central, mut config) = centre(folder.path()).unwrap();
    clock.put(&mut config);
    central.write_config(&config).unwrap();
    let mut central = central.start().await.unwrap();
    let operator = Account::set_up(&central, "1001", "operator").await.unwrap();
    let site = Site::prepare(folder, clock).await;
    enrol(&central, &site.gateway, STORE).await.unwrap();
    let mut gateway = site.gateway.start().await.unwrap();
    let manager = Account::set_up(&gateway, "1001", "manager").await.unwrap();
    let mut devices = Vec::new();
    for nth in 0..DEVICES.len() {
        devices.push(site.start_device(nth, "b1").await);
    }
    let (mut ready, mut rows) = (Vec::new(), 0);
    for kill in 1..=kills {
        sleep(Duration::from_millis(rng.random_range(50..1_200))).await;
        gateway.kill().await.unwrap();
        if kill == kills / 2 {
            devices[DEVICES.len() - 1].kill().await;
        }
        if kill == kills / 2 + 2 {
            devices.push(site.start_device(DEVICES.len() - 1, "b2").await);
        }
        let now = site.check(&devices);
        println!("kill {kill}: {now} reports, {} new", now - rows);
        rows = now;
        if rng.random_bool(0.2) {
            // Killed before it stands.
            let mut unready = site.gateway.spawn().unwrap();
            sleep(Duration::from_millis(rng.random_range(5..300))).await;
            unready.kill().await.unwrap();
            site.check(&devices);
        }
        let started = Instant::now();
        gateway = site.gateway.start().await.unwrap();
        ready.push(started.elapsed());
    }
    let last = DEVICES.len() - 1;
    for (_, device) in devices
        .iter_mut()
        .enumerate()
        .filter(|(nth, _)| *nth != last)
    {
        device.drain().await;
    }
    settled(&devices, &manager, &operator).await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(central.stop().await.unwrap(), Ended::Cleanly);
    site.check(&devices);
    at_the_centre(&site, &central.program);
    summary(&devices, ready);
}

fn summary(devices: &[LedgerDevice], mut ready: Vec<Duration>) {
    let acked = acked(devices);
    let unknown: usize = devices.iter().map(|device| device.ledger().unknown()).sum();
    ready.sort();
    let at = |percent: usize| ready[(ready.len() - 1) * percent / 100];
    let (p50, p95, max) = (at(50), at(95), at(100));
    println!(
        "n = {} kills: {acked} acknowledged, {unknown} unknown",
        ready.len()
    );
    println!("ready again p50 {p50:?}, p95 {p95:?}, max {max:?}");
    assert!(acked > 1_000, "the devices were hardly heard: {acked}");
    assert!(
        unknown > 0,
        "the mortal device left nothing open: the test tries too little"
    );
}

/// Waits until the centre has what the hall has.
async fn settled(devices: &[LedgerDevice], manager: &Account, operator: &Account) {
    let least: usize = devices
        .iter()
        .map(|d| d.ledger().acked_of("ticket.issued"))
        .sum();
    let path = format!("/api/v1/compare?from={DAY}&to={DAY}");
    until(
        "the centre has what the hall has",
        Duration::from_secs(60),
        async || {
            let hall: Value = manager
                .get("/api/v1/floor")
                .await
                .map_err(|e| e.to_string())?;
            let issued = hall["totals"]["issued_today"].as_u64().unwrap_or(0);
            let figures: Value = operator.get(&path).await.map_err(|e| e.to_string())?;
            let row = figures["rows"]
                .as_array()
                .and_then(|rows| rows.iter().find(|r| r["store"] == STORE));
            let there = row.and_then(|row| row["issued"].as_u64());
            let backlog = &hall["freshness"]["uplink"]["backlog"];
            let all = there == Some(issued) && issued >= least as u64 && *backlog == 0;
            seen(
                all,
                format!("hall {issued} of at least {least}, centre {there:?}, backlog {backlog}"),
            )
        },
    )
    .await;
}

/// Each fact is there once, in the version the hall stated last.
fn at_the_centre(site: &Site, central: &Program) {
    let hall = Copied::of(&site.gateway.data, "hall.db");
    let sql = "select count(*) from journal_report where kind = 'ticket.issued'";
    let issued = hall.one::<i64>(sql);
    let centre = Copied::of(&central.data, "central.db");
    assert_eq!(centre.integrity(), "ok");
    let (count, wrong) = facts::compare(&hall, &centre, STORE);
    assert!(count > 0 && wrong.is_empty(), "{count} facts, {wrong:#?}");
    let sql = "select sum(issued) from facts_queue_quarter";
    assert_eq!(centre.one::<i64>(sql), issued);
    let duplicates: i64 = centre.one("select sum(duplicates) from intake_cursor");
    println!(
        "{count} facts at the centre, {issued} tickets, {duplicates} items came twice and counted once"
    );
}
