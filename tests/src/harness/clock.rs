//! Real time, for the outside of the programs: what to wait for and where a replay stands.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The time on the wall here.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the outside of a replay runs at real time"
)]
pub fn real_now() -> Timestamp {
    Timestamp::now()
}

/// The `[clock]` section of a replay: now = start + (real now - at) × speed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ReplayClock {
    pub start: Timestamp,
    pub at: Timestamp,
    pub speed: u32,
}

impl ReplayClock {
    /// A replay that begins now.
    #[must_use]
    pub fn from_now(start: Timestamp, speed: u32) -> Self {
        Self {
            start,
            at: real_now(),
            speed,
        }
    }

    /// Puts it into a configuration.
    ///
    /// # Panics
    /// Never: its fields are plain.
    pub fn put(&self, config: &mut toml::Table) {
        let table = toml::Value::try_from(self).expect("a plain table");
        config.insert("clock".into(), table);
    }

    /// Where the replay stands.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since_ms = real_now().as_millisecond() - self.at.as_millisecond();
        let passed = SignedDuration::from_millis(since_ms.saturating_mul(self.speed.into()));
        self.start.saturating_add(passed).unwrap_or(self.start)
    }

    /// How long until the replay gets to `hall_time`; zero when it is there.
    #[must_use]
    pub fn wait_for(&self, hall_time: Timestamp) -> Duration {
        let ahead_ms = hall_time.as_millisecond() - self.start.as_millisecond();
        let real_ms = self.at.as_millisecond() + ahead_ms.div_euclid(self.speed.max(1).into());
        let wait_ms = real_ms - real_now().as_millisecond();
        Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_the_inverse_of_replaying() {
        let start: Timestamp = "2020-01-02T07:00:00Z".parse().unwrap();
        let clock = ReplayClock {
            start,
            at: real_now(),
            speed: 60,
        };
        let wait = clock.wait_for("2020-01-02T08:00:00Z".parse().unwrap());
        assert!((59..=60).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(
            clock.wait_for("2020-01-01T00:00:00Z".parse().unwrap()),
            Duration::ZERO
        );
        let passed_s = clock.now().as_second() - start.as_second();
        assert!((0..60).contains(&passed_s));
    }
}
