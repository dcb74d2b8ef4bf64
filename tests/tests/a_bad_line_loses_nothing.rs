//! A line as the last kilometre has it: 256 kbit/s, silent for seconds, cut in the middle of a
//! message, not there at all. The centre gets each fact once, and the hall sends little more than
//! over a good line.
//!
//! `ZHIBAN_FACTS` (20,000) and `ZHIBAN_SEED` (random) may be set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::facts::{ISSUED, pile_up};
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, free_port};

/// 256 kbit/s
const BYTES_PER_S: u32 = 32_000;
const PIECE: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(240);
/// Bytes of the bad line for each byte of the good one.
const MORE_MAX: f64 = 1.5;

fn from_env(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing passes, nothing is closed.
    Silent,
    /// Everything is closed, nothing is let in.
    Cut,
}

/// A way to the door of the centre.
struct Line {
    address: String,
    /// Bytes from hall to centre.
    up: Arc<AtomicU64>,
    weather: watch::Sender<Weather>,
}

impl Line {
    async fn open(door: &str, is_slow: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (weather, seen) = watch::channel(Weather::Fair);
        let up = Arc::<AtomicU64>::default();
        let (door, counted) = (door.to_owned(), Arc::clone(&up));
        tokio::spawn(async move {
            while let Ok((hall, _)) = listener.accept().await {
                let Ok(centre) = TcpStream::connect(&door).await else {
                    continue;
                };
                let (from_hall, to_hall) = hall.into_split();
                let (from_centre, to_centre) = centre.into_split();
                let (counted, seen) = (Arc::clone(&counted), seen.clone());
                tokio::spawn(async move {
                    let upward = pass(from_hall, to_centre, is_slow, seen.clone(), Some(&counted));
                    let downward = pass(from_centre, to_hall, is_slow, seen, None);
                    tokio::select! { () = upward => {}, () = downward => {} }
                });
            }
        });
        Self {
            address,
            up,
            weather,
        }
    }

    /// Bad weather until the task is aborted; counts the cuts.
    fn storm(&self, seed: u64, cuts: Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
        let weather = self.weather.clone();
        tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed);
            loop {
                weather.send_replace(Weather::Fair);
                sleep(Duration::from_millis(rng.random_range(1_000..6_000))).await;
                let bad = if rng.random_bool(0.5) {
                    Weather::Silent
                } else {
                    Weather::Cut
                };
                cuts.fetch_add(u64::from(bad == Weather::Cut), Ordering::Relaxed);
                weather.send_replace(bad);
                sleep(Duration::from_millis(rng.random_range(200..3_000))).await;
            }
        })
    }
}

/// Passes bytes on in one direction until either end closes or the line is cut.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_slow: bool,
    mut weather: watch::Receiver<Weather>,
    count: Option<&AtomicU64>,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            _ = weather.wait_for(|now| *now == Weather::Cut) => return,
        };
        let Ok(length @ 1..) = read else { return };
        if let Some(count) = count {
            count.fetch_add(length as u64, Ordering::Relaxed);
        }
        if is_slow {
            let bytes = u32::try_from(length).unwrap_or(u32::MAX);
            sleep(Duration::from_secs(1) * bytes / BYTES_PER_S).await;
        }
        let Ok(now) = weather
            .wait_for(|now| *now != Weather::Silent)
            .await
            .map(|now| *now)
        else {
            return;
        };
        // What was under way is lost with the line.
        if now == Weather::Cut || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

async fn level(manager: &Account) -> Result<(), String> {
    let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
    let floor = floor.map_err(|error| error.to_string())?;
    let uplink = &floor["freshness"]["uplink"];
    seen(uplink["backlog"] == 0, uplink.to_string())
}

/// Lets a hall in over `line` and sends its facts; gives the bytes it took.
async fn drain(
    folder: &Folder,
    centre: &Centre,
    line: &Line,
    store: &str,
    facts: usize,
    storm: Option<u64>,
) -> u64 {
    let hall = Hall::prepare(folder.path(), store, &[], |config| {
        config["web"]["listen"] = format!("127.0.0.1:{}", free_port().unwrap()).into();
        let uplink = toml::toml! { heartbeat_s = 5 };
        config.insert("uplink".into(), uplink.into());
    })
    .await;
    let made: Value = centre
        .operator
        .post(
            &format!("/api/v1/trust/{store}/code"),
            &serde_json::json!({}),
        )
        .await
        .unwrap();
    let file = hall.program.config.display().to_string();
    let arguments = ["enrol", "--config", &file, "--centre", &line.address];
    let code = made["code"].as_str().unwrap().as_bytes().to_vec();
    hall.program.command(&arguments, code).await.unwrap();
    let (mut running, manager) = hall.open().await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    pile_up(&hall.program.data, facts);
    let (before, started) = (line.up.load(Ordering::Relaxed), Instant::now());
    let cuts = Arc::<AtomicU64>::default();
    let storm = storm.map(|seed| line.storm(seed, Arc::clone(&cuts)));
    running = hall.start().await;
    until("everything is sent", PATIENCE, async || {
        level(&manager).await
    })
    .await;
    let bytes = line.up.load(Ordering::Relaxed) - before;
    println!(
        "{store}: {bytes} bytes in {:?}, cut {} times",
        started.elapsed(),
        cuts.load(Ordering::Relaxed)
    );
    if let Some(storm) = storm {
        assert!(cuts.load(Ordering::Relaxed) > 0, "the line was never cut");
        storm.abort();
        line.weather.send_replace(Weather::Fair);
    }
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fact_arrives_once_and_little_is_sent_twice() {
    let facts = usize::try_from(from_env("ZHIBAN_FACTS", 20_000)).unwrap();
    let seed = from_env("ZHIBAN_SEED", rand::rng().random());
    println!("{facts} facts, ZHIBAN_SEED={seed}");
    let folder = Folder::new("badline");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    let good = Line::open(&door, false).await;
    let ideal = drain(&folder, &centre, &good, "good-line", facts, None).await;
    let bad = Line::open(&door, true).await;
    let sent = drain(&folder, &centre, &bad, "bad-line", facts, Some(seed)).await;
    let more = sent as f64 / ideal as f64;
    println!("n = {facts} facts: {more:.2} times the bytes of a good line");
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
    let kept = Copied::of(&centre.running.program.data, "central.db");
    assert_eq!(kept.integrity(), "ok");
    for store in ["good-line", "bad-line"] {
        let count = |what: &str| {
            let sql = format!("select {what} from facts_queue_quarter where store = '{store}'");
            usize::try_from(kept.one::<i64>(&sql)).unwrap()
        };
        assert_eq!(count("count(*)"), facts, "{store}");
        assert_eq!(count("sum(issued)"), ISSUED * facts, "{store}");
    }
    assert!(more <= MORE_MAX, "{sent} bytes in place of {ideal}");
}
