//! Pure parts: the life of a hall's documents, and how much fits into one answer.

use sha2::{Digest, Sha256};
use zhiban_vocabulary::down::DOCUMENTS_MAX;

/// Levels of the organization below its top, halls counted.
pub(super) const DEPTH_MAX: u32 = 12;
/// Documents of one answer, as JSON; one is sent whatever its size.
const BYTES_MAX: usize = 600 << 10;

/// A hall's place as a number: another chain of units is another life. Below 2^53 so that every JSON
/// reader keeps it exact, and never 0.
pub(super) fn life_of(chain: &[String]) -> u64 {
    let mut hasher = Sha256::new();
    for node in chain {
        hasher.update((node.len() as u64).to_be_bytes());
        hasher.update(node);
    }
    let digest = hasher.finalize();
    let bits = digest.iter().take(8);
    let bits = bits.fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11).max(1)
}

/// How many documents of these sizes one answer takes.
pub(super) fn fit(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for size in sizes.into_iter().take(DOCUMENTS_MAX) {
        bytes += 200 + size;
        if count > 0 && bytes > BYTES_MAX {
            break;
        }
        count += 1;
    }
    count
}
