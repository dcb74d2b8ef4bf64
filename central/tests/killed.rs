//! The program, killed again and again while a hall sends: what it acknowledged is there, and
//! everything is there once. `ZHIBAN_KILLS` (5) may be set.

mod halls;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use zhiban_central::intake::links;
use zhiban_vocabulary::envelope::{Answer, Batch, Claims, Envelope, Epoch, Lane, PROTOCOL, Upward};
use zhiban_vocabulary::topics;

use halls::{key, sealed};

const BATCH_ITEMS: u64 = 10;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

struct Centre {
    folder: PathBuf,
    endpoint: String,
    program: Child,
}

impl Centre {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("zhiban-killed-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp/{}", socket.local_addr().unwrap());
        drop(socket);
        let data = folder.join("data");
        let config = format!(
            "[centre]\nname = \"x\"\ntime_zone = \"Europe/Warsaw\"\ndata = {data:?}\n\
             [web]\nlisten = \"127.0.0.1:0\"\n[door]\nlisten = \"127.0.0.1:0\"\n[zenoh]\nlisten = {endpoint:?}\n"
        );
        std::fs::write(folder.join("central.toml"), config).unwrap();
        let program = run(&folder);
        Self {
            folder,
            endpoint,
            program,
        }
    }

    /// As a power cut, but for the disk.
    fn kill_and_start_again(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
        self.program = run(&self.folder);
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn run(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_zhiban-central"))
        .arg("run")
        .arg(folder.join("central.toml"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn batch(first: u64) -> Vec<u8> {
    let body = |seq: u64| {
        json!({"item": "fact", "fact": "queue-quarter", "version": seq, "day": "2020-01-02",
            "slot": "2020-01-02T08:00:00Z", "queue": "A", "class": "ordinary", "issued": seq})
    };
    let envelope = |seq| Envelope {
        seq,
        body: serde_json::value::to_raw_value(&body(seq)).unwrap(),
    };
    let batch = Upward::Batch(Batch {
        protocol: PROTOCOL,
        store: "wola".parse().unwrap(),
        epoch: Epoch(7),
        lane: Lane::History,
        claims: Claims::default(),
        envelopes: (first..first + BATCH_ITEMS).map(envelope).collect(),
    });
    let store = "wola".parse().unwrap();
    sealed(&store, &serde_json::to_vec(&batch).unwrap())
}

/// Makes the hall a member behind the centre's back, as a process beside it would. It looks every
/// five seconds.
fn let_in(folder: &Path) {
    let until = Instant::now() + Duration::from_secs(30);
    let sql = "insert into trust_certificate
        (digest, store, public_key, issued_ms, until_ms, changed_ms)
        values (x'00000000000000000000000000000000000000000000000000000000000000ff', 'wola', ?1, 0,
                ?2, ?2)";
    let far = 4_102_444_800_000_i64;
    loop {
        let inserted = rusqlite::Connection::open(folder.join("data/central.db"))
            .and_then(|database| database.execute(sql, (&key().public()[..], far)));
        match inserted {
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What the sender and who kills tell each other.
#[derive(Default)]
struct Ledger {
    /// The highest number the centre acknowledged.
    acknowledged: AtomicU64,
    enough: AtomicBool,
}

/// Sends until there is enough, or until nobody answers.
fn send(endpoint: &str, ledger: &Ledger) {
    let Ok(session) = links::open_client(endpoint) else {
        std::thread::sleep(Duration::from_millis(50));
        return;
    };
    let key = topics::up(&"wola".parse().unwrap());
    while !ledger.enough.load(Relaxed) {
        let acknowledged = ledger.acknowledged.load(Relaxed);
        let reply = links::ask(&session, &key, batch(acknowledged + 1), ANSWER_TIME_MAX);
        let Ok(Some(reply)) = reply else { break };
        let committed = match serde_json::from_slice(&reply).unwrap() {
            Answer::Committed { committed, .. } => committed,
            // Not known yet.
            other if acknowledged == 0 => {
                std::thread::sleep(Duration::from_millis(100));
                eprintln!("{other:?}");
                continue;
            }
            other => panic!("{other:?}"),
        };
        assert!(committed.history >= acknowledged, "the cursor went back");
        ledger.acknowledged.store(committed.history, Relaxed);
    }
    links::close(&session);
}

/// How long after `started` the centre acknowledges again.
fn acknowledges_again(ledger: &Ledger, sender: &JoinHandle<()>, started: Instant) -> Duration {
    let before = ledger.acknowledged.load(Relaxed);
    while ledger.acknowledged.load(Relaxed) == before {
        assert!(!sender.is_finished(), "the sender broke off");
        assert!(
            started.elapsed() < PATIENCE,
            "nothing is acknowledged any more"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}

#[test]
fn what_was_acknowledged_is_there_once_however_often_the_centre_is_killed() {
    let kills = std::env::var("ZHIBAN_KILLS").ok();
    let kills: u64 = kills.and_then(|text| text.parse().ok()).unwrap_or(5);
    let mut centre = Centre::start();
    let_in(&centre.folder);
    let ledger = Arc::new(Ledger::default());
    let (endpoint, shared) = (centre.endpoint.clone(), Arc::clone(&ledger));
    let sender = std::thread::spawn(move || {
        while !shared.enough.load(Relaxed) {
            send(&endpoint, &shared);
        }
    });
    acknowledges_again(&ledger, &sender, Instant::now());
    let mut ready = Vec::new();
    for kill in 0..kills {
        // Not in step with anything, and always while it is sent.
        std::thread::sleep(Duration::from_millis(kill * 137 % 1_000));
        centre.kill_and_start_again();
        ready.push(acknowledges_again(&ledger, &sender, Instant::now()));
    }
    ledger.enough.store(true, Relaxed);
    sender.join().unwrap();
    let acknowledged = ledger.acknowledged.load(Relaxed);
    centre.program.kill().unwrap();
    centre.program.wait().unwrap();
    judge(&centre.folder, acknowledged);
    ready.sort();
    let at = |percent: usize| ready[(ready.len() - 1) * percent / 100];
    println!("n = {kills} kills: {acknowledged} acknowledged");
    println!(
        "ready again p50 {:?}, p95 {:?}, max {:?}",
        at(50),
        at(95),
        at(100)
    );
}

/// Everything acknowledged had its effect, and had it once.
fn judge(folder: &Path, acknowledged: u64) {
    let database = rusqlite::Connection::open(folder.join("data/central.db")).unwrap();
    let number = |sql: &str| {
        database
            .query_row(sql, [], |row| row.get::<_, u64>(0))
            .unwrap()
    };
    let committed = number("select committed from intake_cursor");
    assert!(
        committed >= acknowledged,
        "{committed} of {acknowledged} acknowledged"
    );
    assert_eq!(number("select items from intake_cursor"), committed);
    // Every effect is counted in its transaction, so a second one would show here.
    let kept = number("select count(*) from intake_item");
    assert_eq!(kept, committed.min(zhiban_sync::intake::ITEMS_KEPT));
    assert_eq!(number("select issued from facts_queue_quarter"), committed);
    assert_eq!(number("select issued from facts_hall_day"), committed);
}
