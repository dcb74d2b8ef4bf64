//! Which sequence numbers of one (device, boot) have arrived, as ranges.
//!
//! A well-behaved device is one range. Gaps are kept, so that a report that comes late out of
//! order is not taken for one that came before. A device that numbers at random would need a
//! range per report; beyond [`RANGES_MAX`] the oldest gap is given up, and a number below the
//! oldest range kept can no longer be told from a duplicate.

/// Most ranges kept for one (device, boot).
const RANGES_MAX: usize = 256;

/// What a number is to the ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    New,
    Duplicate,
    /// In a gap that was given up: new or not, nobody can tell.
    Unknowable,
}

/// Ranges of numbers seen, ascending, never touching each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Below this, gaps were given up.
    floor: u64,
    ranges: Vec<(u64, u64)>,
}

impl Seen {
    /// Notes `seq` and says what it was.
    pub(super) fn see(&mut self, seq: u64) -> Sight {
        let after = self.ranges.partition_point(|(_, last)| *last < seq);
        if let Some((first, _)) = self.ranges.get(after)
            && *first <= seq
        {
            return Sight::Duplicate;
        }
        if seq < self.floor {
            return Sight::Unknowable;
        }
        self.insert(after, seq);
        if self.ranges.len() > RANGES_MAX {
            let (_, last) = self.ranges.remove(0);
            self.floor = last.saturating_add(1);
        }
        Sight::New
    }

    /// Puts `seq` in front of the range at `after`, joining neighbours.
    fn insert(&mut self, after: usize, seq: u64) {
        let joins_before = after > 0 && self.ranges[after - 1].1.checked_add(1) == Some(seq);
        let joins_after = self
            .ranges
            .get(after)
            .is_some_and(|(first, _)| first - 1 == seq);
        match (joins_before, joins_after) {
            (true, true) => {
                self.ranges[after - 1].1 = self.ranges[after].1;
                self.ranges.remove(after);
            }
            (true, false) => self.ranges[after - 1].1 = seq,
            (false, true) => self.ranges[after].0 = seq,
            (false, false) => self.ranges.insert(after, (seq, seq)),
        }
    }

    /// `floor;first-last,first-last` as kept in the database.
    pub(super) fn to_text(&self) -> String {
        let ranges: Vec<_> = self
            .ranges
            .iter()
            .map(|(first, last)| format!("{first}-{last}"))
            .collect();
        format!("{};{}", self.floor, ranges.join(","))
    }

    /// `None` for a text this program did not write.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (floor, list) = text.split_once(';')?;
        let range = |part: &str| {
            let (first, last) = part.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let ranges = list.split(',').filter(|part| !part.is_empty()).map(range);
        Some(Self {
            floor: floor.parse().ok()?,
            ranges: ranges.collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_out_of_order_are_new_once() {
        let mut seen = Seen::default();
        let sights: Vec<_> = [1, 2, 5, 4, 5, 3, 3, 0]
            .iter()
            .map(|n| seen.see(*n))
            .collect();
        use Sight::{Duplicate as D, New as N};
        assert_eq!(sights, [N, N, N, N, D, N, D, N]);
        assert_eq!(seen.to_text(), "0;0-5");
    }

    #[test]
    fn the_largest_number_is_no_trap() {
        let mut seen = Seen::default();
        assert_eq!(seen.see(u64::MAX), Sight::New);
        assert_eq!(seen.see(u64::MAX), Sight::Duplicate);
        assert_eq!(seen.see(0), Sight::New);
    }

    #[test]
    fn a_gap_given_up_is_never_called_a_duplicate() {
        let mut seen = Seen::default();
        for n in 0..1_000 {
            assert_eq!(seen.see(n * 2), Sight::New);
        }
        assert_eq!(seen.see(1), Sight::Unknowable);
        assert_eq!(seen.see(1_997), Sight::New);
    }

    proptest! {
        #[test]
        fn ranges_agree_with_a_plain_set(numbers in prop::collection::vec(0u64..300, 0..400)) {
            let (mut seen, mut set) = (Seen::default(), HashSet::new());
            for n in numbers {
                let expected = if set.insert(n) { Sight::New } else { Sight::Duplicate };
                prop_assert_eq!(seen.see(n), expected);
                let kept = Seen::from_text(&seen.to_text());
                prop_assert_eq!(kept.as_ref(), Some(&seen));
            }
        }
    }
}
