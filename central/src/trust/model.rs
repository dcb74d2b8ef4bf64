//! Pure parts: how long things hold, what a page says of a hall.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::Secret;

/// A certificate holds longer than a box stays in a cupboard; a hall asks for the next one at half
/// time.
pub(super) const MEMBER_DAYS: u32 = 397;
/// After a hall came with its successor, a certificate counts so long: a hall that is put back from a
/// backup of this time has it and no other.
pub(super) const AFTER_SUCCESSOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Certificates a hall gets within [`OFTEN_WINDOW`] without a new code. It needs two a year; what is
/// over was asked for again because answers were lost.
pub(super) const OFTEN_MAX: u32 = 8;
pub(super) const OFTEN_WINDOW: Duration = Duration::from_secs(24 * 3_600);
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

/// How often each hall was given a certificate of late.
#[derive(Debug, Default)]
pub(super) struct Often(HashMap<StoreId, (Instant, u32)>);

impl Often {
    /// Counts one more; false when there were too many.
    pub(super) fn allows(&mut self, store: &StoreId, now: Instant) -> bool {
        let (since, count) = self.0.entry(store.clone()).or_insert((now, 0));
        if now.duration_since(*since) >= OFTEN_WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += u32::from(*count <= OFTEN_MAX);
        *count <= OFTEN_MAX
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
    fn a_hall_gets_so_many_certificates_a_day_and_others_theirs() {
        let (wola, mokotow) = ("wola".parse().unwrap(), "mokotow".parse().unwrap());
        let (mut often, start) = (Often::default(), Instant::now());
        assert!((0..OFTEN_MAX).all(|_| often.allows(&wola, start)));
        assert!((0..100).all(|_| !often.allows(&wola, start)));
        assert!(often.allows(&mokotow, start));
        assert!(often.allows(&wola, start + OFTEN_WINDOW));
    }

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
