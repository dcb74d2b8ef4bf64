//! The only source of time: the real clock, or in a replay one that started at another day and may
//! run faster.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use zhiban_config::ReplayClock;

/// Tells the time of the hall.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Option<ReplayClock>);

impl Clock {
    #[must_use]
    pub fn new(replay: Option<ReplayClock>) -> Self {
        Self(replay)
    }

    /// The hall's time, kept to milliseconds because that is what the database keeps.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let real = Self::real_now();
        let Some(replay) = self.0 else { return real };
        let since_ms = real.as_millisecond() - replay.at.as_millisecond();
        let passed = SignedDuration::from_millis(since_ms.saturating_mul(replay.speed.into()));
        replay.start.checked_add(passed).unwrap_or(real)
    }

    /// The time outside, for sign-ins and logs, which are never replayed.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    pub fn real_now() -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Replayed seconds per real second; `None` on a real clock.
    #[must_use]
    pub fn replay_speed(&self) -> Option<u32> {
        self.0.map(|replay| replay.speed)
    }

    /// How long to really wait for `hall_time` to pass; at least 10 ms, so that no loop spins.
    #[must_use]
    pub fn real_wait(&self, hall_time: Duration) -> Duration {
        let speed = self.0.map_or(1, |replay| replay.speed.max(1));
        (hall_time / speed).max(Duration::from_millis(10))
    }
}

/// Milliseconds since 1970, as the database keeps times.
#[must_use]
pub fn to_ms(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// The time a database cell holds; out of range becomes the nearest end.
#[must_use]
pub fn from_ms(ms: i64) -> Timestamp {
    let nearest = if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_runs_from_its_start_at_its_speed() {
        let at = Clock::real_now()
            .checked_sub(SignedDuration::from_secs(10))
            .unwrap();
        let start: Timestamp = "2020-01-02T07:00:00Z".parse().unwrap();
        let clock = Clock::new(Some(ReplayClock {
            start,
            at,
            speed: 60,
        }));
        let passed_s = clock.now().as_second() - start.as_second();
        assert!((600..=660).contains(&passed_s), "{passed_s}");
        assert_eq!(
            clock.real_wait(Duration::from_secs(60)),
            Duration::from_secs(1)
        );
    }
}
