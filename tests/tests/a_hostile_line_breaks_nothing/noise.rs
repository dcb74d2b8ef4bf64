//! The three kinds of noise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use zhiban_central::intake::links;
use zhiban_gateway::federation::Member;
use zhiban_sync::seal::Purpose;
use zhiban_sync::wire::pack;
use zhiban_vocabulary::envelope::Answer;
use zhiban_vocabulary::topics;

use super::wire::{client_hello, line, pipe, spoil, spoil_session};

/// Spoilt frames of one session at most.
const SESSION_FRAMES: u64 = 256;
/// The router is slow to say nothing.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
const ASK_TIME_MAX: Duration = Duration::from_millis(30);
/// Addresses strangers come from: one alone is soon turned away.
const ADDRESSES: u64 = 200;

/// Handshakes that make no sense.
pub(crate) async fn strangers(door: &str, count: u64, seed: u64) -> u64 {
    let hello = client_hello().await;
    let door: SocketAddr = door.parse().unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    for nth in 0..count {
        let spoilt = spoil(&hello, &mut rng);
        let socket = TcpSocket::new_v4().unwrap();
        let last = u8::try_from(1 + nth % ADDRESSES).unwrap();
        socket
            .bind(SocketAddr::from(([127, 9, 9, last], 0)))
            .unwrap();
        let mut stream = socket.connect(door).await.unwrap();
        // The centre may have seen enough before all of it is written.
        let _ = stream.write_all(&spoilt).await;
        if nth % 16 == 0 {
            let mut answer = Vec::new();
            let reading = stream.read_to_end(&mut answer);
            let _ = tokio::time::timeout(Duration::from_millis(20), reading).await;
        }
    }
    count
}

/// Frames of zenoh that make no sense, after a handshake that does.
pub(crate) fn frames(
    runtime: &Handle,
    door: &str,
    member: &Arc<Member>,
    count: u64,
    seed: u64,
) -> u64 {
    let (mut sent, mut session) = (0, 0);
    let key = topics::up(&member.store);
    while sent < count {
        session += 1;
        let rng = StdRng::seed_from_u64(seed ^ session);
        let opened = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let line = line(door, member).await.ok()?;
            let spoiling = spoil_session(listener, line, rng, SESSION_FRAMES);
            Some((address, tokio::spawn(spoiling)))
        });
        let Some((address, spoiling)) = opened else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if let Ok(client) = links::open_client(&format!("tcp/{address}")) {
            let message = member.key.seal(Purpose::Up, &member.store, &pack(b"{}"));
            let _ = links::ask(&client, &key, message, ASK_TIME_MAX);
            links::close(&client);
        }
        let counted = runtime.block_on(tokio::time::timeout(Duration::from_secs(10), spoiling));
        sent += counted.map_or(0, |counted| counted.unwrap_or(0)).max(1);
    }
    sent
}

/// What became of signed messages.
#[derive(Debug, Default)]
pub(crate) struct Signed {
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    /// A batch that lost its rows and kept its sense.
    pub(crate) empty: u64,
    pub(crate) unanswered: u64,
}

/// Messages that make no sense, half of them with a good signature.
pub(crate) fn messages(
    runtime: &Handle,
    door: &str,
    member: &Arc<Member>,
    count: u64,
    seed: u64,
) -> Signed {
    let (address, pipe) = runtime.block_on(pipe(door.to_owned(), Arc::clone(member)));
    let endpoint = format!("tcp/{address}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut signed = Signed::default();
    let mut client = None;
    while signed.sent < count {
        let session = match client.take() {
            Some(session) => session,
            None => match links::open_client(&endpoint) {
                Ok(session) => session,
                Err(_) => {
                    std::thread::sleep(Duration::from_millis(50));
                    continue;
                }
            },
        };
        let (key, message) = message(member, &mut rng);
        signed.sent += 1;
        match links::ask(&session, &key, message, ANSWER_TIME_MAX) {
            Ok(Some(answer)) => signed.note(&answer),
            Ok(None) | Err(_) => signed.unanswered += 1,
        }
        if session.is_closed() {
            continue;
        }
        client = Some(session);
    }
    if let Some(session) = client {
        links::close(&session);
    }
    pipe.abort();
    signed
}

impl Signed {
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            refused: self.refused + other.refused,
            empty: self.empty + other.empty,
            unanswered: self.unanswered + other.unanswered,
        }
    }

    fn note(&mut self, answer: &[u8]) {
        match serde_json::from_slice(answer) {
            Ok(Answer::Refused { .. } | Answer::Busy { .. } | Answer::Estranged { .. }) => {
                self.refused += 1;
            }
            Ok(Answer::Committed { .. } | Answer::Noted) => self.empty += 1,
            Err(_) => self.unanswered += 1,
        }
    }
}

fn message(member: &Member, rng: &mut StdRng) -> (String, Vec<u8>) {
    let store = if rng.random_bool(0.1) {
        "good-hall"
    } else {
        member.store.as_str()
    };
    let named = store.parse().unwrap();
    let key = topics::up(&named);
    let text = sense(store).to_string();
    let message = match rng.random_range(0..4) {
        // Signed well, and of no sense: as text, as packed bytes, in one of its values.
        0 => member
            .key
            .seal(Purpose::Up, &named, &spoil(text.as_bytes(), rng)),
        1 => member
            .key
            .seal(Purpose::Up, &named, &spoil(&pack(text.as_bytes()), rng)),
        2 => {
            let mut value = sense(store);
            spoil_value(&mut value, rng);
            member
                .key
                .seal(Purpose::Up, &named, &pack(value.to_string().as_bytes()))
        }
        // Changed after it was signed.
        _ => spoil(
            &member.key.seal(Purpose::Up, &named, &pack(text.as_bytes())),
            rng,
        ),
    };
    (key, message)
}

/// A batch the centre would refuse for its numbers alone, so that none that survives is taken.
fn sense(store: &str) -> Value {
    json!({"batch": {"protocol": 1, "store": store, "epoch": 7, "lane": "history",
        "claims": {"live": {"born": 0, "settled": 0}, "history": {"born": 0, "settled": 0}},
        "envelopes": [{"seq": 2, "body": {"item": "profile"}}, {"seq": 1, "body": {"item": "fact"}}]}})
}

/// Puts something else in the place of one value, wherever it is.
fn spoil_value(value: &mut Value, rng: &mut StdRng) {
    match value {
        Value::Object(fields) if !fields.is_empty() && rng.random_bool(0.8) => {
            let nth = rng.random_range(0..fields.len());
            if let Some(inner) = fields.values_mut().nth(nth) {
                spoil_value(inner, rng);
            }
        }
        Value::Array(items) if !items.is_empty() && rng.random_bool(0.8) => {
            let nth = rng.random_range(0..items.len());
            spoil_value(&mut items[nth], rng);
        }
        other => {
            let strange = [
                json!(null),
                json!(-1),
                json!(u64::MAX),
                json!(1e300),
                json!("\u{0}"),
                json!([]),
                json!({}),
                json!("x".repeat(5_000)),
                json!([[[[[[[[]]]]]]]]),
                json!(true),
            ];
            *other = strange[rng.random_range(0..strange.len())].clone();
        }
    }
}
