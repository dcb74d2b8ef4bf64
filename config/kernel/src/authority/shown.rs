//! What a server shows of itself within TLS: certificates that are made anew in time, without a restart.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Authority, ServerIdentity};
use crate::Clock;

const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// A certificate of the authority is made anew after this time, long before it ends.
const RENEW_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Files are read anew after this time, so that whoever renews them need not tell.
const READ_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Where certificates come from.
#[derive(Debug)]
pub enum Source {
    /// Signed by our own authority for the address the other end reached, whatever addresses the
    /// machine gets one day, and for these names.
    Authority {
        authority: Arc<Authority>,
        names: Vec<String>,
    },
    /// PEM files of somebody else's authority.
    Files { certificate: PathBuf, key: PathBuf },
}

/// See the module.
pub struct Shown {
    source: Source,
    /// Who may come; absent: anybody, and no certificate is asked for.
    members: Option<Arc<dyn ClientCertVerifier>>,
    /// By the address that was reached; of files one for all.
    made: Mutex<HashMap<IpAddr, Made>>,
}

struct Made {
    config: Arc<ServerConfig>,
    at: Timestamp,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = &self.source;
        out.debug_struct("Shown")
            .field("source", source)
            .finish_non_exhaustive()
    }
}

impl Shown {
    /// # Errors
    /// When a name cannot stand in a certificate, or files are not a certificate and its key.
    pub fn new(source: Source, members: Option<Arc<dyn ClientCertVerifier>>) -> io::Result<Self> {
        let shown = Self {
            source,
            members,
            made: Mutex::default(),
        };
        shown.at(IpAddr::from(Ipv4Addr::LOCALHOST), Clock::real_now())?;
        Ok(shown)
    }

    /// The handshake; one that is not over in five seconds is given up.
    ///
    /// # Errors
    /// When it fails; the text says why.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let local = stream.local_addr()?.ip().to_canonical();
        let config = self.at(local, Clock::real_now())?;
        let handshake = TlsAcceptor::from(config).accept(stream);
        match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
            Ok(accepted) => accepted,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "no complete handshake within 5 s",
            )),
        }
    }

    pub(super) fn at(&self, local: IpAddr, now: Timestamp) -> io::Result<Arc<ServerConfig>> {
        let (key, fresh_for) = match self.source {
            Source::Authority { .. } => (local, RENEW_AFTER),
            Source::Files { .. } => (IpAddr::from(Ipv4Addr::UNSPECIFIED), READ_AFTER),
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let before = made.get(&key);
        // A clock that was set back makes it anew, too.
        let is_fresh = before.is_some_and(|made| {
            let age = now.duration_since(made.at);
            !age.is_negative() && age < fresh_for
        });
        let config = match (before, is_fresh) {
            (Some(made), true) => return Ok(Arc::clone(&made.config)),
            (Some(made), false) => self.make(local).map(Arc::new).unwrap_or_else(|error| {
                tracing::error!(%error, "the certificate of before is shown on");
                Arc::clone(&made.config)
            }),
            (None, _) => Arc::new(self.make(local)?),
        };
        let kept = Made {
            config: Arc::clone(&config),
            at: now,
        };
        made.insert(key, kept);
        Ok(config)
    }

    fn make(&self, local: IpAddr) -> io::Result<ServerConfig> {
        let identity = self.source.identity(local)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let config = match &self.members {
            Some(members) => config.with_client_cert_verifier(Arc::clone(members)),
            None => config.with_no_client_auth(),
        };
        config
            .with_single_cert(identity.chain, identity.key)
            .map_err(io::Error::other)
    }
}

impl Source {
    fn identity(&self, local: IpAddr) -> io::Result<ServerIdentity> {
        match self {
            Self::Authority { authority, names } => {
                let mut names = names.clone();
                names.push(local.to_string());
                authority.issue_server(&names).map_err(io::Error::other)
            }
            Self::Files { certificate, key } => {
                let of = |file: &PathBuf, error: rustls::pki_types::pem::Error| {
                    io::Error::other(format!("{}: {error}", file.display()))
                };
                let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect)
                    .map_err(|error| of(certificate, error))?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, error))?;
                Ok(ServerIdentity { chain, key })
            }
        }
    }
}
