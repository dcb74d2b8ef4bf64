//! TLS in front of the door: the hall's own certificate outside, certificates of its devices
//! inside.
//!
//! A certificate that the hall's authority did not sign ends the handshake. Whether one that it did
//! sign still counts is the registry's to say, as with passwords: see [`super::greet`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zhiban_kernel::Clock;
use zhiban_kernel::authority::Authority;

use super::refusal::Refusal;
use crate::devices::Proof;

const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// A certificate of the door is made anew after this time, long before it ends.
const RENEW_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What an encrypted connection begins with.
pub(super) struct Tls {
    authority: Arc<Authority>,
    verifier: Arc<dyn ClientCertVerifier>,
    /// What the box is called, besides its addresses.
    names: Vec<String>,
    /// By the address that devices reached.
    made: Mutex<HashMap<IpAddr, Made>>,
}

struct Made {
    config: Arc<ServerConfig>,
    at: Timestamp,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = &self.names;
        out.debug_struct("Tls")
            .field("names", names)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub(super) fn new(authority: Arc<Authority>, names: Vec<String>) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(authority.certificate().clone())
            .map_err(std::io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            // Who has none may have a password, or the claim key.
            .allow_unauthenticated()
            .build()
            .map_err(std::io::Error::other)?;
        let tls = Self {
            authority,
            verifier,
            names,
            made: Mutex::default(),
        };
        tls.config_for(IpAddr::from([127, 0, 0, 1]))?;
        Ok(tls)
    }

    /// The handshake; it cannot keep anybody else waiting.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Refusal> {
        let failed = |error: std::io::Error| Refusal::Tls(error.to_string());
        let local = stream.local_addr().map_err(failed)?.ip().to_canonical();
        let config = self.config_for(local).map_err(failed)?;
        let handshake = TlsAcceptor::from(config).accept(stream);
        match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
            Ok(accepted) => accepted.map_err(failed),
            Err(_) => Err(Refusal::Tls("no complete handshake within 5 s".into())),
        }
    }

    /// The door's certificate names the address the device reached it at, whatever other addresses
    /// the box gets one day.
    fn config_for(&self, local: IpAddr) -> std::io::Result<Arc<ServerConfig>> {
        let now = Clock::new(None).now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes it anew, too.
        let is_fresh = |made: &&Made| {
            let age = now.duration_since(made.at);
            !age.is_negative() && age < RENEW_AFTER
        };
        if let Some(made) = made.get(&local).filter(is_fresh) {
            return Ok(Arc::clone(&made.config));
        }
        let config = Arc::new(self.make(local).map_err(std::io::Error::other)?);
        let kept = Made {
            config: Arc::clone(&config),
            at: now,
        };
        made.insert(local, kept);
        Ok(config)
    }

    fn make(
        &self,
        local: IpAddr,
    ) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
        let mut names = self.names.clone();
        names.push(local.to_string());
        let identity = self.authority.issue_server(&names)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&self.verifier))
            .with_single_cert(identity.chain, identity.key)?;
        Ok(config)
    }
}

/// What the device showed of itself.
pub(super) fn certificate(stream: &TlsStream<TcpStream>) -> Option<Proof> {
    let (_, connection) = stream.get_ref();
    let first = connection.peer_certificates()?.first()?;
    Some(Proof::Certificate(first.to_vec()))
}
