//! A certificate authority of one's own: one key in one file, which signs who belongs to it.
//!
//! The hall's signs its devices and its own doors. Certificates are judged by the real clock, never
//! by that of a replay.

mod shown;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use crate::Clock;
use crate::runtime::write_atomically;

pub use shown::{Shown, Source};

/// 2025-01-01: no certificate begins later, so that a clock that is behind does no harm.
const BEGINS: Duration = Duration::from_secs(1_735_689_600);
const DAY: Duration = Duration::from_secs(86_400);
const OWN_DAYS: u32 = 30 * 365;
/// A device of a hall is set up once.
pub const DEVICE_DAYS: u32 = 10 * 365;
const SERVER_DAYS: u32 = 397;
/// From its first day on; long before now, for devices whose clocks are behind.
const SERVER_SPAN_DAYS: u32 = 800;

/// Why something was not signed or read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("{}: expected a private key and its certificate (PEM): {problem}", file.display())]
    Content { file: PathBuf, problem: String },
    #[error("expected a PEM certificate signing request (PKCS #10): {0}")]
    Request(rcgen::Error),
    #[error("name {name:?}: {error}")]
    Name { name: String, error: rcgen::Error },
    #[error("cannot sign: {0}")]
    Sign(#[from] rcgen::Error),
}

/// A certificate and until when it holds.
#[derive(Debug, Clone)]
pub struct Signed {
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    pub until: SystemTime,
}

/// The certificates a server shows, its own first, and its key.
#[derive(Debug)]
pub struct ServerIdentity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// Until when the certificate of the authority in `file` holds.
///
/// # Errors
/// [`AuthorityError`] when there is none to be read.
pub fn ends(file: &Path) -> Result<jiff::Timestamp, AuthorityError> {
    let bad = |problem: String| AuthorityError::Content {
        file: file.to_owned(),
        problem,
    };
    let certificate = CertificateDer::from_pem_file(file).map_err(|e| bad(e.to_string()))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
        .map_err(|error| bad(error.to_string()))?;
    let ends = parsed.validity().not_after.timestamp();
    jiff::Timestamp::from_second(ends).map_err(|error| bad(error.to_string()))
}

/// See the module.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    /// Opens the authority in `file`, or makes one called `name` when there is no such file.
    ///
    /// # Errors
    /// [`AuthorityError`]; what is there is never overwritten, for all that it signed would be
    /// worth nothing.
    pub fn open(file: &Path, name: &str) -> Result<Self, AuthorityError> {
        let of_file = |error| AuthorityError::File {
            file: file.to_owned(),
            error,
        };
        match fs::read_to_string(file) {
            Ok(text) => Self::read(&text).map_err(|problem| AuthorityError::Content {
                file: file.to_owned(),
                problem,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (authority, text) = Self::make(name)?;
                write_atomically(file, text.as_bytes()).map_err(of_file)?;
                Ok(authority)
            }
            Err(error) => Err(of_file(error)),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem(text).map_err(|error| error.to_string())?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes());
        let certificate = certificate.map_err(|error| error.to_string())?;
        let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|error| error.to_string())?;
        Ok(Self {
            issuer,
            certificate,
            pem: text[begin..].to_owned(),
        })
    }

    fn make(name: &str) -> Result<(Self, String), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = params(name, OWN_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = params.self_signed(&key)?;
        let text = key.serialize_pem() + &made.pem();
        let authority = Self {
            certificate: made.der().clone(),
            pem: made.pem(),
            issuer: Issuer::new(params, key),
        };
        Ok((authority, text))
    }

    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate that others trust; no secret.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(&self.certificate)
    }

    /// The digest, as `openssl x509 -fingerprint` shows it but without colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = self.digest();
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// Signs the key of a member for so many days. Whatever else the request asks for is not looked
    /// at: the name is `name`, and the certificate is good for nothing but signing in.
    ///
    /// # Errors
    /// [`AuthorityError::Request`]
    pub fn sign_member(
        &self,
        request: &str,
        name: &str,
        days: u32,
    ) -> Result<Signed, AuthorityError> {
        let request = read_request(request)?;
        let mut params = params(name, days);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let until = params.not_after.into();
        let made = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(Signed {
            certificate: made.der().clone(),
            pem: made.pem(),
            until,
        })
    }

    /// A new key and certificate for a server known by these names and addresses.
    ///
    /// # Errors
    /// [`AuthorityError::Name`]
    pub fn issue_server(&self, names: &[String]) -> Result<ServerIdentity, AuthorityError> {
        let key = KeyPair::generate()?;
        let first = names.first().map_or("server", String::as_str);
        let mut params = params(first, SERVER_DAYS);
        // Browsers of Apple refuse what holds for more than 825 days, from its first day on.
        let shortest = params.not_after - DAY * SERVER_SPAN_DAYS;
        params.not_before = params.not_before.max(shortest);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = names
            .iter()
            .map(|name| alternative(name))
            .collect::<Result<_, _>>()?;
        let made = params.signed_by(&key, &self.issuer)?;
        Ok(ServerIdentity {
            chain: vec![made.der().clone(), self.certificate.clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        })
    }
}

/// SHA-256 of a certificate.
#[must_use]
pub fn digest(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// A new Ed25519 key for a member, PEM.
///
/// # Errors
/// [`AuthorityError::Sign`]
pub fn new_member_key() -> Result<String, AuthorityError> {
    // Version 1 of PKCS #8: OpenSSL 3.0 does not read the version rcgen would write.
    const HEAD: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let seed: [u8; 32] = rand::rng().random();
    let der = [&HEAD[..], &seed].concat();
    let key = PrivatePkcs8KeyDer::from(der);
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519)?.serialize_pem())
}

/// The request to sign a member's key (PKCS #10, PEM).
///
/// # Errors
/// [`AuthorityError::Sign`] when `key` is no private key.
pub fn member_request(key: &str) -> Result<String, AuthorityError> {
    let key = KeyPair::from_pem(key)?;
    Ok(CertificateParams::default()
        .serialize_request(&key)?
        .pem()?)
}

/// Whether [`Authority::sign_member`] could sign it.
///
/// # Errors
/// [`AuthorityError::Request`]
pub fn check_request(request: &str) -> Result<(), AuthorityError> {
    read_request(request).map(drop)
}

/// The key a request asks to have signed, as it will stand in the certificate.
///
/// # Errors
/// [`AuthorityError::Request`]
pub fn key_of_request(request: &str) -> Result<Vec<u8>, AuthorityError> {
    Ok(read_request(request)?.public_key.der_bytes().to_owned())
}

/// Reads a request and makes sure that whoever made it has the key.
fn read_request(request: &str) -> Result<CertificateSigningRequestParams, AuthorityError> {
    CertificateSigningRequestParams::from_pem(request).map_err(AuthorityError::Request)
}

fn alternative(name: &str) -> Result<SanType, AuthorityError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let name_error = |error| AuthorityError::Name {
        name: name.to_owned(),
        error,
    };
    let text = name.try_into().map_err(name_error)?;
    Ok(SanType::DnsName(text))
}

/// Not that of a replay: others judge certificates by theirs.
fn real_now() -> SystemTime {
    Clock::new(None).now().into()
}

/// Common to all: the name, and how long it holds.
fn params(name: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let begins = UNIX_EPOCH + BEGINS;
    params.not_before = begins.into();
    params.not_after = (real_now().max(begins) + DAY * days).into();
    params
}

#[cfg(test)]
mod tests;
