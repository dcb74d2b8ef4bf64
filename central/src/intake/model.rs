//! Pure parts of the intake.

use jiff::Timestamp;
use zhiban_sync::seal::SealError;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{Answer, PROTOCOL};

/// Why nothing of a message was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("message of {0} bytes is larger than 4 MiB")]
    TooLarge(usize),
    #[error("key {0:?} is the key of no store")]
    NoStore(String),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("message cannot be read: {0}")]
    Unreadable(String),
    #[error("key {key:?} is not the key of store {store}")]
    WrongKey { key: String, store: StoreId },
    #[error("protocol {0} is not spoken here, expected {PROTOCOL}")]
    Protocol(u32),
    #[error("items are not numbered one after the other from 1")]
    Numbers,
}

/// What a batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) answer: Answer,
    pub(super) items: u64,
    pub(super) duplicates: u64,
    pub(super) refused: bool,
}

impl Taken {
    pub(super) fn nothing(answer: Answer) -> Self {
        Self {
            answer,
            items: 0,
            duplicates: 0,
            refused: false,
        }
    }
}

/// Sums over all stores since the database was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeSums {
    pub batches: u64,
    pub items: u64,
    pub duplicates: u64,
    /// Items kept as dead letters now.
    pub dead_letters: u64,
    pub last: Option<Timestamp>,
}
