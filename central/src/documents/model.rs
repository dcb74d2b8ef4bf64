//! Pure parts: the life of a hall's documents, and how much fits into one answer.

use sha2::{Digest, Sha256};
use zhiban_vocabulary::down::{DOCUMENTS_MAX, Document};

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

/// What of `documents` one answer takes; true when some are left for the next.
pub(super) fn fit(mut documents: Vec<Document>) -> (Vec<Document>, bool) {
    let mut bytes = 0;
    let mut count = 0;
    for document in documents.iter().take(DOCUMENTS_MAX) {
        let content = document.content.as_ref();
        bytes += 200 + content.map_or(0, |content| content.to_string().len());
        if count > 0 && bytes > BYTES_MAX {
            break;
        }
        count += 1;
    }
    let left = documents.len() > count;
    documents.truncate(count);
    (documents, left)
}
