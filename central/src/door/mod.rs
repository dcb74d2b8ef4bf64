//! The door of the centre: the one port halls come to. TLS ends here, with certificates of the
//! centre's own authority on both sides; what is inside is either zenoh, passed on to the router on
//! loopback (zenoh's own TLS is not safe under load), or requests: enrolment, renewal, and batches
//! of halls whose way lets nothing else through.

mod limits;
mod line;
mod requests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhiban_vocabulary::enrolment::ALPN_LINE;

use self::limits::Limits;
pub use self::requests::Requests;
use crate::trust::{Digest, Trust};
use zhiban_kernel::Clock;
use zhiban_kernel::authority::{AuthorityError, digest};

const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// A connection that cannot be taken, such as for want of file handles, is no reason to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Lines of one hall: its own, and those that broke without the centre having noticed yet.
const LINES_PER_HALL_MAX: usize = 4;
/// A hall keeps four connections for batches, and opens one to renew.
const TALKS_PER_HALL_MAX: usize = 12;
/// Connections get this long to end by themselves.
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// See the module.
pub struct Door {
    listener: TcpListener,
    shown: tls::Shown,
    shared: Arc<Shared>,
}

/// What every connection needs.
struct Shared {
    trust: Trust,
    requests: Requests,
    /// The router's plain port on loopback.
    router: SocketAddr,
    limits: Limits,
    lines: line::Lines,
    /// Connections of members for requests.
    talks: line::Lines,
    stop: CancellationToken,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("TLS: {0}")]
    Tls(String),
}

impl Door {
    /// Listens; nobody is served before [`Door::run`].
    ///
    /// # Errors
    /// [`DoorError`]
    pub async fn open(
        listen: SocketAddr,
        router: SocketAddr,
        requests: Requests,
    ) -> Result<Self, DoorError> {
        let trust = requests.trust().clone();
        let shown = tls::Shown::new(trust.clone(), Clock::real_now())?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| DoorError::Listen(listen, error))?;
        let shared = Shared {
            trust,
            requests,
            router,
            limits: Limits::default(),
            lines: line::Lines::new(LINES_PER_HALL_MAX),
            talks: line::Lines::new(TALKS_PER_HALL_MAX),
            stop: CancellationToken::new(),
        };
        Ok(Self {
            listener,
            shown,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Lets halls in until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(pass) = self.shared.limits.admit(peer.ip()) else {
                metrics::counter!("zhiban_door_turned_away_total").increment(1);
                continue;
            };
            let acceptor = TlsAcceptor::from(self.shown.at(Clock::real_now()));
            let shared = Arc::clone(&self.shared);
            connections.spawn(async move {
                let served = serve(&shared, &acceptor, stream, peer, pass).await;
                if let Err(error) = served {
                    metrics::counter!("zhiban_door_failed_total").increment(1);
                    tracing::debug!(%peer, %error, "connection ended");
                }
            });
        }
        connections.close();
        self.shared.stop.cancel();
        let _ = tokio::time::timeout(DRAIN_TIME, connections.wait()).await;
    }
}

async fn serve(
    shared: &Arc<Shared>,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    mut pass: limits::Pass,
) -> std::io::Result<()> {
    tls::tune(&stream)?;
    let thrown_out = pass.thrown_out();
    let stream = tokio::select! {
        accepted = tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)) => {
            accepted.map_err(|_| std::io::ErrorKind::TimedOut)??
        }
        () = thrown_out.cancelled() => return Err(no_room()),
    };
    let (shown, is_line) = look_at(&stream);
    let member = shown.and_then(|digest| {
        let store = shared.trust.members().store_of(&digest)?;
        Some((digest, store))
    });
    if shown.is_some() && member.is_none() {
        metrics::counter!("zhiban_door_revoked_total").increment(1);
        tracing::warn!(%peer, "a certificate that counts no longer was shown");
    }
    let has_place = match &member {
        Some(_) => pass.belongs_to_member(),
        None => pass.belongs_to_unknown(),
    };
    if !has_place {
        return Err(no_room());
    }
    if let Some((digest, store)) = &member
        && let Err(error) = shared.trust.note_use(digest, store).await
    {
        tracing::warn!(%store, %error, "the first use of a certificate was not noted");
    }
    match (is_line, member) {
        (true, Some((digest, store))) => line::carry(shared, stream, digest, store).await,
        (true, None) => Err(std::io::ErrorKind::PermissionDenied.into()),
        (false, Some((_, store))) => {
            let place = shared.talks.open(&store);
            let ended = tokio::select! {
                ended = requests::serve(shared, stream, peer, shown) => ended,
                () = place.cancelled() => Err(no_room()),
            };
            shared.talks.close(&store, &place);
            ended
        }
        (false, None) => tokio::select! {
            ended = requests::serve(shared, stream, peer, shown) => ended,
            () = thrown_out.cancelled() => Err(no_room()),
        },
    }
}

fn no_room() -> std::io::Error {
    metrics::counter!("zhiban_door_turned_away_total").increment(1);
    std::io::Error::new(std::io::ErrorKind::ResourceBusy, "no room at the door")
}

/// The certificate that was shown, and whether zenoh is to be spoken.
fn look_at(stream: &TlsStream<TcpStream>) -> (Option<Digest>, bool) {
    let (_, connection) = stream.get_ref();
    let shown = connection
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|certificate| digest(certificate));
    (shown, connection.alpn_protocol() == Some(ALPN_LINE))
}
