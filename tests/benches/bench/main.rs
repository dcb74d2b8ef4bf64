//! `make bench`: how fast reports become durable, beside what else this machine can do, and what
//! the gateway needs. Prints a table and keeps it in BENCHMARKS.md.
//!
//!     make bench ARGS=--quick       a fifth of the events, nothing is kept
//!     make bench ARGS=--disk        only what needs no network, nothing is kept

mod beside;
mod load;
mod ours;
mod paper;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use beside::Rows;
use load::{Run, pour, trickle};
use ours::Gateway;
use paper::{Figure, Paper};
use zhiban_tests::harness::peers::workspace;
use zhiban_tests::harness::programs;

const DEVICES: usize = 50;
const EVENTS: usize = 400_000;
/// Each figure is the middle one of three.
const ROUNDS: usize = 3;
const DISK_ROUNDS: usize = 5;
const FIXED_RATE: usize = 1_000;
const FIXED_S: usize = 15;
const SETTLE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(15);

fn main() -> anyhow::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let folder = workspace().join("target/bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    // One thread for the clients: the gateway needs the processor more.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if std::env::args().any(|argument| argument == "--disk") {
        return runtime.block_on(on_disk(&folder, EVENTS)).map(drop);
    }
    let paper = runtime.block_on(measure(&folder, if quick { EVENTS / 5 } else { EVENTS }))?;
    println!("\n{}", paper.text());
    if !quick {
        paper.keep(&workspace().join("BENCHMARKS.md"))?;
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}

/// What one round on the disk gave.
struct OnDisk {
    payloads: Run,
    ceiling: Run,
    journal: Run,
}

impl OnDisk {
    fn ratio(&self) -> f64 {
        self.journal.rate() / self.ceiling.rate()
    }
}

/// Bare SQLite and the journal beside it: of several rounds, because disks have moods, the one
/// with the middle ratio.
async fn on_disk(folder: &Path, events: usize) -> anyhow::Result<OnDisk> {
    let mut rounds = Vec::new();
    for _ in 0..DISK_ROUNDS {
        let payloads = beside::bare_sqlite(folder, events, Rows::Payload)?;
        let ceiling = beside::bare_sqlite(folder, events, Rows::AsJournal)?;
        let folder = folder.to_owned();
        // Submitting must not share the clients' thread.
        let work = tokio::task::spawn_blocking(move || in_two_threads(&folder, events));
        let round = OnDisk {
            payloads,
            ceiling,
            journal: work.await??,
        };
        println!(
            "bare SQLite: payloads {:.0}/s, rows {:.0}/s; journal {:.0}/s, {:.2} of the rows",
            round.payloads.rate(),
            round.ceiling.rate(),
            round.journal.rate(),
            round.ratio()
        );
        rounds.push(round);
    }
    rounds.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    Ok(rounds.swap_remove(DISK_ROUNDS / 2))
}

/// Runs `work` three times and gives the middle one by rate.
async fn middle(
    what: &str,
    mut work: impl AsyncFnMut(usize) -> anyhow::Result<Run>,
) -> anyhow::Result<Run> {
    let mut runs = Vec::new();
    for round in 0..ROUNDS {
        let run = work(round).await?;
        println!("{what}: {:.0}/s, p99 {:?}", run.rate(), run.answer(99));
        runs.push(run);
    }
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    Ok(runs.swap_remove(ROUNDS / 2))
}

async fn measure(folder: &Path, events: usize) -> anyhow::Result<Paper> {
    let OnDisk {
        payloads,
        ceiling,
        journal: alone,
    } = on_disk(folder, events).await?;
    let (other, other_fixed) = mosquitto(folder, events / DEVICES).await?;
    let ours = gateway(folder, events / DEVICES).await?;
    let mut paper = Paper::new();
    let figure = |what, run, of, target| Figure {
        what,
        run,
        of,
        target,
    };
    let half = alone.rate() >= 0.5 * ceiling.rate();
    let fast = ours.poured.rate() >= 10_000.0;
    let quick = ours.fixed.answer(99) <= Duration::from_millis(50);
    paper.rates(&[
        figure(
            "bare SQLite insert of the same rows, WAL, FULL, groups of 5,000, no checkpoint: the ceiling here",
            &ceiling,
            None,
            None,
        ),
        figure(
            "the same with payloads alone, which no journal could be made of",
            &payloads,
            Some(&ceiling),
            None,
        ),
        figure(
            "journal alone, 50 doors with 100 reports each",
            &alone,
            Some(&ceiling),
            Some(("≥ 0.5 × ceiling", half)),
        ),
        figure(
            "MQTT door, 50 devices QoS 1, 100 on their way each",
            &ours.poured,
            Some(&ceiling),
            Some(("≥ 10,000/s", fast)),
        ),
        figure(
            "mosquitto, same clients; nothing on disk at PUBACK",
            &other,
            Some(&ceiling),
            None,
        ),
        figure(
            "MQTT door at 1,000 events/s",
            &ours.fixed,
            None,
            Some(("p99 ≤ 50 ms", quick)),
        ),
        figure("mosquitto at 1,000 events/s", &other_fixed, None, None),
    ]);
    ours.needs(&mut paper);
    for program in ["zhiban-gateway", "zhiban-central"] {
        let size = std::fs::metadata(programs()?.join(program))?.len();
        let size = format!("{:.1} MiB", size as f64 / f64::from(1 << 20));
        paper.needs(&format!("size of {program}"), &size, None);
    }
    Ok(paper)
}

async fn mosquitto(folder: &Path, each: usize) -> anyhow::Result<(Run, Run)> {
    let mosquitto = beside::Mosquitto::start(folder).await?;
    let poured = middle("mosquitto", async |_| {
        let clients = mosquitto.clients(DEVICES).await?;
        Ok(pour(clients, each).await?.1)
    })
    .await?;
    let clients = mosquitto.clients(DEVICES).await?;
    Ok((poured, trickle(clients, FIXED_RATE, FIXED_S).await?.1))
}

/// What the gateway did and needed.
struct Ours {
    poured: Run,
    fixed: Run,
    /// Idle, at the fixed rate, after pouring.
    memory_mib: [f64; 3],
    /// Shares of one core: idle, at the fixed rate.
    cpu: [f64; 2],
    /// Until the followers had read all of a pour.
    level: Duration,
}

async fn gateway(folder: &Path, each: usize) -> anyhow::Result<Ours> {
    let mut gateway = Gateway::start(folder, DEVICES).await;
    let clients = gateway.clients("idle").await?;
    tokio::time::sleep(SETTLE).await;
    let wait = async || {
        tokio::time::sleep(IDLE).await;
        Ok(())
    };
    let ((), idle_cpu) = cpu_share(&gateway, wait).await?;
    let idle_mib = gateway.memory_mib();
    drop(clients);
    let clients = gateway.clients("fixed").await?;
    let at_fixed_rate = async || Ok(trickle(clients, FIXED_RATE, FIXED_S).await?.1);
    let (fixed, fixed_cpu) = cpu_share(&gateway, at_fixed_rate).await?;
    let fixed_mib = gateway.memory_mib();
    let mut level = Duration::ZERO;
    let poured = middle("MQTT door", async |round| {
        let clients = gateway.clients(&format!("pour-{round}")).await?;
        let before = gateway.last_id().await?;
        let (clients, run) = pour(clients, each).await?;
        let kept = gateway.last_id().await? - before;
        ensure!(
            kept == run.events as i64,
            "{kept} of {} reports were kept",
            run.events
        );
        level = level.max(gateway.followers_level().await);
        drop(clients);
        Ok(run)
    })
    .await?;
    let memory_mib = [idle_mib, fixed_mib, gateway.memory_mib()];
    gateway.running.stop().await?;
    Ok(Ours {
        poured,
        fixed,
        memory_mib,
        cpu: [idle_cpu, fixed_cpu],
        level,
    })
}

impl Ours {
    fn needs(&self, paper: &mut Paper) {
        let [idle, fixed, after] = self.memory_mib.map(|mib| format!("{mib:.1} MiB"));
        let small = Some(("≤ 64 MiB", self.memory_mib[0] <= 64.0));
        paper.needs("gateway memory, 50 devices connected, idle", &idle, small);
        paper.needs("gateway memory at 1,000 events/s", &fixed, None);
        paper.needs("gateway memory after pouring", &after, None);
        let [idle, fixed] = self
            .cpu
            .map(|share| format!("{:.1} % of one core", 100.0 * share));
        paper.needs("gateway processor, 50 devices connected, idle", &idle, None);
        paper.needs("gateway processor at 1,000 events/s", &fixed, None);
        let level = format!("{:.1} s", self.level.as_secs_f64());
        paper.needs("until followers are level after a pour", &level, None);
    }
}

fn in_two_threads(folder: &Path, events: usize) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(ours::journal_alone(folder, events))
}

/// Does `work` and gives the share of one core the gateway used meanwhile.
async fn cpu_share<T>(
    gateway: &Gateway,
    work: impl AsyncFnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, f64)> {
    let (before, started) = (gateway.cpu(), Instant::now());
    let done = work().await?;
    let used = gateway.cpu().saturating_sub(before);
    Ok((done, used.as_secs_f64() / started.elapsed().as_secs_f64()))
}
