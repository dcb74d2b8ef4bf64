//! TLS towards the centre.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zhiban_kernel::authority::digest;
use zhiban_vocabulary::enrolment::{CENTRE_NAME, EnrolmentCode};

use super::counted::Counted;
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
) -> io::Result<TlsStream<Counted>> {
    let late = |what: &str| io::Error::new(io::ErrorKind::TimedOut, what.to_owned());
    let stream = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(door))
        .await
        .map_err(|_| late("no connection within 5 s"))??;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(CENTRE_NAME).map_err(io::Error::other)?;
    let handshake = TlsConnector::from(config).connect(name, Counted(stream));
    tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake)
        .await
        .map_err(|_| late("no TLS handshake within 10 s"))?
}

/// For a member: only the centre it enrolled at, shown the hall's own certificate.
///
/// # Errors
/// When its certificates cannot be used.
pub(super) fn as_member(member: &Member, alpn: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let authority = member.authority.clone();
    checking(&authority, provider())?;
    let mut config = client(Whom::Authority(authority))?
        .with_client_auth_cert(vec![member.certificate.clone()], member.private.clone_key())?;
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

/// For a hall that is about to enrol: whoever has the authority that is named in the code.
///
/// # Errors
/// When TLS cannot be set up at all.
pub(super) fn as_stranger(code: &EnrolmentCode, alpn: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let mut config = client(Whom::Named(code.clone()))?.with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

fn client(whom: Whom) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let provider = provider();
    let verifier = Centre {
        whom,
        provider: Arc::clone(&provider),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Who is the centre.
#[derive(Debug)]
enum Whom {
    /// Whoever has a certificate of the authority the hall enrolled at.
    Authority(CertificateDer<'static>),
    /// Whoever has one of the authority the code names, found among what is shown.
    Named(EnrolmentCode),
}

/// The usual checks against one authority, at no time before [`NO_EARLIER`].
#[derive(Debug)]
struct Centre {
    whom: Whom,
    provider: Arc<CryptoProvider>,
}

fn checking(
    authority: &CertificateDer<'_>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|error| Error::General(error.to_string()))
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
        let authority = match &self.whom {
            Whom::Authority(authority) => Some(authority),
            Whom::Named(code) => chain.iter().find(|shown| code.is_of(&digest(shown))),
        };
        let authority = authority.ok_or(CertificateError::UnknownIssuer)?;
        let now = now.max(UnixTime::since_unix_epoch(NO_EARLIER));
        let verifier = checking(authority, Arc::clone(&self.provider))?;
        verifier.verify_server_cert(shown, chain, name, staple, now)
    }

    /// Only TLS 1.3 is spoken, so this is never asked for.
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
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
