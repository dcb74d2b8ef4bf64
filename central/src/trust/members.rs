//! Who belongs to the fleet right now, in memory: asked for every connection and every message.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::watch;
use zhiban_kernel::Clock;
use zhiban_sync::seal::PublicKey;
use zhiban_vocabulary::StoreId;

/// SHA-256 of a certificate.
pub type Digest = [u8; 32];

/// A certificate the centre signed for a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub store: StoreId,
    pub key: PublicKey,
    pub until: Timestamp,
    /// A hall came with it.
    pub used: bool,
    pub revoked: bool,
}

impl Member {
    /// By the real clock: a replay's says nothing about certificates.
    pub(super) fn counts(&self) -> bool {
        !self.revoked && Clock::real_now() < self.until
    }
}

#[derive(Debug, Default)]
struct Known {
    by_digest: HashMap<Digest, Member>,
    by_store: HashMap<StoreId, Vec<Digest>>,
}

/// All certificates; cheap to clone.
#[derive(Debug, Clone)]
pub struct Members {
    known: Arc<RwLock<Known>>,
    changes: watch::Sender<u64>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            known: Arc::default(),
            changes: watch::channel(0).0,
        }
    }
}

impl Members {
    /// Takes what the database says of some certificates; gives those it did not say before.
    pub fn learn(&self, rows: Vec<(Digest, Member)>) -> Vec<Digest> {
        let mut fresh = Vec::new();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (digest, member) in rows {
            if known.by_digest.get(&digest) == Some(&member) {
                continue;
            }
            fresh.push(digest);
            let store = member.store.clone();
            if known.by_digest.insert(digest, member).is_none() {
                known.by_store.entry(store).or_default().push(digest);
            }
        }
        drop(known);
        // Every open line wakes up.
        if !fresh.is_empty() {
            self.changes
                .send_modify(|count| *count = count.wrapping_add(1));
        }
        fresh
    }

    /// Whether nobody came with a certificate yet.
    pub(super) fn is_unused(&self, digest: &Digest) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .by_digest
            .get(digest)
            .is_some_and(|member| !member.used)
    }

    /// The store a certificate lets in; `None` when it counts no longer or never did.
    #[must_use]
    pub fn store_of(&self, digest: &Digest) -> Option<StoreId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let member = known.by_digest.get(digest)?;
        member.counts().then(|| member.store.clone())
    }

    /// The keys that may sign for a store, each once.
    #[must_use]
    pub fn keys_of(&self, store: &StoreId) -> Vec<PublicKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let digests = known.by_store.get(store).into_iter().flatten();
        let members = digests.filter_map(|digest| known.by_digest.get(digest));
        let mut keys = Vec::new();
        for member in members.filter(|member| member.counts()) {
            if !keys.contains(&member.key) {
                keys.push(member.key);
            }
        }
        keys
    }

    /// Counts up when somebody came or was shut out.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(store: &str, key: u8, until: &str) -> Member {
        Member {
            store: store.parse().unwrap(),
            key: [key; 32],
            until: until.parse().unwrap(),
            used: true,
            revoked: false,
        }
    }

    #[test]
    fn only_what_holds_and_is_not_shut_out_counts() {
        let members = Members::default();
        let mut changes = members.changes();
        let later = "2999-01-01T00:00:00Z";
        members.learn(vec![
            ([1; 32], member("wola", 1, later)),
            ([2; 32], member("wola", 2, later)),
            ([3; 32], member("wola", 3, "2020-01-01T00:00:00Z")),
            ([4; 32], member("mokotow", 4, later)),
            ([5; 32], member("wola", 2, later)),
        ]);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let wola = "wola".parse().unwrap();
        assert_eq!(members.keys_of(&wola), [[1; 32], [2; 32]]);
        assert_eq!(members.store_of(&[3; 32]), None, "its time is over");
        assert_eq!(members.store_of(&[9; 32]), None, "unknown");
        let revoked = Member {
            revoked: true,
            ..member("wola", 1, later)
        };
        members.learn(vec![([1; 32], revoked)]);
        assert!(changes.has_changed().unwrap());
        assert_eq!(members.keys_of(&wola), [[2; 32]]);
        assert_eq!(members.store_of(&[1; 32]), None);
        assert_eq!(members.store_of(&[2; 32]), Some(wola));
    }
}
