//! TLS of the door.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use zhiban_kernel::authority::Authority;
use zhiban_vocabulary::enrolment::{ALPN_HTTP, ALPN_LINE, CENTRE_NAME};

use super::DoorError;
use crate::trust::Trust;

/// A way that is gone without a word is noticed after this and a few probes.
const SILENCE: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(20);

/// The door's certificate is made anew after so long, well before it ends: a centre may run for years.
const RENEW_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the door shows.
pub(super) struct Shown {
    trust: Trust,
    made: Mutex<(Arc<ServerConfig>, Timestamp)>,
}

impl Shown {
    pub(super) fn new(trust: Trust, now: Timestamp) -> Result<Self, DoorError> {
        let made = Arc::new(config(trust.authority())?);
        Ok(Self {
            trust,
            made: Mutex::new((made, now)),
        })
    }

    /// That of now, by the real clock.
    pub(super) fn at(&self, now: Timestamp) -> Arc<ServerConfig> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.duration_since(made.1);
        // A clock that was set back makes it anew, too.
        if age.is_negative() || age >= RENEW_AFTER {
            match config(self.trust.authority()) {
                Ok(config) => *made = (Arc::new(config), now),
                Err(error) => tracing::error!(%error, "the door keeps its certificate of before"),
            }
        }
        Arc::clone(&made.0)
    }
}

/// A certificate of the authority for the door; one of the authority from whoever has one. Who has
/// none may come to enrol and for nothing else.
fn config(authority: &Authority) -> Result<ServerConfig, DoorError> {
    let failed = |error: &dyn std::fmt::Display| DoorError::Tls(error.to_string());
    let identity = authority.issue_server(&[CENTRE_NAME.into()])?;
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.certificate().clone())
        .map_err(|error| failed(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        // Both ends are ours.
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| failed(&error))?;
    config.alpn_protocols = vec![ALPN_LINE.to_vec(), ALPN_HTTP.to_vec()];
    // A resumed session would bring the certificate of its first handshake, checked then.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Small messages leave at once; a peer that is gone is noticed.
pub(super) fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(PROBE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Folder, Make};

    #[tokio::test]
    async fn the_doors_certificate_is_made_anew_without_a_restart() {
        let folder = Folder::on(Make::Sqlite);
        let authority = Authority::open(&folder.path().join("authority.pem"), "centre").unwrap();
        let trust = Trust::open(
            folder.store(),
            Arc::new(authority),
            Vec::new(),
            folder.path(),
        );
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let shown = Shown::new(trust.await.unwrap(), start).unwrap();
        let first = shown.at(start);
        let day = SignedDuration::from_hours(24);
        assert!(Arc::ptr_eq(&first, &shown.at(start + day)));
        let second = shown.at(start + 31 * day);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &shown.at(start + 60 * day)));
        assert!(
            !Arc::ptr_eq(&second, &shown.at(start)),
            "the clock was set back"
        );
    }
}
