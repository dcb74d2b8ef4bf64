//! Halls that were let in without asking: one key for all.

use zhiban_sync::seal::{Purpose, SigningKey};
use zhiban_vocabulary::StoreId;

/// PKCS #8 of an Ed25519 key is a head and the seed.
pub(crate) fn key() -> SigningKey {
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    SigningKey::from_pkcs8(&[&head[..], &[7; 32]].concat()).expect("a key")
}

/// What a message is when `store` sends it.
pub(crate) fn sealed(store: &StoreId, message: &[u8]) -> Vec<u8> {
    key().seal(Purpose::Up, store, message)
}
