//! Business days and quarter hours, the two grains of time every figure is kept in.

use std::fmt;
use std::str::FromStr;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Seconds in a quarter hour.
pub const QUARTER_S: i64 = 900;

/// The local calendar day a hall books its work on (营业日).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct BusinessDay(pub civil::Date);

impl BusinessDay {
    /// The day of `time` on a clock hanging in the hall.
    #[must_use]
    pub fn of(time: Timestamp, zone: &TimeZone) -> Self {
        Self(time.to_zoned(zone.clone()).date())
    }

    /// The instant of `clock_time` on this day in the hall's zone. In a gap of the zone
    /// (clocks put forward) the later reading is taken.
    #[must_use]
    pub fn at(self, clock_time: civil::Time, zone: &TimeZone) -> Timestamp {
        zone.to_ambiguous_timestamp(self.0.to_datetime(clock_time))
            .compatible()
            .unwrap_or(Timestamp::MAX)
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(civil::Date::MAX))
    }
}

impl fmt::Display for BusinessDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for BusinessDay {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse().map(Self)
    }
}

/// A quarter hour, named by its start. Aligned to UTC, which is aligned to every wall clock whose
/// offset is a multiple of 15 minutes (all civil zones in use).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct QuarterHour(Timestamp);

impl QuarterHour {
    /// The quarter hour that contains `time`.
    #[must_use]
    pub fn containing(time: Timestamp) -> Self {
        let start_s = time.as_second().div_euclid(QUARTER_S) * QUARTER_S;
        Self(Timestamp::from_second(start_s).unwrap_or(Timestamp::MIN))
    }

    #[must_use]
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// The first instant after this quarter hour.
    #[must_use]
    pub fn end(self) -> Timestamp {
        Timestamp::from_second(self.0.as_second() + QUARTER_S).unwrap_or(Timestamp::MAX)
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.end())
    }
}

/// Whole seconds from `from` to `to`, never below zero and at most `u32::MAX`.
#[must_use]
pub fn elapsed_s(from: Timestamp, to: Timestamp) -> u32 {
    let seconds = to.as_second() - from.as_second();
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_hour_contains_its_start_and_not_its_end() {
        let slot = QuarterHour::containing("2020-01-02T08:14:59.999Z".parse().unwrap());
        assert_eq!(slot.start(), "2020-01-02T08:00:00Z".parse().unwrap());
        assert_eq!(QuarterHour::containing(slot.end()), slot.next());
        let before_epoch = QuarterHour::containing("1969-12-31T23:59:59Z".parse().unwrap());
        assert_eq!(
            before_epoch.start(),
            "1969-12-31T23:45:00Z".parse().unwrap()
        );
    }

    #[test]
    fn a_business_day_follows_the_clock_on_the_wall() {
        let shanghai = TimeZone::fixed(jiff::tz::offset(8));
        let late = "2020-01-02T16:30:00Z".parse().unwrap();
        assert_eq!(BusinessDay::of(late, &shanghai).to_string(), "2020-01-03");
        let day: BusinessDay = "2020-01-03".parse().unwrap();
        let opening = day.at(civil::time(8, 0, 0, 0), &shanghai);
        assert_eq!(opening, "2020-01-03T00:00:00Z".parse().unwrap());
    }
}
