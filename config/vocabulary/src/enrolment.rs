//! What a hall and the centre say while a hall becomes a member of the fleet (接入).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreId;

/// Name in the certificate of every door of the centre, wherever the centre stands.
pub const CENTRE_NAME: &str = "centre.zhiban.internal";
/// ALPN of a connection that carries zenoh.
pub const ALPN_LINE: &[u8] = b"zhiban-line/1";
/// ALPN of one that carries requests.
pub const ALPN_HTTP: &[u8] = b"http/1.1";

/// Where a hall asks to become a member.
pub const PATH_ENROL: &str = "/v1/enrol";
/// Where a member asks for its next certificate.
pub const PATH_RENEW: &str = "/v1/renew";
/// Where a member sends what zenoh would carry.
pub const PATH_UP: &str = "/v1/up";
/// A poll over HTTPS.
pub const PATH_DOWN: &str = "/v1/down";

/// Crockford's alphabet: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 24;
const FINGERPRINT_BYTES: usize = 8;
const SECRET_BYTES: usize = 7;
const CODE_BYTES: usize = FINGERPRINT_BYTES + SECRET_BYTES;

/// The one-time code a person carries from the centre to a hall (接入码): 24 letters, of which 64
/// bits say which authority the hall may trust and 56 bits prove that the hall may come.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode {
    /// First bytes of the SHA-256 of the authority's certificate.
    pub fingerprint: [u8; FINGERPRINT_BYTES],
    pub secret: Secret,
}

/// Shown in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; SECRET_BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EnrolmentCode(…)")
    }
}

impl Secret {
    /// As it travels.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `None` for anything that is not 14 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != SECRET_BYTES * 2 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; SECRET_BYTES];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Why a code cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    #[error("a code has 24 letters and digits, found {0}")]
    Length(usize),
    #[error("{0:?} is in no code")]
    Letter(char),
}

impl EnrolmentCode {
    /// A code for halls that trust the authority with this SHA-256.
    #[must_use]
    pub fn new(authority: &[u8; 32], secret: Secret) -> Self {
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        fingerprint.copy_from_slice(&authority[..FINGERPRINT_BYTES]);
        Self {
            fingerprint,
            secret,
        }
    }

    /// Whether the code was made by the authority with this SHA-256.
    #[must_use]
    pub fn is_of(&self, authority: &[u8; 32]) -> bool {
        authority.starts_with(&self.fingerprint)
    }
}

/// Six groups of four: `7K2M-…`.
impl fmt::Display for EnrolmentCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.fingerprint.iter().chain(&self.secret.0);
        let bits = bytes.fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        for nth in 0..LETTERS {
            if nth > 0 && nth % 4 == 0 {
                out.write_str("-")?;
            }
            let five = (bits >> (5 * (LETTERS - 1 - nth))) & 31;
            let letter = ALPHABET[usize::try_from(five).unwrap_or(0)];
            write!(out, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

/// Reads what a person typed: in any case, with any spaces and hyphens, O for 0, I and L for 1.
impl FromStr for EnrolmentCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let typed: Vec<char> = text
            .chars()
            .filter(|letter| !letter.is_whitespace() && *letter != '-')
            .collect();
        if typed.len() != LETTERS {
            return Err(CodeError::Length(typed.len()));
        }
        let mut bits = 0_u128;
        for letter in typed {
            bits = bits << 5 | five(letter)?;
        }
        let bytes = bits.to_be_bytes();
        let code = &bytes[bytes.len() - CODE_BYTES..];
        let (mut fingerprint, mut secret) = ([0; FINGERPRINT_BYTES], [0; SECRET_BYTES]);
        fingerprint.copy_from_slice(&code[..FINGERPRINT_BYTES]);
        secret.copy_from_slice(&code[FINGERPRINT_BYTES..]);
        Ok(Self {
            fingerprint,
            secret: Secret(secret),
        })
    }
}

fn five(letter: char) -> Result<u128, CodeError> {
    let meant = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = ALPHABET.iter().position(|one| char::from(*one) == meant);
    at.map(|at| at as u128).ok_or(CodeError::Letter(letter))
}

/// `POST` [`PATH_ENROL`]
#[derive(Debug, Serialize, Deserialize)]
pub struct EnrolRequest {
    pub store: StoreId,
    /// [`Secret::to_hex`] of the code.
    pub secret: String,
    /// PKCS #10 request of an Ed25519 key, PEM.
    pub request: String,
}

/// `POST` [`PATH_RENEW`], over a connection with a certificate that still counts.
#[derive(Debug, Serialize, Deserialize)]
pub struct RenewRequest {
    pub request: String,
}

/// The answer to both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// PEM.
    pub certificate: String,
    /// The authority that signs stores and the centre's doors, PEM.
    pub authority: String,
    /// End of the certificate.
    pub until: Timestamp,
    /// Doors of the centre as `host:port`, first choice first; none: the one that was asked.
    pub doors: Vec<String>,
}

/// What stands in place of an answer when there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    pub denied: DenialReason,
    pub text: String,
}

/// Why the centre does not let a hall in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenialReason {
    /// Wrong, used, expired, or of another hall: the centre does not say which.
    Code,
    /// The request cannot be read.
    Request,
    /// The certificate is revoked, or unknown.
    Certificate,
    /// Too many tries; later.
    Wait,
    /// The centre cannot work now; later.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> EnrolmentCode {
        let mut authority = [0; 32];
        for (nth, byte) in (0_u8..).zip(&mut authority) {
            *byte = nth.wrapping_mul(37) ^ 0xa5;
        }
        EnrolmentCode::new(&authority, Secret([1, 2, 3, 0xff, 5, 6, 7]))
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let text = code().to_string();
        assert_eq!(text.len(), 24 + 5);
        let sloppy = text
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o")
            .replace('1', "l");
        for typed in [text.clone(), sloppy, text.replace('-', "")] {
            assert_eq!(typed.parse::<EnrolmentCode>().unwrap(), code());
        }
    }

    #[test]
    fn what_is_no_code_is_told_apart() {
        assert_eq!("".parse::<EnrolmentCode>(), Err(CodeError::Length(0)));
        let long = code().to_string() + "A";
        assert_eq!(long.parse::<EnrolmentCode>(), Err(CodeError::Length(25)));
        let strange = code().to_string().replacen(|c: char| c != '-', "码", 1);
        let error = strange.parse::<EnrolmentCode>();
        assert_eq!(error, Err(CodeError::Letter('码')));
    }

    #[test]
    fn it_names_its_authority_and_hides_its_secret() {
        let mut authority = [7; 32];
        let code = EnrolmentCode::new(&authority, Secret([9; 7]));
        assert!(code.is_of(&authority));
        authority[7] ^= 1;
        assert!(!code.is_of(&authority));
        assert!(!format!("{code:?}").contains('9'));
        assert_eq!(Secret::from_hex(&code.secret.to_hex()), Some(code.secret));
        assert_eq!(Secret::from_hex("0909"), None);
        assert_eq!(Secret::from_hex("zz090909090909"), None);
    }
}
