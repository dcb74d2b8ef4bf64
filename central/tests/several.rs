//! Two intakes on one PostgreSQL behind two routers, `zenohd` as its makers publish it, all as
//! programs, and six halls that send. An intake is killed, then a router, then the database: what
//! was acknowledged is there, and everything is there once.

mod halls;
#[path = "../../tests/src/harness/postgres.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "one file for all tests with a server"
)]
mod postgres;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use halls::{key, sealed};
use postgres::{Place, Server, name_of};
use serde_json::json;
use zenoh::Wait as _;
use zhiban_central::intake::links;
use zhiban_vocabulary::envelope::{Answer, Batch, Claims, Envelope, Epoch, Lane, PROTOCOL, Upward};
use zhiban_vocabulary::topics;

const HALLS: usize = 6;
const BATCH_ITEMS: u64 = 10;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// Time between two events of the test.
const WHILE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

/// What doors pass on comes by loopback; intakes and routers by an address of their own, which is no
/// address of the interface `lo`.
const DOORS: &str = "127.0.0.1";
const PRIVATE: &str = "127.0.0.2";

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// A program that is killed when dropped.
struct Program {
    command: Command,
    child: Child,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        Self { command, child }
    }

    /// As a power cut, but for the disk.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = self.command.spawn().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints what a program says to a file of the test.
fn say_to(command: &mut Command, file: &Path) {
    let log = std::fs::File::create(file).unwrap();
    let more = log.try_clone().unwrap();
    command.stdin(Stdio::null()).stdout(log).stderr(more);
}

fn router(folder: &Path, port: u16, other: u16) -> Program {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let peers = std::env::var_os("ZHIBAN_PEERS").map(PathBuf::from);
    let peers = peers.unwrap_or_else(|| top.join("target/peers"));
    let program = peers.join("zenohd/bin/zenohd");
    let shown = program.display();
    assert!(
        program.is_file(),
        "{shown} is missing: run deploy/setup/peers.sh"
    );
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(top.join("deploy/fleet/zenohd.json5"))
        .args(["--listen", &format!("tcp/{DOORS}:{port}")])
        .args(["--listen", &format!("tcp/{PRIVATE}:{port}")])
        .args([
            "--connect",
            &format!("tcp/{PRIVATE}:{other}#bind={PRIVATE}:0"),
        ])
        .args(["--adminspace-permissions", "none"]);
    say_to(&mut command, &folder.join(format!("router-{port}.log")));
    Program::start(command)
}

fn intake(folder: &Path, name: &str, place: &Place, router: u16) -> Program {
    let data = folder.join(name);
    let config = format!(
        "[centre]\nname = \"x\"\ntime_zone = \"Europe/Warsaw\"\ndata = {data:?}\npages = false\n\
         [web]\nlisten = \"127.0.0.1:0\"\n[door]\nlisten = \"127.0.0.1:0\"\n\
         [zenoh]\nrouters = [\"tcp/{PRIVATE}:{router}\"]\n{}",
        place.config()
    );
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhiban-central"));
    command.arg("run").arg(file);
    say_to(&mut command, &folder.join(format!("{name}.log")));
    Program::start(command)
}

/// What an intake answers to a request for a page.
fn page(folder: &Path, name: &str, path: &str) -> Option<String> {
    let run = std::fs::read(folder.join(name).join("run.json")).ok()?;
    let run: serde_json::Value = serde_json::from_slice(&run).ok()?;
    let mut stream = TcpStream::connect(run["web"].as_str()?).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Items an intake has taken since it was started.
fn taken(folder: &Path, name: &str) -> u64 {
    let text = page(folder, name, "/metrics").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("zhiban_intake_items_total "));
    line.map_or(0, |number| number.parse().unwrap())
}

fn batch(store: &str, first: u64) -> Vec<u8> {
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
        store: store.parse().unwrap(),
        epoch: Epoch(7),
        lane: Lane::History,
        claims: Claims::default(),
        envelopes: (first..first + BATCH_ITEMS).map(envelope).collect(),
    });
    sealed(
        &store.parse().unwrap(),
        &serde_json::to_vec(&batch).unwrap(),
    )
}

/// What one hall went through.
#[derive(Debug, Default)]
struct Ledger {
    acknowledged: u64,
    unanswered: u64,
    /// Longest time without an acknowledgement.
    silence: Duration,
}

/// A hall that sends as fast as it is answered, to the first router it reaches.
fn hall(store: &str, routers: &[String], stop: &AtomicBool) -> Ledger {
    let mut ledger = Ledger::default();
    let mut last = Instant::now();
    let key = topics::up(&store.parse().unwrap());
    while !stop.load(Ordering::Relaxed) {
        let Some(session) = routers
            .iter()
            .find_map(|router| links::open_client(router).ok())
        else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            let next = batch(store, ledger.acknowledged + 1);
            let reply = links::ask(&session, &key, next, ANSWER_TIME_MAX);
            let Ok(Some(reply)) = reply else {
                ledger.unanswered += 1;
                break;
            };
            let Ok(Answer::Committed { committed, .. }) = serde_json::from_slice(&reply) else {
                // Intakes look every few seconds who was let in elsewhere.
                let text = String::from_utf8_lossy(&reply);
                assert_eq!(ledger.acknowledged, 0, "refused: {text}");
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            assert!(
                committed.history >= ledger.acknowledged,
                "the cursor went back"
            );
            ledger.acknowledged = committed.history;
            ledger.silence = ledger.silence.max(last.elapsed());
            last = Instant::now();
        }
        links::close(&session);
    }
    ledger
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Makes all halls members, as the centre with pages would.
fn let_in(server: &Server, place: &Place) {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let (key, far) = (hex(&key().public()), 4_102_444_800_000_i64);
    let row = |nth: usize| format!("('\\x{nth:064x}', 'hall-{nth}', '\\x{key}', 0, {far}, {far})");
    let rows: Vec<String> = (0..HALLS).map(row).collect();
    let columns = "digest, store, public_key, issued_ms, until_ms, changed_ms";
    let sql = format!(
        "insert into trust_certificate ({columns}) values {}",
        rows.join(", ")
    );
    server.psql(name_of(place), &sql).unwrap();
}

/// A member that would be the centre to all others. Gives how often it was asked, or heard anything.
struct Hostile {
    heard: Arc<AtomicU32>,
    sessions: Vec<zenoh::Session>,
}

impl Hostile {
    fn behind(routers: [u16; 2]) -> Self {
        let heard = Arc::new(AtomicU32::new(0));
        let sessions = routers.map(|port| {
            let session = links::open_client(&format!("tcp/{DOORS}:{port}")).unwrap();
            let (asked, overheard) = (Arc::clone(&heard), Arc::clone(&heard));
            let lie = move |query: zenoh::query::Query| {
                asked.fetch_add(1, Ordering::Relaxed);
                let _ = query.reply(query.key_expr().clone(), "lies").wait();
            };
            let declared = session.declare_queryable("zhiban/1/up/**").complete(true);
            declared.callback(lie).background().wait().unwrap();
            let overhear = move |_| {
                overheard.fetch_add(1, Ordering::Relaxed);
            };
            let declared = session.declare_subscriber("**").callback(overhear);
            declared.background().wait().unwrap();
            session
        });
        Self {
            heard,
            sessions: sessions.into(),
        }
    }

    /// Whether it is still there, and what it heard.
    fn end(self) -> u32 {
        self.sessions.iter().for_each(links::close);
        self.heard.load(Ordering::Relaxed)
    }
}

/// Stops the halls also where the test fails.
struct Ends<'s>(&'s AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn healthy(folder: &Path, name: &str) -> bool {
    page(folder, name, "/health").is_some_and(|text| text.starts_with("HTTP/1.0 200"))
}

fn are_up(folder: &Path) {
    until("both intakes are healthy", || {
        healthy(folder, "one") && healthy(folder, "two")
    });
    let denied = page(folder, "one", "/api/v1/session").unwrap();
    assert!(
        denied.starts_with("HTTP/1.0 404"),
        "an intake has no pages: {denied}"
    );
}

#[test]
fn two_intakes_behind_two_routers_take_everything_in_once_whichever_is_killed() {
    let mut server = Server::start();
    let place = server.database();
    let folder = std::env::temp_dir().join(format!("zhiban-several-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ports = [free_port(), free_port()];
    let mut routers = [
        router(&folder, ports[0], ports[1]),
        router(&folder, ports[1], ports[0]),
    ];
    let mut intakes = [
        intake(&folder, "one", &place, ports[0]),
        intake(&folder, "two", &place, ports[1]),
    ];
    are_up(&folder);
    let_in(&server, &place);
    let hostile = Hostile::behind(ports);
    let stop = AtomicBool::new(false);
    let (ledgers, shares) = std::thread::scope(|scope| {
        // What fails below must not wait for halls that send for ever.
        let _ends = Ends(&stop);
        let halls: Vec<_> = (0..HALLS)
            .map(|nth| {
                // One half begins with one router, one with the other.
                let near = ports[nth % 2];
                let far = ports[1 - nth % 2];
                let list = [near, far].map(|port| format!("tcp/{DOORS}:{port}"));
                let stop = &stop;
                scope.spawn(move || hall(&format!("hall-{nth}"), &list, stop))
            })
            .collect();
        until("both intakes know the halls", || {
            taken(&folder, "one") > 0 && taken(&folder, "two") > 0
        });
        std::thread::sleep(WHILE);
        // A router that is killed loses it.
        assert_eq!(hostile.end(), 0, "a member was asked in the centre's place");
        let shares = [taken(&folder, "one"), taken(&folder, "two")];
        intakes[0].kill();
        std::thread::sleep(WHILE);
        intakes[0].start_again();
        until("the intake is back", || healthy(&folder, "one"));
        std::thread::sleep(WHILE);
        routers[1].kill();
        std::thread::sleep(WHILE);
        routers[1].start_again();
        std::thread::sleep(WHILE);
        server.kill();
        server.run();
        until("all goes on", || {
            healthy(&folder, "one") && healthy(&folder, "two")
        });
        std::thread::sleep(WHILE);
        stop.store(true, Ordering::Relaxed);
        let ledgers: Vec<_> = halls.into_iter().map(|hall| hall.join().unwrap()).collect();
        (ledgers, shares)
    });
    println!("items taken before anything was killed: {shares:?}");
    println!("{ledgers:#?}");
    assert!(
        shares.iter().all(|share| *share > 0),
        "one did all the work: {shares:?}"
    );
    check(&server, &place, &ledgers);
    drop((intakes, routers));
    let _ = std::fs::remove_dir_all(folder);
}

/// Every acknowledged item is there, and no item had an effect twice.
fn check(server: &Server, place: &Place, ledgers: &[Ledger]) {
    let rows = server
        .psql(
            name_of(place),
            "select c.store, c.committed, c.items, q.issued, d.issued
             from intake_cursor c
             join facts_queue_quarter q on q.store = c.store
             join facts_hall_day d on d.store = c.store",
        )
        .unwrap();
    let rows: BTreeMap<&str, Vec<u64>> = rows
        .lines()
        .map(|line| {
            let (store, numbers) = line.split_once('|').unwrap();
            (
                store,
                numbers.split('|').map(|n| n.parse().unwrap()).collect(),
            )
        })
        .collect();
    for (nth, ledger) in ledgers.iter().enumerate() {
        let [committed, items, fact, day] = rows[format!("hall-{nth}").as_str()][..] else {
            panic!("{rows:?}");
        };
        assert!(
            committed >= ledger.acknowledged,
            "hall {nth}: {committed} of {ledger:?}"
        );
        assert!(
            committed <= ledger.acknowledged + BATCH_ITEMS,
            "hall {nth}: {committed} {ledger:?}"
        );
        // Every effect is counted in its transaction, so a second one would show here.
        assert_eq!([items, fact, day], [committed; 3], "hall {nth}");
        assert!(
            ledger.acknowledged > 100,
            "hall {nth} was hardly heard: {ledger:?}"
        );
        assert!(
            ledger.silence < PATIENCE / 2,
            "hall {nth} waited for {:?}",
            ledger.silence
        );
    }
    let unanswered: u64 = ledgers.iter().map(|ledger| ledger.unanswered).sum();
    assert!(unanswered > 0, "nothing was ever in the way");
}
