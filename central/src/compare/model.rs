//! The period of a comparison and its measures.

use zhiban_kernel::web::{Result, WebError};
use zhiban_vocabulary::time::BusinessDay;

use crate::facts::{Tally, day_number};

/// Longest period, in days.
const DAYS_MAX: i64 = 366;

/// Days of the halls, both ends included, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: i64,
    pub to: i64,
}

impl Period {
    /// Reads a period; what is absent is `today`.
    ///
    /// # Errors
    /// When a day cannot be read, the end is before the begin, or the period is too long.
    pub fn parse(from: Option<&str>, to: Option<&str>, today: BusinessDay) -> Result<Self> {
        let from = parse_day("from", from)?.unwrap_or(day_number(today));
        let to = parse_day("to", to)?.unwrap_or(from.max(day_number(today)));
        if to < from {
            return Err(WebError::invalid("to", "is before from"));
        }
        if to - from >= DAYS_MAX {
            return Err(WebError::invalid("to", "at most 366 days can be compared"));
        }
        Ok(Self { from, to })
    }

    #[must_use]
    pub fn days(self) -> i64 {
        self.to - self.from + 1
    }
}

/// Reads a day of a request.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_day(field: &'static str, text: Option<&str>) -> Result<Option<i64>> {
    let parse = |text: &str| {
        text.parse::<BusinessDay>()
            .map(day_number)
            .map_err(|_| WebError::invalid(field, "expected a day like 2020-01-02"))
    };
    text.map(parse).transpose()
}

/// A figure that can be drawn over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Issued,
    Finished,
    NoShow,
    NoShowBp,
    Abandoned,
    WaitingP50,
    WaitingP90,
    HandlingP50,
    RatingMean,
    ClimateInBand,
}

impl Measure {
    /// All measures by the names their fields have in a row.
    pub const ALL: [(&'static str, Self); 10] = [
        ("issued", Self::Issued),
        ("finished", Self::Finished),
        ("no_show", Self::NoShow),
        ("no_show_bp", Self::NoShowBp),
        ("abandoned", Self::Abandoned),
        ("waiting_p50_s", Self::WaitingP50),
        ("waiting_p90_s", Self::WaitingP90),
        ("handling_p50_s", Self::HandlingP50),
        ("rating_mean_x100", Self::RatingMean),
        ("climate_in_band_bp", Self::ClimateInBand),
    ];

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, measure)| measure)
    }

    /// The figure of a sum; `None` when the sum does not tell.
    #[must_use]
    pub fn of(self, tally: &Tally) -> Option<u64> {
        match self {
            Self::Issued => Some(tally.issued),
            Self::Finished => Some(tally.finished),
            Self::NoShow => Some(tally.no_show),
            Self::NoShowBp => tally.no_show_bp(),
            Self::Abandoned => Some(tally.abandoned),
            Self::WaitingP50 => tally.waiting.percentile_s(5_000).map(u64::from),
            Self::WaitingP90 => tally.waiting.percentile_s(9_000).map(u64::from),
            Self::HandlingP50 => tally.handling.percentile_s(5_000).map(u64::from),
            Self::RatingMean => tally.rating_mean_x100(),
            Self::ClimateInBand => tally.climate_in_band_bp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_today_unless_said_otherwise_and_never_runs_backwards() {
        let today: BusinessDay = "2020-01-02".parse().unwrap();
        let check = |from, to| Period::parse(from, to, today).map(Period::days);
        assert_eq!(check(None, None).unwrap(), 1);
        assert_eq!(check(Some("2020-01-01"), None).unwrap(), 2);
        assert_eq!(check(Some("2020-01-01"), Some("2020-01-31")).unwrap(), 31);
        assert!(check(Some("2020-01-02"), Some("2020-01-01")).is_err());
        assert!(check(Some("2020-01-01"), Some("2022-01-01")).is_err());
        assert!(check(Some("02.01.2020"), None).is_err());
    }
}
