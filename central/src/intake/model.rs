//! Pure parts of the intake.

use jiff::Timestamp;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::PROTOCOL;

/// Why nothing of a message was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("message of {0} bytes is larger than 4 MiB")]
    TooLarge(usize),
    #[error("message cannot be read: {0}")]
    Unreadable(String),
    #[error("key {key:?} is not the key of store {store}")]
    WrongKey { key: String, store: StoreId },
    #[error("protocol {0} is not spoken here, expected {PROTOCOL}")]
    Protocol(u32),
    #[error("items are not numbered one after the other from 1")]
    Numbers,
}

/// Where the line of one store and epoch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Highest item on disk.
    pub(super) committed: u64,
    /// Items below are proved by the cursor alone.
    pub(super) kept_from: u64,
}

/// Whether a batch that begins at `first` may be taken: nothing between the cursor and it is
/// missing. The first batch of an epoch may begin anywhere, because a hall forgets what was
/// committed before.
pub(super) fn joins(cursor: Option<Cursor>, first: u64) -> bool {
    cursor.is_none_or(|cursor| first <= cursor.committed.saturating_add(1))
}

/// What a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) committed: u64,
    pub(super) items: u64,
    pub(super) duplicates: u64,
    pub(super) dead_letters: u64,
}

/// Sums over all stores since the database was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeSums {
    pub batches: u64,
    pub items: u64,
    pub duplicates: u64,
    pub dead_letters: u64,
    pub last: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_not_joined_and_an_overlap_is() {
        let cursor = Some(Cursor {
            committed: 10,
            kept_from: 1,
        });
        let check = |first, expect| assert_eq!(joins(cursor, first), expect, "{first}");
        check(1, true);
        check(11, true);
        check(12, false);
        assert!(joins(None, 500));
    }
}
