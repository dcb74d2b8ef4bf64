//! TLS of the door.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use zhiban_kernel::authority::Authority;
use zhiban_vocabulary::enrolment::{ALPN_HTTP, ALPN_LINE, CENTRE_NAME};

use super::DoorError;

/// A way that is gone without a word is noticed after this and a few probes.
const SILENCE: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(20);

/// A certificate of the authority for the door; one of the authority from whoever has one. Who has
/// none may come to enrol and for nothing else.
pub(super) fn config(authority: &Authority) -> Result<ServerConfig, DoorError> {
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
