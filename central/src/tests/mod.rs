//! A centre in a temporary directory, and halls that speak to it.

mod compared;
#[path = "../../../tests/src/harness/postgres.rs"]
#[expect(
    unreachable_pub,
    reason = "one file for these tests and for those of whole programs"
)]
pub(crate) mod postgres_server;
mod routed;
mod started;
mod waiting;
mod wired;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};
use zhiban_kernel::authority::digest;
use zhiban_kernel::{Clock, Database};
use zhiban_sync::seal::{Purpose, SigningKey};
use zhiban_vocabulary::envelope::{
    Answer, Batch, Claim, Claims, Envelope, Epoch, Lane, PROTOCOL, Upward,
};
use zhiban_vocabulary::{StoreId, topics};

use self::postgres_server::{Place, Server};
use crate::intake::Intake;
use crate::postgres::{Options, Postgres};
use crate::trust::{Member, Members};

/// Which make of database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Sqlite,
    Postgres,
}

/// Runs tests on both makes of database.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => { on_both!(@ tokio::test; $($test),*); };
    (threads: $($test:ident),* $(,)?) => {
        on_both!(@ tokio::test(flavor = "multi_thread", worker_threads = 2); $($test),*);
    };
    (@ $attribute:meta; $($test:ident),*) => {
        mod sqlite {
            $(#[$attribute] async fn $test() { super::$test($crate::tests::Make::Sqlite).await; })*
        }
        mod postgres {
            $(#[$attribute] async fn $test() { super::$test($crate::tests::Make::Postgres).await; })*
        }
    };
}
pub(crate) use on_both;

/// A directory that goes away with its test, and an empty database.
pub(crate) struct Folder {
    path: PathBuf,
    /// Of a test on PostgreSQL.
    pub(crate) place: Option<Place>,
}

impl Folder {
    pub(crate) fn on(make: Make) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhiban-central-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let place = match make {
            Make::Sqlite => None,
            Make::Postgres => Some(Server::shared().database()),
        };
        Self { path, place }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn store(&self) -> Database {
        match &self.place {
            None => crate::aggregator::open_store(&self.path).unwrap().into(),
            Some(place) => Database::new(postgres(place)),
        }
    }
}

/// Opens a database of a test's server.
pub(crate) fn postgres(place: &Place) -> Postgres {
    let config = zhiban_config::central::Database {
        url: place.url.clone(),
        password_file: Some(place.password_file.clone()),
        authority: None,
        allow_plaintext: false,
    };
    let options = Options::of(&config).unwrap();
    // Opening blocks, which the thread of an asynchronous test must not.
    let open = std::thread::spawn(move || Postgres::open(&options).unwrap());
    open.join().unwrap()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A clock that stands near `time` while a test runs.
pub(crate) fn clock_at(time: &str) -> Clock {
    Clock::new(Some(zhiban_config::ReplayClock {
        start: time.parse().unwrap(),
        at: Clock::real_now(),
        speed: 1,
    }))
}

/// The key of a hall of the tests: made from its id.
pub(crate) fn key_of(store: &StoreId) -> SigningKey {
    // PKCS #8 of an Ed25519 key is this and the seed.
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let seed = digest(store.as_str().as_bytes());
    SigningKey::from_pkcs8(&[&head[..], &seed].concat()).unwrap()
}

/// All halls of the tests.
pub(crate) fn members() -> Members {
    let members = Members::default();
    let names = ["wola", "mokotow", "ursus"].map(String::from);
    let numbered = (0..100).map(|n| format!("hall-{n}"));
    let row = |name: String| {
        let store: StoreId = name.parse().unwrap();
        let member = Member {
            key: key_of(&store).public(),
            store,
            until: Timestamp::MAX,
            used: true,
            revoked: false,
        };
        (digest(name.as_bytes()), member)
    };
    members.learn(names.into_iter().chain(numbered).map(row).collect());
    members
}

/// The hall's end of the line.
#[derive(Debug, Clone)]
pub(crate) struct TestHall {
    pub(crate) store: StoreId,
    pub(crate) epoch: u64,
    /// Where the epoch began.
    pub(crate) born: u64,
}

impl TestHall {
    pub(crate) fn new(store: &str) -> Self {
        Self {
            store: store.parse().unwrap(),
            epoch: 7,
            born: 0,
        }
    }

    pub(crate) fn key(&self) -> String {
        topics::up(&self.store)
    }

    /// What `bytes` are when this hall sends them.
    pub(crate) fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        key_of(&self.store).seal(Purpose::Up, &self.store, bytes)
    }

    /// A batch of `items` numbered from `first`, as it travels.
    pub(crate) fn batch(&self, first: u64, items: &[Value]) -> Vec<u8> {
        self.seal(self.text(first, items).as_bytes())
    }

    /// What the batch says.
    pub(crate) fn text(&self, first: u64, items: &[Value]) -> String {
        let envelope = |(seq, item): (u64, &Value)| Envelope {
            seq,
            body: serde_json::value::to_raw_value(item).unwrap(),
        };
        let batch = Upward::Batch(Batch {
            protocol: PROTOCOL,
            store: self.store.clone(),
            epoch: Epoch(self.epoch),
            lane: Lane::History,
            claims: Claims {
                live: Claim::default(),
                history: self.claim(),
            },
            envelopes: (first..).zip(items).map(envelope).collect(),
        });
        serde_json::to_string(&batch).unwrap()
    }

    fn claim(&self) -> Claim {
        Claim {
            born: self.born,
            ..Claim::default()
        }
    }

    pub(crate) fn beat(&self, number: u64, at: &str, waiting: u32) -> Vec<u8> {
        let claim = self.claim();
        let beat = json!({"heartbeat": {
            "protocol": PROTOCOL, "store": self.store, "epoch": self.epoch, "number": number,
            "claims": {"live": claim, "history": claim}, "at": at,
            "version": "0.1.0", "backlog": 3,
            "live": {"waiting": waiting, "in_hall": 9, "open_counters": 2},
        }});
        self.seal(&serde_json::to_vec(&beat).unwrap())
    }

    pub(crate) async fn send(&self, intake: &Intake, first: u64, items: &[Value]) -> u64 {
        let answer = intake.receive(&self.key(), self.batch(first, items)).await;
        committed(&answer.unwrap())
    }
}

pub(crate) fn committed(answer: &Answer) -> u64 {
    match answer {
        Answer::Committed { committed, .. } => committed.history,
        other => panic!("{other:?}"),
    }
}

/// Open from 08:00 to 17:00 in Warsaw: 36 quarter hours.
pub(crate) fn profile(name: &str, grade: &str) -> Value {
    json!({
        "item": "profile", "name": name, "city": "Warszawa", "grade": grade,
        "time_zone": "Europe/Warsaw", "opens": "08:00:00", "closes": "17:00:00",
        "queues": [["A", "登记"], ["B", "缴费"]],
    })
}

pub(crate) fn hall_quarter(day: &str, slot: &str) -> Value {
    json!({"item": "fact", "version": 1, "day": day, "fact": "hall-quarter", "slot": slot})
}

pub(crate) fn queue_quarter(day: &str, slot: &str, version: u32, issued: u32) -> Value {
    json!({
        "item": "fact", "version": version, "day": day, "fact": "queue-quarter", "slot": slot,
        "queue": "A", "class": "ordinary", "issued": issued, "called": issued,
        "started": issued, "finished": issued, "no_show": 1,
        "waiting": {"sum_s": 100 * issued, "buckets": [[8, issued]]},
        "handling": {"sum_s": 300 * issued, "buckets": [[18, issued]]},
        "ratings": [0, 0, 0, 1, 1],
    })
}

/// The quarter hours of a Warsaw winter day from opening, as times.
pub(crate) fn slots(day: &str, count: usize) -> Vec<String> {
    let opening: Timestamp = format!("{day}T07:00:00Z").parse().unwrap();
    let slot = |n: usize| {
        let seconds = i64::try_from(n).unwrap() * 900;
        Timestamp::from_second(opening.as_second() + seconds).unwrap()
    };
    (0..count).map(|n| slot(n).to_string()).collect()
}

/// A port nobody listens on.
pub(crate) fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}
