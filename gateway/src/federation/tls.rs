//! TLS towards the centre.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zhiban_kernel::authority::digest;
use zhiban_vocabulary::enrolment::{CENTRE_NAME, EnrolmentCode};

use super::member::Member;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// 2025-01-01: no certificate of ours begins later. A box whose clock lost its battery starts in
/// 1970 and must reach the centre all the same.
const NO_EARLIER: Duration = Duration::from_secs(1_735_689_600);

/// Connects to a door of the centre (`host:port`).
///
/// # Errors
/// When it is not reached in time, or is not the centre.
pub(super) async fn connect(
    door: &str,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let late = |what: &str| io::Error::new(io::ErrorKind::TimedOut, what.to_owned());
    let stream = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(door))
        .await
        .map_err(|_| late("no connection within 5 s"))??;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(CENTRE_NAME).map_err(io::Error::other)?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake)
        .await
        .map_err(|_| late("no TLS handshake within 10 s"))?
}

/// For a member: only the centre it enrolled at, shown the hall's own certificate.
///
/// # Errors
/// When its certificates cannot be used.
pub(super) fn as_member(member: &Member, alpn: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = Centre::trusting(&member.authority, Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![member.certificate.clone()], member.private.clone_key())?;
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

/// For a hall that is about to enrol: whoever has the authority that is named in the code.
///
/// # Errors
/// When TLS cannot be set up at all.
pub(super) fn as_stranger(code: &EnrolmentCode, alpn: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = Named {
        code: code.clone(),
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The usual checks against one authority, at no time before [`NO_EARLIER`].
#[derive(Debug)]
struct Centre(Arc<WebPkiServerVerifier>);

impl Centre {
    fn trusting(
        authority: &CertificateDer<'static>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier
            .map(Self)
            .map_err(|error| Error::General(error.to_string()))
    }
}

/// Only TLS 1.3 is spoken, so the older signature is never asked for.
macro_rules! signatures_by {
    ($provider:expr) => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.3 only".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let known = $provider(self).signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            $provider(self)
                .signature_verification_algorithms
                .supported_schemes()
        }
    };
}

impl ServerCertVerifier for Centre {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let now = now.max(UnixTime::since_unix_epoch(NO_EARLIER));
        self.0.verify_server_cert(shown, chain, name, staple, now)
    }

    signatures_by!(|_: &Self| provider());
}

/// Finds the authority the code names among what is shown, then checks as usual.
#[derive(Debug)]
struct Named {
    code: EnrolmentCode,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority = chain
            .iter()
            .find(|certificate| self.code.is_of(&digest(certificate)))
            .ok_or(CertificateError::UnknownIssuer)?;
        let centre = Centre::trusting(&authority.clone().into_owned(), Arc::clone(&self.provider))?;
        centre.verify_server_cert(shown, chain, name, staple, now)
    }

    signatures_by!(|own: &Self| own.provider.clone());
}
