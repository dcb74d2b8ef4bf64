//! Proof of origin: every message up is signed with the store's own key, because a router hides who
//! sent it. A message for one store signed with the key of another is refused.
//!
//! ```text
//! 2 | Ed25519 signature, 64 bytes | message as in `wire`
//! ```
//! The signature covers the protocol, the [`Purpose`], the store and the message.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zhiban_vocabulary::StoreId;

/// First byte of a sealed message; no message of [`crate::wire`] begins with it.
const SEALED: u8 = 2;
const SIGNATURE_BYTES: usize = 64;

/// What a signed message is for. One signed for the one is none for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What the hall states.
    Up,
    /// What the hall asks for.
    Poll,
}

impl Purpose {
    const fn context(self) -> &'static [u8] {
        match self {
            Self::Up => b"zhiban/1/up\0",
            Self::Poll => b"zhiban/1/poll\0",
        }
    }
}

/// The public half of a store's key, raw, 32 bytes.
pub type PublicKey = [u8; 32];

/// A store's key.
pub struct SigningKey(Ed25519KeyPair);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SigningKey(…)")
    }
}

/// Why a message is not taken for what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("message is not signed")]
    Unsigned,
    #[error("message is not signed by this store")]
    OtherHand,
}

impl SigningKey {
    /// Reads a key in PKCS #8, version 1 or 2; `None` when it is none.
    #[must_use]
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .ok()
            .map(Self)
    }

    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }

    /// Signs `message` as one of `store`.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, store: &StoreId, message: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&signed_bytes(purpose, store, message));
        let mut sealed = Vec::with_capacity(1 + SIGNATURE_BYTES + message.len());
        sealed.push(SEALED);
        sealed.extend_from_slice(signature.as_ref());
        sealed.extend_from_slice(message);
        sealed
    }
}

/// The message within, and which of `keys` signed it as one of `store` for this purpose.
///
/// # Errors
/// [`SealError`]
pub fn open<'m>(
    purpose: Purpose,
    store: &StoreId,
    sealed: &'m [u8],
    keys: impl IntoIterator<Item = PublicKey>,
) -> Result<(&'m [u8], PublicKey), SealError> {
    let Some((&SEALED, rest)) = sealed.split_first() else {
        return Err(SealError::Unsigned);
    };
    let (signature, message) = rest
        .split_at_checked(SIGNATURE_BYTES)
        .ok_or(SealError::Unsigned)?;
    let signed = signed_bytes(purpose, store, message);
    let by = |key: &PublicKey| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed, signature)
            .is_ok()
    };
    let key = keys.into_iter().find(by).ok_or(SealError::OtherHand)?;
    Ok((message, key))
}

fn signed_bytes(purpose: Purpose, store: &StoreId, message: &[u8]) -> Vec<u8> {
    let store = store.as_str().as_bytes();
    // An id never holds a zero, so no two pairs of store and message give the same bytes.
    [purpose.context(), store, b"\0", message].concat()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::Purpose::{Poll, Up};
    use super::*;

    fn key() -> SigningKey {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        SigningKey::from_pkcs8(made.as_ref()).unwrap()
    }

    fn store(id: &str) -> StoreId {
        id.parse().unwrap()
    }

    #[test]
    fn a_message_comes_out_only_for_its_store_and_key() {
        let (own, other, wola) = (key(), key(), store("wola"));
        let sealed = own.seal(Up, &wola, b"{}");
        let both = [other.public(), own.public()];
        assert_eq!(
            open(Up, &wola, &sealed, both),
            Ok((&b"{}"[..], own.public()))
        );
        let refused = Err(SealError::OtherHand);
        assert_eq!(open(Up, &wola, &sealed, [other.public()]), refused);
        assert_eq!(open(Up, &wola, &sealed, []), refused);
        assert_eq!(
            open(Up, &store("mokotow"), &sealed, [own.public()]),
            refused
        );
    }

    #[test]
    fn a_message_signed_for_one_purpose_is_none_for_the_other() {
        let (own, wola) = (key(), store("wola"));
        for (signed, read) in [(Up, Poll), (Poll, Up)] {
            let sealed = own.seal(signed, &wola, b"{}");
            let opened = open(read, &wola, &sealed, [own.public()]);
            assert_eq!(opened, Err(SealError::OtherHand));
            assert!(open(signed, &wola, &sealed, [own.public()]).is_ok());
        }
    }

    #[test]
    fn every_byte_counts_and_an_unsigned_message_is_none() {
        let (own, wola) = (key(), store("wola"));
        let sealed = own.seal(Up, &wola, br#"{"heartbeat":{}}"#);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(Up, &wola, &changed, [own.public()]).is_err(), "{at}");
        }
        for unsigned in [&b""[..], b"{}", b"\x01x", &sealed[..40]] {
            let opened = open(Up, &wola, unsigned, [own.public()]);
            assert_eq!(opened, Err(SealError::Unsigned));
        }
    }
}
