//! Ours: the journal alone, in this process, and the real gateway through its MQTT door.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use zhiban_gateway::journal::{Door, Journal, Submission, migrate};
use zhiban_kernel::{Clock, Store};
use zhiban_tests::harness::stage::{Hall, device};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Running};

use super::load::{Client, Run, payload};

/// Reports handed in at once by one door.
const GROUP: usize = 100;
/// Doors that hand in at the same time.
const DOORS: usize = 50;

/// Reports through `Journal::submit`: parsed, judged, known again, written, committed.
pub(crate) async fn journal_alone(folder: &Path, events: usize) -> anyhow::Result<Run> {
    let folder = folder.join("journal");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let store = Store::open(&folder.join("hall.db"), migrate)?;
    let journal = Journal::open(store, Clock::new(None)).await?;
    let each = events / DOORS;
    let mut tasks = tokio::task::JoinSet::new();
    let mut prepared: Vec<Vec<Vec<Submission>>> = Vec::new();
    for door in 0..DOORS {
        let name = format!("tm-{door}");
        let submission = |seq: usize| Submission {
            door: Door::Mqtt,
            device: name.parse().expect("a device id"),
            kind: "ticket.issued".into(),
            payload: payload(&name, "j1", seq as u64).into(),
            topic: None,
            redelivery: None,
        };
        let all: Vec<_> = (1..=each).map(submission).collect();
        prepared.push(all.chunks(GROUP).map(<[Submission]>::to_vec).collect());
    }
    let started = Instant::now();
    for groups in prepared {
        let journal = journal.clone();
        tasks.spawn(async move {
            let mut answers = Vec::with_capacity(each);
            for group in groups {
                let (count, begun) = (group.len(), Instant::now());
                journal.submit(group).await?;
                answers.extend(std::iter::repeat_n(begun.elapsed(), count));
            }
            anyhow::Ok(answers)
        });
    }
    let mut run = Run::default();
    while let Some(done) = tasks.join_next().await {
        run.answers.extend(done??);
    }
    run.took = started.elapsed();
    run.events = run.answers.len();
    run.answers.sort_unstable();
    let kept = *journal.head().borrow();
    ensure!(
        kept == run.events as i64,
        "{kept} of {} reports were kept",
        run.events
    );
    Ok(run)
}

/// A running gateway with registered devices.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) running: Running,
    manager: Account,
    hall: Hall,
}

impl Gateway {
    pub(crate) async fn start(folder: &Path, devices: usize) -> Self {
        let names: Vec<_> = (1..=devices)
            .map(|nth| format!("tm-{nth} ticket-machine"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        debug_assert_eq!(device(names[0]).id.as_str(), "tm-1");
        let hall = Hall::prepare(folder, "bench-hall", &names, |_| ()).await;
        let (running, manager) = hall.open().await;
        Self {
            running,
            manager,
            hall,
        }
    }

    pub(crate) async fn clients(&self, boot: &str) -> anyhow::Result<Vec<Client>> {
        let address = self
            .running
            .addresses
            .mqtt
            .as_deref()
            .context("no MQTT door")?;
        let mut clients = Vec::new();
        for (nth, secret) in (1..).zip(&self.hall.secrets) {
            clients.push(Client::connect(address, &format!("tm-{nth}"), secret, boot).await?);
        }
        Ok(clients)
    }

    /// Id of the last report in the journal.
    pub(crate) async fn last_id(&self) -> anyhow::Result<i64> {
        let found: Value = self.manager.get("/api/v1/box").await?;
        found["journal"]["last_id"].as_i64().context("no last id")
    }

    /// How long until all followers stand at the end of the journal.
    pub(crate) async fn followers_level(&self) -> Duration {
        let started = Instant::now();
        until("followers keep up", Duration::from_secs(300), async || {
            let found: Value = self
                .manager
                .get("/api/v1/box")
                .await
                .map_err(|e| e.to_string())?;
            let lags: Vec<_> = found["followers"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|f| f["lag"].as_i64().unwrap_or(0))
                .collect();
            seen(lags.iter().all(|lag| *lag <= 0), format!("{lags:?}"))
        })
        .await;
        started.elapsed()
    }

    /// Resident memory in MiB.
    pub(crate) fn memory_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.addresses.pid));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|text| text.trim().split(' ').next()?.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }

    /// Processor time used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.addresses.pid));
        let stat = stat.unwrap_or_default();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        };
        // In hundredths of a second on every Linux.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }
}
