//! When air counts, and when it is good.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use zhiban_config::GatewayConfig;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::facts::ClimateSums;
use zhiban_vocabulary::time::BusinessDay;

use crate::documents;

/// Length of the windows the band is judged by, in minutes.
pub(super) const WINDOW_MIN: u32 = 5;
pub(super) const WINDOW_MS: i64 = 5 * 60 * 1_000;

/// The band, in tenths of a degree and inclusive, and the opening time it holds in.
#[derive(Debug, Clone)]
pub struct Rule {
    hall: StoreId,
    low: i64,
    high: i64,
    opens: Time,
    closes: Time,
    zone: TimeZone,
}

/// Samples of five minutes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) samples: u32,
    pub(super) sum_tenths: i64,
}

impl Rule {
    #[must_use]
    pub fn new(config: &GatewayConfig) -> Self {
        Self {
            hall: config.hall.store.clone(),
            low: config.climate.band_low.0.into(),
            high: config.climate.band_high.0.into(),
            opens: config.hall.opens,
            closes: config.hall.closes,
            zone: config.hall.zone(),
        }
    }

    /// The rule as it holds on a day: the organization's thresholds come above `gateway.toml`. A band
    /// without anything in it is passed over.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn on(&self, connection: &Connection, day: BusinessDay) -> rusqlite::Result<Self> {
        let levels = documents::thresholds(connection, &self.hall, day.0)?;
        let of = |name| {
            let level = levels.iter().find(|level| level.name == name);
            level.and_then(|level| level.value)
        };
        let mut rule = self.clone();
        let low = of("climate-low-tenths").unwrap_or(rule.low);
        let high = of("climate-high-tenths").unwrap_or(rule.high);
        if low <= high {
            (rule.low, rule.high) = (low, high);
        }
        Ok(rule)
    }

    /// Whether a temperature in tenths of a degree is inside the band.
    #[must_use]
    pub fn holds(&self, tenths: i32) -> bool {
        (self.low..=self.high).contains(&i64::from(tenths))
    }

    pub(super) fn day(&self, at: Timestamp) -> BusinessDay {
        BusinessDay::of(at, &self.zone)
    }

    /// What the windows of one quarter hour add up to (F-32).
    pub(super) fn sum(&self, windows: &[Window]) -> ClimateSums {
        let mut sums = ClimateSums::default();
        for window in windows.iter().filter(|window| window.samples > 0) {
            sums.samples += window.samples;
            sums.temperature_sum_tenths += window.sum_tenths;
            if !self.is_open(window.start) {
                continue;
            }
            sums.measured_min += WINDOW_MIN;
            // low ≤ sum ÷ samples ≤ high, without dividing.
            let samples = i64::from(window.samples);
            let inside = (self.low * samples..=self.high * samples).contains(&window.sum_tenths);
            sums.in_band_min += if inside { WINDOW_MIN } else { 0 };
        }
        sums
    }

    fn is_open(&self, at: Timestamp) -> bool {
        let day = self.day(at);
        (day.at(self.opens, &self.zone)..day.at(self.closes, &self.zone)).contains(&at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        let time = |hour| jiff::civil::time(hour, 0, 0, 0);
        Rule {
            hall: "wola".parse().unwrap(),
            low: 200,
            high: 240,
            opens: time(8),
            closes: time(18),
            zone: TimeZone::UTC,
        }
    }

    fn window(clock: &str, samples: &[i64]) -> Window {
        Window {
            start: format!("2020-01-02T{clock}:00Z").parse().unwrap(),
            samples: u32::try_from(samples.len()).unwrap(),
            sum_tenths: samples.iter().sum(),
        }
    }

    #[test]
    fn five_minute_means_at_the_edge_are_inside() {
        let windows = [
            window("08:00", &[200, 200]),
            window("08:05", &[199, 200]),
            window("08:10", &[240, 240]),
            window("08:15", &[241, 240]),
            window("08:20", &[180, 260]),
        ];
        let sums = rule().sum(&windows);
        assert_eq!(
            (sums.measured_min, sums.in_band_min, sums.samples),
            (25, 15, 10)
        );
    }

    #[test]
    fn nights_and_silence_count_for_nothing() {
        let windows = [
            window("07:55", &[220]),
            window("18:00", &[220]),
            window("09:00", &[]),
        ];
        let sums = rule().sum(&windows);
        assert_eq!((sums.measured_min, sums.in_band_min), (0, 0));
    }
}
