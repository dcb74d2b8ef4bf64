//! The probe: every few seconds it does what the centre is for, from outside where it can, and
//! says how that went. A part that stops being proved counts as failing by itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::clock::to_ms;
use zhiban_kernel::health::{Health, Status};
use zhiban_kernel::said::Said;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database};
use zhiban_vocabulary::envelope::Answer;
use zhiban_vocabulary::{StoreId, topics};

use super::store;
use crate::intake::{PROBE, links};

const EVERY: Duration = Duration::from_secs(12);
/// Two probes may be slow before a part counts as failing.
const SILENCE_MAX: Duration = Duration::from_secs(40);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// A part that needs longer works, but a person should look.
const SLOW: Duration = Duration::from_secs(2);

/// What is probed, and where the findings go.
#[derive(Debug)]
pub struct Probe {
    pub store: Database,
    pub health: Health,
    /// Routers behind the door.
    pub endpoints: Vec<String>,
    pub web: SocketAddr,
}

type Proof = Result<Option<Said>, Said>;

impl Probe {
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let parts = async {
                tokio::join!(
                    self.check("store", self.store()),
                    self.check("zenoh", self.zenoh()),
                    self.check("web", self.web()),
                )
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = parts => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// A proof may succeed and have something to say that a person should look at.
    async fn check(&self, part: &'static str, proof: impl Future<Output = Proof>) {
        let started = Instant::now();
        let result = tokio::time::timeout(2 * ANSWER_TIME_MAX, proof).await;
        let took = started.elapsed();
        let (status, detail) = match result {
            Ok(Ok(Some(doubt))) => (Status::Degraded, doubt),
            Ok(Ok(None)) if took > SLOW => {
                let said = Said::new(format!("用时 {took:.1?}"), format!("took {took:.1?}"));
                (Status::Degraded, said)
            }
            Ok(Ok(None)) => (Status::Ok, format!("{} ms", took.as_millis()).into()),
            Ok(Err(problem)) => (Status::Failing, problem),
            Err(_) => (Status::Failing, Said::new("没有应答", "no answer")),
        };
        if status != Status::Ok {
            tracing::warn!(part, detail = detail.en, "probe");
        }
        metrics::gauge!("zhiban_probe_seconds", "part" => part).set(took.as_secs_f64());
        self.health.say(part, status, detail, SILENCE_MAX);
    }

    /// A real commit, read back.
    async fn store(&self) -> Proof {
        let now_ms = to_ms(Clock::real_now());
        let text = |error: zhiban_kernel::StoreError| Said::same(error);
        let write = move |tx: &dyn Sql| store::write_probe(tx, now_ms);
        self.store.write(write).await.map_err(text)?;
        let (found, doubt) = self.store.read(store::read_probe).await.map_err(text)?;
        if found < now_ms {
            return Err(Said::new("提交后读不回来", "a commit was not read back"));
        }
        Ok(doubt)
    }

    /// A fresh session and a message of a stranger, which goes through router, queue and checks and
    /// changes nothing. Of several routers one may be away.
    async fn zenoh(&self) -> Proof {
        let ask_one = |endpoint: &String| {
            let endpoint = endpoint.clone();
            tokio::task::spawn_blocking(move || {
                ask(&endpoint).map_err(|problem| format!("{endpoint}: {problem}"))
            })
        };
        let asked = futures_util::future::join_all(self.endpoints.iter().map(ask_one)).await;
        let failed = asked.into_iter().filter_map(|answer| match answer {
            Ok(answer) => answer.err(),
            Err(error) => Some(error.to_string()),
        });
        let failed: Vec<String> = failed.collect();
        let problem = (!failed.is_empty()).then(|| failed.join("; "));
        match problem {
            Some(problem) if failed.len() == self.endpoints.len() => Err(problem.into()),
            other => Ok(other.map(Said::from)),
        }
    }

    /// The page server answers on its own port.
    async fn web(&self) -> Proof {
        let text = |error: std::io::Error| Said::same(error);
        let mut stream = TcpStream::connect(reachable(self.web))
            .await
            .map_err(text)?;
        let request = "GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).await.map_err(text)?;
        let mut answer = Vec::new();
        let mut start = stream.take(64);
        start.read_to_end(&mut answer).await.map_err(text)?;
        let line = String::from_utf8_lossy(&answer);
        let status = line.split(' ').nth(1).unwrap_or("nothing").to_owned();
        // What it says of the whole is not about this part.
        if matches!(status.as_str(), "200" | "503") {
            return Ok(None);
        }
        Err(Said::new(
            format!("应答 {status}"),
            format!("answered {status}"),
        ))
    }
}

fn ask(endpoint: &str) -> Result<(), String> {
    let store: StoreId = PROBE
        .parse()
        .map_err(|error: zhiban_vocabulary::IdError| error.to_string())?;
    let key = topics::up(&store);
    let session = links::open_client(endpoint).map_err(|error| error.to_string())?;
    let reply = links::ask(&session, &key, b"probe".to_vec(), ANSWER_TIME_MAX);
    links::close(&session);
    let reply = reply.map_err(|error| error.to_string())?;
    let answer = reply.ok_or("nobody answered")?;
    match serde_json::from_slice(&answer) {
        // The probe is no member: being sent away as one is the proof.
        Ok(Answer::Refused { .. }) => Ok(()),
        Ok(other) => Err(format!("answered {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// An address to connect to for one that is listened on.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(if listen.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}
