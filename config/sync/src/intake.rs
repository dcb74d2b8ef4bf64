//! The centre's end of the line: what becomes of one batch.

use sha2::{Digest as _, Sha256};
use zhiban_vocabulary::envelope::{
    Batch, Claim, Claims, Envelope, Epoch, Estrangement, Lane, Marks, RefusedItem,
};

/// Newest items of a line whose contents are remembered; far more than are ever on their way at
/// once, so that what a hall sends again is always among them.
pub const ITEMS_KEPT: u64 = 5_000;

/// Where one lane of one epoch stands on the centre's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Highest item.
    pub committed: u64,
    /// The digests of items from here to `committed` are kept.
    pub kept_from: u64,
}

/// The centre's disk, for one store and epoch and within one transaction.
pub trait Ledger {
    /// The database failed; the transaction is taken back and nothing is answered.
    type Error;

    /// # Errors
    /// When the database failed.
    fn cursor(&mut self, lane: Lane) -> Result<Option<Cursor>, Self::Error>;

    /// The highest item of another epoch of the store; 0 for one that is not known.
    ///
    /// # Errors
    /// When the database failed.
    fn committed_in(&mut self, epoch: Epoch, lane: Lane) -> Result<u64, Self::Error>;

    /// The digest of a kept item.
    ///
    /// # Errors
    /// When the database failed.
    fn digest(&mut self, lane: Lane, seq: u64) -> Result<Option<Digest>, Self::Error>;

    /// Brings an item into effect and keeps its digest, or says why it cannot and leaves no trace
    /// of it but a dead letter.
    ///
    /// # Errors
    /// When the database failed, or had the number already.
    fn keep(
        &mut self,
        lane: Lane,
        envelope: &Envelope,
        digest: Digest,
    ) -> Result<Result<(), String>, Self::Error>;

    /// Keeps the cursor, and forgets digests below its `kept_from`.
    ///
    /// # Errors
    /// When the database failed.
    fn advance(&mut self, lane: Lane, cursor: Cursor) -> Result<(), Self::Error>;
}

/// Tells the contents of one item from those of another; 64 bits of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    #[must_use]
    pub fn of(envelope: &Envelope) -> Self {
        let hash = Sha256::digest(envelope.body.get().as_bytes());
        Self(
            hash.iter()
                .take(8)
                .fold(0, |all, byte| all << 8 | u64::from(*byte)),
        )
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Taken(Taken),
    /// Nothing was taken.
    Estranged(Estrangement),
}

/// See [`Outcome::Taken`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    pub committed: u64,
    /// Items that took effect.
    pub new: u64,
    /// Items that had taken effect before.
    pub duplicates: u64,
    /// The item that stopped the batch.
    pub refused: Option<RefusedItem>,
}

/// Takes what is new of a batch.
///
/// # Errors
/// Those of the ledger; the caller takes the transaction back.
pub fn take<L: Ledger>(ledger: &mut L, batch: &Batch) -> Result<Outcome, L::Error> {
    let lane = batch.lane;
    let cursor = match stand(ledger, lane, &batch.claims)? {
        Ok(cursor) => cursor,
        Err(lost) => return Ok(Outcome::Estranged(lost)),
    };
    let mut taken = Taken {
        committed: cursor.committed,
        ..Taken::default()
    };
    let first = batch.envelopes.first().map_or(0, |envelope| envelope.seq);
    if first > cursor.committed + 1 {
        // What stands before it did not arrive; the hall goes back to it.
        return Ok(Outcome::Taken(taken));
    }
    for envelope in &batch.envelopes {
        let digest = Digest::of(envelope);
        if envelope.seq <= cursor.committed {
            if !is_same(ledger, lane, cursor, envelope.seq, digest)? {
                let same_to = envelope.seq - 1;
                let other = Estrangement::OtherHand { lane, same_to };
                return Ok(Outcome::Estranged(other));
            }
            taken.duplicates += 1;
            continue;
        }
        if let Err(reason) = ledger.keep(lane, envelope, digest)? {
            let seq = envelope.seq;
            taken.refused = Some(RefusedItem { seq, reason });
            break;
        }
        taken.new += 1;
        taken.committed = envelope.seq;
    }
    if taken.new > 0 {
        let kept_from = (taken.committed + 1).saturating_sub(ITEMS_KEPT);
        let cursor = Cursor {
            committed: taken.committed,
            kept_from: cursor.kept_from.max(kept_from),
        };
        ledger.advance(lane, cursor)?;
    }
    Ok(Outcome::Taken(taken))
}

/// What a heartbeat is answered with: how far each lane is, or what is wrong with them.
///
/// # Errors
/// Those of the ledger.
pub fn compare<L: Ledger>(
    ledger: &mut L,
    claims: &Claims,
) -> Result<Result<Marks, Estrangement>, L::Error> {
    let mut marks = Marks::default();
    for lane in Lane::ALL {
        match stand(ledger, lane, claims)? {
            Ok(cursor) => marks.set(lane, cursor.committed),
            Err(lost) => return Ok(Err(lost)),
        }
    }
    Ok(Ok(marks))
}

/// Where the lane stands; one that is new here begins where the hall says that its epoch did.
/// A hall that claims more than is here had its acknowledgement from a centre that knew more.
fn stand<L: Ledger>(
    ledger: &mut L,
    lane: Lane,
    claims: &Claims,
) -> Result<Result<Cursor, Estrangement>, L::Error> {
    let claim = claims.of(lane);
    let cursor = ledger.cursor(lane)?;
    if claim.settled <= known(ledger, cursor, lane, claim)? {
        return Ok(Ok(cursor.unwrap_or(Cursor {
            committed: claim.born,
            kept_from: claim.born + 1,
        })));
    }
    let mut has = Marks::default();
    for lane in Lane::ALL {
        let cursor = ledger.cursor(lane)?;
        has.set(lane, known(ledger, cursor, lane, claims.of(lane))?);
    }
    Ok(Err(Estrangement::CentreLost { has }))
}

/// How far the centre has a lane, counting the epoch before if this one has nothing here yet.
fn known<L: Ledger>(
    ledger: &mut L,
    cursor: Option<Cursor>,
    lane: Lane,
    claim: &Claim,
) -> Result<u64, L::Error> {
    match (cursor, claim.parent) {
        (Some(cursor), _) => Ok(cursor.committed),
        (None, Some(parent)) => Ok(ledger.committed_in(parent, lane)?.min(claim.born)),
        (None, None) => Ok(0),
    }
}

/// How long messages of an epoch may still arrive after those of the next.
const TWIN_GRACE_MS: u64 = 60_000;

/// Whether a message of an epoch that is not the newest means that two boxes speak for one store:
/// an epoch that is over does not come back. Times are the centre's.
#[must_use]
pub fn is_twin(newest_since_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(newest_since_ms) > TWIN_GRACE_MS
}

/// How long the newest epoch is silent before one that came back follows on it.
const OVER_AFTER_MS: u64 = 900_000;

/// Whether a message of an epoch that is not the newest comes from an old box that was put back:
/// the newer one speaks no more. Times are the centre's.
#[must_use]
pub fn is_over(newest_heard_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(newest_heard_ms) > OVER_AFTER_MS
}

/// Whether a number that is on disk stands for the same contents. One that is no longer kept can
/// only come from another life: a hall never goes back that far.
fn is_same<L: Ledger>(
    ledger: &mut L,
    lane: Lane,
    cursor: Cursor,
    seq: u64,
    digest: Digest,
) -> Result<bool, L::Error> {
    Ok(seq >= cursor.kept_from && ledger.digest(lane, seq)? == Some(digest))
}

#[cfg(test)]
mod tests;
