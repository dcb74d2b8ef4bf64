//! TLS in front of the door: the hall's own certificate outside, certificates of its devices
//! inside.
//!
//! A certificate that the hall's authority did not sign ends the handshake. Whether one that it did
//! sign still counts is the registry's to say, as with passwords: see [`super::greet`].

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use zhiban_kernel::authority::{Authority, Shown, Source};

use crate::devices::Proof;

/// What an encrypted connection begins with; `names` are those of the box besides its addresses.
///
/// # Errors
/// When a name cannot stand in a certificate.
pub(super) fn shown(authority: Arc<Authority>, names: Vec<String>) -> std::io::Result<Shown> {
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
    Shown::new(Source::Authority { authority, names }, Some(verifier))
}

/// What the device showed of itself.
pub(super) fn certificate(stream: &TlsStream<TcpStream>) -> Option<Proof> {
    let (_, connection) = stream.get_ref();
    let first = connection.peer_certificates()?.first()?;
    Some(Proof::Certificate(first.to_vec()))
}
