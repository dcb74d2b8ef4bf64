//! One session of zenoh through mutual TLS, shared by several halls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use zhiban_central::intake::links;
use zhiban_gateway::federation::Member;
use zhiban_vocabulary::enrolment::{ALPN_LINE, CENTRE_NAME};

use super::hall::{Hall, Wish};

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const REST_MAX_MS: u64 = 50;

pub(crate) struct Line {
    pipe: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Line {
    pub(crate) fn new(runtime: &Handle, door: &str, member: &Member) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let pipe = listener.local_addr().unwrap();
        let connector = TlsConnector::from(Arc::new(config(member)));
        let door = door.to_owned();
        let task = runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((plain, _)) = listener.accept().await {
                let (connector, door) = (connector.clone(), door.clone());
                tokio::spawn(async move {
                    let _ = pass_on(plain, &door, &connector).await;
                });
            }
        });
        Self { pipe, task }
    }

    /// Carries until all halls are level, and gives them back.
    pub(crate) fn carry(
        self,
        mut halls: Vec<Hall>,
        clock: Instant,
        patience: Duration,
    ) -> Vec<Hall> {
        let (endpoint, end) = (format!("tcp/{}", self.pipe), Instant::now() + patience);
        let now_ms = || u64::try_from(clock.elapsed().as_millis()).unwrap();
        let mut session: Option<zenoh::Session> = None;
        while !halls.iter().all(Hall::is_level) {
            assert!(Instant::now() < end, "the fleet is not level in time");
            let mut rest_ms = REST_MAX_MS;
            for hall in &mut halls {
                let message = match hall.wish(now_ms()) {
                    Wish::Send(message) => message,
                    Wish::Wait { until_ms } => {
                        rest_ms = rest_ms.min(until_ms.saturating_sub(now_ms()));
                        continue;
                    }
                };
                rest_ms = 0;
                session = session.filter(|session| !session.is_closed());
                if session.is_none() {
                    session = links::open_client(&endpoint).ok();
                }
                let asked = session.as_ref().and_then(|session| {
                    links::ask(session, &hall.key(), message, ANSWER_TIME_MAX).ok()?
                });
                let answer = asked.map(|answer| serde_json::from_slice(&answer).unwrap());
                if answer.is_none()
                    && let Some(lost) = session.take()
                {
                    links::close(&lost);
                }
                hall.hear(answer.as_ref(), now_ms());
            }
            std::thread::sleep(Duration::from_millis(rest_ms));
        }
        if let Some(session) = session {
            links::close(&session);
        }
        self.task.abort();
        halls
    }
}

async fn pass_on(
    mut plain: TcpStream,
    door: &str,
    connector: &TlsConnector,
) -> std::io::Result<()> {
    let stream = TcpStream::connect(door).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(CENTRE_NAME).map_err(std::io::Error::other)?;
    let mut centre = connector.connect(name, stream).await?;
    tokio::io::copy_bidirectional(&mut plain, &mut centre).await?;
    Ok(())
}

fn config(member: &Member) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(member.authority.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![member.certificate.clone()], member.private.clone_key())
        .unwrap();
    config.alpn_protocols = vec![ALPN_LINE.to_vec()];
    config
}
