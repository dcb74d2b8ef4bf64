//! Sums that add up over any set of slots, days and halls.

use zhiban_vocabulary::facts::{CounterSums, QueueSums};
use zhiban_vocabulary::histogram::{BUCKETS, DurationHistogram};

use super::pack;
use super::slots::SlotSet;

/// A histogram with every bucket in place, so that thousands of packed ones are added quickly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    sum_s: u64,
    buckets: [u32; BUCKETS],
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            sum_s: 0,
            buckets: [0; BUCKETS],
        }
    }
}

impl Durations {
    pub fn merge(&mut self, other: &Self) {
        self.sum_s = self.sum_s.saturating_add(other.sum_s);
        for (own, more) in self.buckets.iter_mut().zip(other.buckets) {
            *own = own.saturating_add(more);
        }
    }

    /// Adds a packed histogram; `None` when its bytes are damaged, and then nothing sensible is in
    /// here.
    pub(super) fn merge_packed(&mut self, bytes: &[u8]) -> Option<()> {
        let mut known = true;
        let sum_s = pack::unpack(bytes, |bucket, count| {
            match self.buckets.get_mut(usize::from(bucket)) {
                Some(own) => *own = own.saturating_add(count),
                None => known = false,
            }
        })?;
        self.sum_s = self.sum_s.saturating_add(sum_s);
        known.then_some(())
    }

    pub(super) fn packed(&self) -> Vec<u8> {
        pack::parts(self.sum_s, self.filled())
    }

    fn filled(&self) -> impl Iterator<Item = (u8, u32)> + '_ {
        let counts = self.buckets.iter().copied().zip(0_u8..);
        counts
            .filter(|(count, _)| *count > 0)
            .map(|(count, bucket)| (bucket, count))
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|count| u64::from(*count)).sum()
    }

    /// As [`DurationHistogram::percentile_s`].
    #[must_use]
    pub fn percentile_s(&self, share_bp: u32) -> Option<u32> {
        // Buckets come once each and in range, so this cannot be refused.
        let histogram = DurationHistogram::from_buckets(self.sum_s, self.filled()).ok()?;
        histogram.percentile_s(share_bp)
    }
}

impl From<&DurationHistogram> for Durations {
    fn from(histogram: &DurationHistogram) -> Self {
        let mut all = Self {
            sum_s: histogram.sum_s(),
            ..Self::default()
        };
        for (bucket, count) in histogram.buckets() {
            all.buckets[usize::from(bucket)] = count;
        }
        all
    }
}

/// How many ticket counts there are; the columns that hold them come in the order of `counts`.
pub(super) const COUNTS: usize = 8;

/// Sums of tickets and air.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub issued: u64,
    pub called: u64,
    pub started: u64,
    pub finished: u64,
    pub no_show: u64,
    pub transferred: u64,
    pub cancelled: u64,
    pub abandoned: u64,
    pub waiting: Durations,
    pub handling: Durations,
    /// By score, worst first.
    pub ratings: [u64; 5],
    pub climate_measured_min: u64,
    pub climate_in_band_min: u64,
}

impl Tally {
    pub(super) fn counts(&self) -> [u64; COUNTS] {
        [
            self.issued,
            self.called,
            self.started,
            self.finished,
            self.no_show,
            self.transferred,
            self.cancelled,
            self.abandoned,
        ]
    }

    pub(super) fn counts_mut(&mut self) -> [&mut u64; COUNTS] {
        [
            &mut self.issued,
            &mut self.called,
            &mut self.started,
            &mut self.finished,
            &mut self.no_show,
            &mut self.transferred,
            &mut self.cancelled,
            &mut self.abandoned,
        ]
    }

    /// Adds another sum. Commutative and associative: any tree of halls gives the same.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts_mut().into_iter().zip(other.counts()) {
            *own = own.saturating_add(more);
        }
        for (own, more) in self.ratings.iter_mut().zip(other.ratings) {
            *own = own.saturating_add(more);
        }
        self.waiting.merge(&other.waiting);
        self.handling.merge(&other.handling);
        self.climate_measured_min += other.climate_measured_min;
        self.climate_in_band_min += other.climate_in_band_min;
    }

    /// Tickets somebody rated.
    #[must_use]
    pub fn rated(&self) -> u64 {
        self.ratings.iter().sum()
    }

    /// Mean score times 100; `None` when nobody rated.
    #[must_use]
    pub fn rating_mean_x100(&self) -> Option<u64> {
        let points: u64 = self
            .ratings
            .iter()
            .zip(1..)
            .map(|(n, score)| n * score)
            .sum();
        (points * 100).checked_div(self.rated())
    }

    /// Share of customers who did not come, of those who were called to the end; `None` when
    /// there were none.
    #[must_use]
    pub fn no_show_bp(&self) -> Option<u64> {
        (self.no_show * 10_000).checked_div(self.finished + self.no_show)
    }

    #[must_use]
    pub fn climate_in_band_bp(&self) -> Option<u64> {
        (self.climate_in_band_min * 10_000).checked_div(self.climate_measured_min)
    }
}

impl From<&QueueSums> for Tally {
    fn from(sums: &QueueSums) -> Self {
        Self {
            issued: sums.issued.into(),
            called: sums.called.into(),
            started: sums.started.into(),
            finished: sums.finished.into(),
            no_show: sums.no_show.into(),
            transferred: sums.transferred.into(),
            cancelled: sums.cancelled.into(),
            abandoned: sums.abandoned.into(),
            waiting: (&sums.waiting).into(),
            handling: (&sums.handling).into(),
            ratings: sums.ratings.map(u64::from),
            ..Self::default()
        }
    }
}

/// One hall and day of the roll-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HallDay {
    pub day: i64,
    pub tally: Tally,
    /// Quarter hours the hall has stated, by place.
    pub slots: SlotSet,
    /// Tickets issued in each quarter hour that had some, by place.
    pub issued: Vec<(u8, u32)>,
}

/// What of a day cannot be added to other days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLine {
    pub day: i64,
    /// Quarter hours the hall has stated, by place.
    pub slots: SlotSet,
    /// Tickets issued in each quarter hour that had some, by place.
    pub issued: Vec<(u8, u32)>,
}

/// One quarter hour, queue and class as stated.
#[derive(Debug, Clone)]
pub struct QueueSlot {
    pub slot: i64,
    pub queue: String,
    pub version: u32,
    pub tally: Tally,
}

/// One counter and person over a day as stated.
#[derive(Debug, Clone)]
pub struct CounterRow {
    pub counter: String,
    pub staff: Option<String>,
    pub sums: CounterSums,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(durations: &[u32]) -> DurationHistogram {
        let mut histogram = DurationHistogram::default();
        durations.iter().for_each(|s| histogram.record(*s));
        histogram
    }

    fn hall() -> impl Strategy<Value = QueueSums> {
        let durations = || prop::collection::vec(0_u32..20_000, 0..20);
        let counts = prop::array::uniform3(0_u32..500);
        let ratings = prop::array::uniform5(0_u32..50);
        (counts, ratings, durations(), durations()).prop_map(
            |([issued, finished, no_show], ratings, waiting, handling)| QueueSums {
                issued,
                finished,
                no_show,
                ratings,
                waiting: histogram(&waiting),
                handling: histogram(&handling),
                ..QueueSums::default()
            },
        )
    }

    fn merged<'t>(tallies: impl Iterator<Item = &'t Tally>) -> Tally {
        tallies.fold(Tally::default(), |mut all, tally| {
            all.merge(tally);
            all
        })
    }

    proptest! {
        #[test]
        fn merging_cities_equals_merging_all_halls(
            halls in prop::collection::vec(hall(), 0..8),
            cut in 0_usize..8,
        ) {
            let tallies: Vec<Tally> = halls.iter().map(Tally::from).collect();
            let (one, other) = tallies.split_at(cut.min(tallies.len()));
            let all = merged(tallies.iter());
            prop_assert_eq!(&merged([merged(other.iter()), merged(one.iter())].iter()), &all);
            // The vocabulary's own merge says the same.
            let mut sums = QueueSums::default();
            halls.iter().for_each(|hall| sums.merge(hall));
            prop_assert_eq!(&Tally::from(&sums), &all);
            for share_bp in [5_000, 9_000] {
                prop_assert_eq!(all.waiting.percentile_s(share_bp), sums.waiting.percentile_s(share_bp));
            }
        }

        #[test]
        fn durations_survive_packing(all in prop::collection::vec(0_u32..20_000, 0..60)) {
            let durations = Durations::from(&histogram(&all));
            let mut unpacked = Durations::default();
            prop_assert_eq!(unpacked.merge_packed(&durations.packed()), Some(()));
            prop_assert_eq!(unpacked, durations);
        }
    }

    #[test]
    fn no_data_has_no_rate() {
        let nothing = Tally::default();
        assert_eq!(nothing.rating_mean_x100(), None);
        assert_eq!(nothing.no_show_bp(), None);
        assert_eq!(nothing.climate_in_band_bp(), None);
        assert_eq!(nothing.waiting.percentile_s(5_000), None);
    }
}
