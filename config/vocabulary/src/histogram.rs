//! Durations in fixed buckets: sums of any number of halls merge exactly, and percentiles of the
//! merged whole are as good as those of one hall.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Number of buckets; the last is open above.
pub const BUCKETS: usize = 54;

/// Upper bounds in seconds, exclusive, of all buckets but the last. 60, 300 (the five-minute
/// promise, F-22), 600, 900, 1800 and 3600 are bounds, so shares below them are exact.
pub const BOUNDS_S: [u32; BUCKETS - 1] = bounds();

const fn bounds() -> [u32; BUCKETS - 1] {
    // (step, until) in seconds: fine where promises are made, coarse where nobody looks closely.
    const STEPS: [(u32, u32); 6] = [
        (10, 60),
        (20, 300),
        (60, 900),
        (180, 3600),
        (600, 7200),
        (1800, 14400),
    ];
    let mut bounds = [0; BUCKETS - 1];
    let (mut at, mut bound, mut step) = (0, 0, 0);
    while step < STEPS.len() {
        while bound < STEPS[step].1 {
            bound += STEPS[step].0;
            bounds[at] = bound;
            at += 1;
        }
        step += 1;
    }
    assert!(at == BUCKETS - 1);
    bounds
}

/// A mergeable distribution of durations in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct DurationHistogram {
    sum_s: u64,
    /// Bucket index to count; empty buckets are absent.
    buckets: BTreeMap<u8, u32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Wire {
    sum_s: u64,
    buckets: Vec<(u8, u32)>,
}

impl TryFrom<Wire> for DurationHistogram {
    type Error = String;
    fn try_from(wire: Wire) -> Result<Self, String> {
        Self::from_buckets(wire.sum_s, wire.buckets)
    }
}

impl From<DurationHistogram> for Wire {
    fn from(histogram: DurationHistogram) -> Self {
        Self {
            sum_s: histogram.sum_s,
            buckets: histogram.buckets.into_iter().collect(),
        }
    }
}

impl DurationHistogram {
    /// Puts together what [`DurationHistogram::sum_s`] and [`DurationHistogram::buckets`] took
    /// apart.
    ///
    /// # Errors
    /// When a bucket does not exist or is given twice.
    pub fn from_buckets(
        sum_s: u64,
        counts: impl IntoIterator<Item = (u8, u32)>,
    ) -> Result<Self, String> {
        let mut buckets = BTreeMap::new();
        for (bucket, count) in counts {
            if usize::from(bucket) >= BUCKETS {
                return Err(format!("histogram bucket {bucket} is not below {BUCKETS}"));
            }
            if count > 0 && buckets.insert(bucket, count).is_some() {
                return Err(format!("histogram bucket {bucket} is given twice"));
            }
        }
        Ok(Self { sum_s, buckets })
    }

    /// Buckets that hold something, lowest first, with their counts.
    pub fn buckets(&self) -> impl Iterator<Item = (u8, u32)> + '_ {
        self.buckets.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Adds one duration.
    pub fn record(&mut self, seconds: u32) {
        let bucket = BOUNDS_S.partition_point(|bound| *bound <= seconds);
        self.sum_s += u64::from(seconds);
        // BUCKETS fits a byte, and partition_point is at most BUCKETS - 1.
        *self
            .buckets
            .entry(u8::try_from(bucket).unwrap_or(u8::MAX))
            .or_default() += 1;
    }

    /// Adds another distribution. Commutative and associative: any tree of halls gives the same.
    pub fn merge(&mut self, other: &Self) {
        self.sum_s += other.sum_s;
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// Takes away what was merged before. Saturates at empty: a caller that takes away what was
    /// never added has already lost count.
    pub fn unmerge(&mut self, other: &Self) {
        self.sum_s = self.sum_s.saturating_sub(other.sum_s);
        for (bucket, count) in &other.buckets {
            let left = self.buckets.entry(*bucket).or_default();
            *left = left.saturating_sub(*count);
            if *left == 0 {
                self.buckets.remove(bucket);
            }
        }
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.values().map(|count| u64::from(*count)).sum()
    }

    /// Exact sum in seconds.
    #[must_use]
    pub fn sum_s(&self) -> u64 {
        self.sum_s
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Mean in whole seconds; `None` when nothing was recorded (no data is not zero).
    #[must_use]
    pub fn mean_s(&self) -> Option<u32> {
        let count = self.count();
        (count > 0).then(|| u32::try_from(self.sum_s / count).unwrap_or(u32::MAX))
    }

    /// Duration below which `share_bp` basis points of all lie, linear inside its bucket; at most
    /// one bucket width from the exact value. `None` when nothing was recorded. In the open last
    /// bucket its lower bound is given.
    #[must_use]
    pub fn percentile_s(&self, share_bp: u32) -> Option<u32> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        // The rank is one-based and rounded up: the 50th percentile of two values is the first.
        let rank = (count * u64::from(share_bp))
            .div_ceil(10_000)
            .clamp(1, count);
        let mut below = 0;
        for (bucket, in_bucket) in &self.buckets {
            let in_bucket = u64::from(*in_bucket);
            if below + in_bucket >= rank {
                let (from_s, to_s) = edges(usize::from(*bucket));
                let inside = u64::from(to_s - from_s) * (rank - below) / (in_bucket + 1);
                return u32::try_from(u64::from(from_s) + inside).ok();
            }
            below += in_bucket;
        }
        None
    }

    /// How many lie below `bound_s`, exact when it is one of [`BOUNDS_S`].
    #[must_use]
    pub fn count_below(&self, bound_s: u32) -> u64 {
        let end = BOUNDS_S.partition_point(|bound| *bound <= bound_s);
        let whole = |bucket: &u8| usize::from(*bucket) < end;
        self.buckets
            .iter()
            .filter(|(b, _)| whole(b))
            .map(|(_, n)| u64::from(*n))
            .sum()
    }
}

/// Lower and upper bound of a bucket in seconds; the open last bucket has no width.
fn edges(bucket: usize) -> (u32, u32) {
    let from_s = if bucket == 0 { 0 } else { BOUNDS_S[bucket - 1] };
    (from_s, BOUNDS_S.get(bucket).copied().unwrap_or(from_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(durations: &[u32]) -> DurationHistogram {
        let mut histogram = DurationHistogram::default();
        durations
            .iter()
            .for_each(|seconds| histogram.record(*seconds));
        histogram
    }

    #[test]
    fn promises_fall_on_bucket_bounds() {
        for promise_s in [60, 300, 600, 900, 1800, 3600] {
            assert!(BOUNDS_S.contains(&promise_s), "{promise_s}");
        }
        assert_eq!(of(&[299, 300, 301]).count_below(300), 1);
    }

    #[test]
    fn nothing_recorded_has_no_percentile_and_no_mean() {
        assert_eq!(of(&[]).percentile_s(5_000), None);
        assert_eq!(of(&[]).mean_s(), None);
    }

    #[test]
    fn a_wire_form_with_a_wrong_bucket_is_refused() {
        for bad in [
            r#"{"sum_s":1,"buckets":[[54,1]]}"#,
            r#"{"sum_s":1,"buckets":[[1,1],[1,1]]}"#,
        ] {
            assert!(
                serde_json::from_str::<DurationHistogram>(bad).is_err(),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn merging_parts_equals_recording_all(
            a in prop::collection::vec(0u32..20_000, 0..60),
            b in prop::collection::vec(0u32..20_000, 0..60),
        ) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let all: Vec<u32> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&merged, &of(&all));
            let mut other_way = of(&b);
            other_way.merge(&of(&a));
            prop_assert_eq!(&merged, &other_way);
            merged.unmerge(&of(&b));
            prop_assert_eq!(merged, of(&a));
        }

        #[test]
        fn a_percentile_is_at_most_one_bucket_from_the_exact_one(
            mut all in prop::collection::vec(0u32..14_000, 1..80),
            share_bp in 1u32..=10_000,
        ) {
            let histogram = of(&all);
            all.sort_unstable();
            let rank = (all.len() as u64 * u64::from(share_bp)).div_ceil(10_000) as usize;
            let exact = all[rank.clamp(1, all.len()) - 1];
            let bucket = BOUNDS_S.partition_point(|bound| *bound <= exact);
            let (from_s, to_s) = edges(bucket);
            let estimate = histogram.percentile_s(share_bp).unwrap();
            prop_assert!((from_s..=to_s).contains(&estimate), "{estimate} for {exact}");
        }

        #[test]
        fn the_wire_form_reads_back(all in prop::collection::vec(0u32..20_000, 0..60)) {
            let histogram = of(&all);
            let text = serde_json::to_string(&histogram).unwrap();
            prop_assert_eq!(serde_json::from_str::<DurationHistogram>(&text).unwrap(), histogram);
        }
    }
}
