//! Where pages are served: in the clear for this machine, within TLS for others.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use zhiban_config::{WebConfig, WebTls};

use super::places::{Place, Placed, Places};
use super::server::serve;
use crate::authority::{Authority, Shown, Source};

/// Handshakes at once; who comes beyond waits in the kernel's queue.
const HANDSHAKES_MAX: usize = 512;
/// Wait after an accept that failed for want of memory or files.
const BREATH: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub struct Listeners {
    plain: TcpListener,
    tls: Option<TlsListener>,
}

impl Listeners {
    /// Takes the ports of `[web]`. `names` are those the machine has besides the configured ones.
    ///
    /// # Errors
    /// When a port is taken or a certificate cannot be used; the text names the key.
    pub async fn open(
        config: &WebConfig,
        authority: &Arc<Authority>,
        names: &[String],
    ) -> io::Result<Self> {
        let plain = bind("web.listen", config.listen).await?;
        let tls = match &config.tls {
            Some(tls) => Some(TlsListener::open(tls, authority, names).await?),
            None => None,
        };
        Ok(Self { plain, tls })
    }

    /// # Errors
    /// When the socket is gone.
    pub fn plain_addr(&self) -> io::Result<SocketAddr> {
        self.plain.local_addr()
    }

    /// Of the encrypted pages, where there are such.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref()?.local_addr().ok()
    }

    /// Serves both until `shutdown`; see [`serve`].
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let encrypted = async {
            if let Some(tls) = self.tls {
                serve(tls, router.clone(), shutdown.clone()).await;
            }
        };
        tokio::join!(
            serve(self.plain, router.clone(), shutdown.clone()),
            encrypted
        );
    }
}

/// The certificate that is configured.
fn given(config: &WebTls) -> Option<Source> {
    let (certificate, key) = (config.certificate.clone()?, config.key.clone()?);
    Some(Source::Files { certificate, key })
}

/// Whether the certificate of `[web.tls]` can be shown.
///
/// # Errors
/// Names the key and what is wrong with the file.
pub fn check_pages(config: &WebConfig) -> io::Result<()> {
    let source = config.tls.as_ref().and_then(given);
    let shown = source.map(|source| Shown::new(source, None)).transpose();
    shown
        .map(drop)
        .map_err(|error| of_key("web.tls.certificate and key", &error))
}

async fn bind(key: &str, address: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| of_key(&format!("{key} {address}"), &error))
}

fn of_key(key: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{key}: {error}"))
}

/// Connections whose handshake is done. One that is slow keeps nobody waiting.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    shown: Arc<Shown>,
    places: Places,
    handshakes: JoinSet<Option<(Encrypted, SocketAddr)>>,
}

type Encrypted = Placed<TlsStream<TcpStream>>;

impl TlsListener {
    async fn open(
        config: &WebTls,
        authority: &Arc<Authority>,
        names: &[String],
    ) -> io::Result<Self> {
        let own = || Source::Authority {
            authority: Arc::clone(authority),
            names: [config.names.as_slice(), names].concat(),
        };
        let shown = match given(config) {
            // A certificate that was renewed by halves must not keep the rest of the program shut.
            Some(source) => Shown::new(source, None).or_else(|error| {
                tracing::error!(%error, "web.tls: the pages show a certificate of our own instead");
                Shown::new(own(), None)
            }),
            None => Shown::new(own(), None),
        };
        let shown = shown.map_err(|error| of_key("web.tls", &error))?;
        Ok(Self {
            tcp: bind("web.tls.listen", config.listen).await?,
            shown: Arc::new(shown),
            places: Places::default(),
            handshakes: JoinSet::new(),
        })
    }

    fn greet(&mut self, stream: TcpStream, from: SocketAddr, place: Place) {
        let shown = Arc::clone(&self.shown);
        self.handshakes.spawn(async move {
            match shown.accept(stream).await {
                Ok(stream) => Some((Placed::new(stream, place), from)),
                Err(error) => {
                    tracing::debug!(%from, %error, "no TLS");
                    None
                }
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = Encrypted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let has_room = self.handshakes.len() < HANDSHAKES_MAX;
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.tcp.accept(), if has_room => match accepted {
                    Ok((stream, from)) => match self.places.take(from.ip()) {
                        Some(place) => self.greet(stream, from, place),
                        None => tracing::debug!(%from, "too many connections"),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "web.tls cannot accept");
                        tokio::time::sleep(BREATH).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Where a person finds the pages: the encrypted ones if there are such, with the address of this
/// machine that leads to other networks where it listens on all of them.
#[must_use]
pub fn page_address(plain: SocketAddr, tls: Option<SocketAddr>) -> String {
    let (scheme, listen) = tls.map_or(("http", plain), |tls| ("https", tls));
    let ip = if listen.ip().is_unspecified() {
        outward_address().unwrap_or(listen.ip())
    } else {
        listen.ip()
    };
    format!("{scheme}://{}/", SocketAddr::new(ip, listen.port()))
}

/// Nothing is sent: the kernel says which address it would send from.
fn outward_address() -> Option<IpAddr> {
    // TEST-NET-1 (RFC 5737): leads nowhere, by the default route.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}
