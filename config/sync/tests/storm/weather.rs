//! What a storm is made of: how bad everything is, and when what breaks.

use rand::RngExt;
use rand::rngs::StdRng;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// How bad everything is.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) length_ms: u64,
    pub(crate) halls: usize,
    pub(crate) item_every_ms: u64,
    pub(crate) live_percent: u64,
    pub(crate) keys: u32,
    pub(crate) beat_every_ms: u64,
    pub(crate) delay_max_ms: u64,
    pub(crate) lost_percent: u64,
    pub(crate) twice_percent: u64,
    pub(crate) centre_fails_percent: u64,
    pub(crate) crash_per_100_000: u32,
    pub(crate) down_max_ms: u64,
    pub(crate) poison_per_10_000: u64,
    pub(crate) novel_percent: u64,
    pub(crate) old_until_ms: u64,
    faults: u64,
    restores: bool,
    clones: bool,
    centre_restores: bool,
}

/// What breaks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Cut { hall: usize, for_ms: u64 },
    Clog { hall: usize },
    Release { hall: usize },
    KillHall { hall: usize },
    KillCentre { for_ms: u64 },
    DiskFails { hall: usize, for_ms: u64 },
    ClockJumps { hall: usize, by_ms: i64 },
    BackUp { hall: usize },
    Restore { hall: usize },
    Clone { hall: usize },
    BackUpCentre,
    RestoreCentre,
}

impl Weather {
    pub(crate) fn of(rng: &mut StdRng) -> Self {
        let length_ms = match rng.random_range(0..10) {
            0..3 => rng.random_range(30 * SECOND..10 * 60 * SECOND),
            3..7 => rng.random_range(HOUR..DAY),
            _ => rng.random_range(DAY..14 * DAY),
        };
        // About so many items in all, whatever the length.
        let items = rng.random_range(50..3_000);
        let bad = rng.random_range(0..3_u64);
        Self {
            length_ms,
            halls: rng.random_range(1..=3),
            item_every_ms: (length_ms / items).max(1),
            live_percent: rng.random_range(0..40),
            keys: rng.random_range(1..200),
            beat_every_ms: (length_ms / 500).clamp(60 * SECOND, 300 * SECOND),
            delay_max_ms: [20, 500, 4_000][rng.random_range(0..3)],
            lost_percent: bad * rng.random_range(0..10),
            twice_percent: bad * rng.random_range(0..10),
            centre_fails_percent: bad * rng.random_range(0..5),
            crash_per_100_000: [0, 10, 1_000][rng.random_range(0..3)],
            down_max_ms: [2 * SECOND, 60 * SECOND, HOUR][rng.random_range(0..3)],
            poison_per_10_000: [0, 0, 20][rng.random_range(0..3)],
            novel_percent: [0, 0, 5][rng.random_range(0..3)],
            old_until_ms: rng.random_range(0..length_ms),
            faults: rng.random_range(0..30),
            restores: rng.random_range(0..4) == 0,
            clones: rng.random_range(0..6) == 0,
            centre_restores: rng.random_range(0..6) == 0,
        }
    }

    /// What breaks when.
    pub(crate) fn faults(&self, rng: &mut StdRng) -> Vec<(u64, Fault)> {
        let mut all = Vec::new();
        for _ in 0..self.faults {
            let at_ms = rng.random_range(0..self.length_ms);
            let hall = rng.random_range(0..self.halls);
            let for_ms = rng.random_range(1..self.length_ms / 3);
            all.push((at_ms, Self::one(rng, hall, for_ms)));
        }
        if rng.random_range(0..3) == 0 {
            self.swizzle(rng, &mut all);
        }
        if self.restores {
            let hall = rng.random_range(0..self.halls);
            let faults = [Fault::BackUp { hall }, Fault::Restore { hall }];
            Self::in_turn(rng, &mut all, self.length_ms, faults);
        }
        if self.centre_restores {
            // The next heartbeat tells a hall what the centre lost while an answer was on its way.
            let beats_ms = 3 * self.beat_every_ms;
            let end_ms = self.length_ms.saturating_sub(beats_ms).max(2);
            Self::in_turn(
                rng,
                &mut all,
                end_ms,
                [Fault::BackUpCentre, Fault::RestoreCentre],
            );
        }
        if self.clones {
            let hall = rng.random_range(0..self.halls);
            all.push((rng.random_range(0..self.length_ms), Fault::Clone { hall }));
        }
        all
    }

    fn one(rng: &mut StdRng, hall: usize, for_ms: u64) -> Fault {
        match rng.random_range(0..10) {
            0..3 => Fault::Cut { hall, for_ms },
            3..5 => Fault::KillHall { hall },
            5..7 => Fault::KillCentre {
                for_ms: for_ms.min(HOUR),
            },
            7..9 => Fault::DiskFails {
                hall,
                for_ms: for_ms.min(HOUR),
            },
            _ => Fault::ClockJumps {
                hall,
                by_ms: rng.random_range(-10 * DAY.cast_signed()..365 * DAY.cast_signed()),
            },
        }
    }

    /// Stops halls one by one and lets them go in another order.
    fn swizzle(&self, rng: &mut StdRng, all: &mut Vec<(u64, Fault)>) {
        let from_ms = rng.random_range(0..self.length_ms / 2);
        let middle_ms = rng.random_range(from_ms + 1..self.length_ms);
        for hall in 0..self.halls {
            all.push((rng.random_range(from_ms..middle_ms), Fault::Clog { hall }));
            let release = Fault::Release { hall };
            all.push((rng.random_range(middle_ms..self.length_ms), release));
        }
    }

    fn in_turn(rng: &mut StdRng, all: &mut Vec<(u64, Fault)>, end_ms: u64, faults: [Fault; 2]) {
        let first_ms = rng.random_range(0..end_ms - 1);
        all.push((first_ms, faults[0]));
        all.push((rng.random_range(first_ms + 1..end_ms), faults[1]));
    }

    /// Whether every matter has one effect at most: nothing is put back in time or doubled.
    pub(crate) fn is_plain(&self) -> bool {
        !(self.restores || self.clones || self.centre_restores)
    }
}
