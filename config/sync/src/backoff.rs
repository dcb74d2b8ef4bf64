//! When to try again.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Doubles with each failure and is never the same for two halls.
#[derive(Debug)]
pub(crate) struct Backoff {
    first_ms: u64,
    max_ms: u64,
    next_ms: u64,
    rng: StdRng,
}

impl Backoff {
    pub(crate) fn new(first_ms: u64, max_ms: u64, seed: u64) -> Self {
        Self {
            first_ms,
            max_ms,
            next_ms: first_ms,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// The pause after one more failure.
    pub(crate) fn fail(&mut self) -> u64 {
        let pause = self.jittered(self.next_ms);
        self.next_ms = (self.next_ms * 2).min(self.max_ms);
        pause
    }

    pub(crate) fn succeed(&mut self) {
        self.next_ms = self.first_ms;
    }

    /// Half to one and a half times as long, so that halls do not come back in step.
    pub(crate) fn jittered(&mut self, pause_ms: u64) -> u64 {
        let half = pause_ms / 2;
        half + self.rng.random_range(0..=pause_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(500, 30_000, 1);
        let pauses: Vec<u64> = (0..10).map(|_| backoff.fail()).collect();
        assert!((250..=750).contains(&pauses[0]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= 45_000), "{pauses:?}");
        assert!(pauses[7..].iter().all(|pause| *pause >= 15_000));
        backoff.succeed();
        assert!(backoff.fail() <= 750);
    }

    #[test]
    fn two_halls_do_not_come_back_in_step() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(500, 30_000, seed);
            (0..5).map(|_| backoff.fail()).collect::<Vec<_>>()
        };
        assert_ne!(pauses(1), pauses(2));
        assert_eq!(pauses(1), pauses(1));
    }
}
