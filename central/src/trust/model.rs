//! Pure parts: how long things hold, what a page says of a hall.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::Secret;

/// A certificate holds longer than a box stays in a cupboard; a hall asks for the next one at half
/// time.
pub(super) const MEMBER_DAYS: u32 = 397;
/// After its successor came, a certificate counts for messages that are still on their way.
pub(super) const AFTER_RENEWAL: SignedDuration = SignedDuration::from_hours(24);
/// A code is carried to the hall the same day or the next.
pub(super) const CODE_HOLDS: SignedDuration = SignedDuration::from_hours(48);

pub(super) fn new_secret() -> Secret {
    Secret(rand::rng().random())
}

/// What is kept of a secret.
pub(super) fn hash_of(store: &StoreId, secret: &Secret) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(store.as_str());
    hasher.update([0]);
    hasher.update(secret.0);
    hasher.finalize().into()
}

/// A code as kept.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) secret_hash: Vec<u8>,
    pub(super) until: Timestamp,
    pub(super) used: Option<Timestamp>,
    pub(super) used_key: Option<Vec<u8>>,
}

impl Code {
    /// Whether a hall with this key may come in by this code now.
    pub(super) fn lets_in(&self, hash: &[u8; 32], key: &[u8], now: Timestamp) -> bool {
        use subtle::ConstantTimeEq as _;
        let is_it = bool::from(self.secret_hash.ct_eq(hash));
        let is_free = self.used.is_none() || self.used_key.as_deref() == Some(key);
        is_it && is_free && now < self.until
    }
}

/// A certificate as kept.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) digest: Vec<u8>,
    pub(super) issued: Timestamp,
    pub(super) until: Timestamp,
    pub(super) revoked: Option<Timestamp>,
    pub(super) revoked_by: Option<String>,
    pub(super) reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_for_one_hall_one_key_and_its_time() {
        let (wola, mokotow) = ("wola".parse().unwrap(), "mokotow".parse().unwrap());
        let secret = Secret([5; 7]);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (now, until) = (time("2026-01-01T10:00:00Z"), time("2026-01-03T10:00:00Z"));
        let mut code = Code {
            secret_hash: hash_of(&wola, &secret).to_vec(),
            until,
            used: None,
            used_key: None,
        };
        let hash = hash_of(&wola, &secret);
        assert!(code.lets_in(&hash, b"key", now));
        assert!(!code.lets_in(&hash, b"key", until), "too late");
        assert!(!code.lets_in(&hash_of(&mokotow, &secret), b"key", now));
        assert!(!code.lets_in(&hash_of(&wola, &Secret([6; 7])), b"key", now));
        (code.used, code.used_key) = (Some(now), Some(b"key".to_vec()));
        assert!(code.lets_in(&hash, b"key", now), "its answer was lost");
        assert!(!code.lets_in(&hash, b"another", now));
    }
}
