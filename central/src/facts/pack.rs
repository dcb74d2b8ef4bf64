//! Histograms and small tables as bytes: numbers of variable length, so that a usual day takes
//! some 60 bytes and is added up without building anything.
//!
//! A packed histogram is its sum followed by (bucket, count) pairs, lowest bucket first.

use zhiban_vocabulary::histogram::DurationHistogram;

/// Appends a number, seven bits a byte, lowest first (LEB128).
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front; `None` when the bytes end early or the number is too long.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Packs a histogram.
pub(super) fn histogram(histogram: &DurationHistogram) -> Vec<u8> {
    parts(histogram.sum_s(), histogram.buckets())
}

/// Packs a sum and pairs of a small index and a count.
pub(super) fn parts(sum: u64, pairs: impl IntoIterator<Item = (u8, u32)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    push(&mut bytes, sum);
    for (index, count) in pairs {
        push(&mut bytes, index.into());
        push(&mut bytes, count.into());
    }
    bytes
}

/// Calls `each` for every pair and gives the sum; `None` when the bytes are not whole.
pub(super) fn unpack(mut bytes: &[u8], mut each: impl FnMut(u8, u32)) -> Option<u64> {
    let sum = take(&mut bytes)?;
    while !bytes.is_empty() {
        let index = u8::try_from(take(&mut bytes)?).ok()?;
        each(index, u32::try_from(take(&mut bytes)?).ok()?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_unpacks(
            sum in any::<u64>(),
            pairs in prop::collection::vec((any::<u8>(), any::<u32>()), 0..60),
        ) {
            let bytes = parts(sum, pairs.clone());
            let mut seen = Vec::new();
            prop_assert_eq!(unpack(&bytes, |index, count| seen.push((index, count))), Some(sum));
            prop_assert_eq!(seen, pairs);
        }

        #[test]
        fn any_bytes_are_refused_or_read_but_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = unpack(&bytes, |_, _| {});
        }
    }
}
