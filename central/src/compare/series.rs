//! One measure of a few halls over time: by hours in short periods, else by days.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use zhiban_kernel::sql::{Result, Sql};

use super::model::{Measure, Period};
use super::rows::Hours;
use crate::facts::{self, Tally};
use crate::stores::Hall;

/// Periods up to this many days are drawn by hours.
const DAYS_BY_HOUR_MAX: i64 = 2;

/// Times of the points, on the wall clock of the centre; each hall's day lies at the same points
/// by its own clock.
pub(super) fn points(period: Period, zone: &TimeZone) -> Vec<Timestamp> {
    if period.days() <= DAYS_BY_HOUR_MAX {
        let hours = Hours::new(period, zone);
        return (0..hours.count).map(|hour| hours.start(hour)).collect();
    }
    (period.from..=period.to)
        .map(|day| facts::day_of(day).at(Time::midnight(), zone))
        .collect()
}

/// The values of one hall; absent where nothing was received.
pub(super) fn values(
    sql: &dyn Sql,
    hall: &Hall,
    period: Period,
    measure: Measure,
    count: usize,
) -> Result<Vec<Option<u64>>> {
    let tallies = if period.days() <= DAYS_BY_HOUR_MAX {
        by_hour(sql, hall, period, count)?
    } else {
        by_day(sql, hall, period, count)?
    };
    let value = |tally: &Option<Tally>| tally.as_ref().and_then(|tally| measure.of(tally));
    Ok(tallies.iter().map(value).collect())
}

fn by_day(sql: &dyn Sql, hall: &Hall, period: Period, count: usize) -> Result<Vec<Option<Tally>>> {
    let mut points = vec![None; count];
    for day in facts::hall_days(sql, &hall.store, period.from, period.to)? {
        let at = usize::try_from(day.day - period.from).ok();
        if let Some(point) = at.and_then(|at| points.get_mut(at)) {
            *point = Some(day.tally);
        }
    }
    Ok(points)
}

fn by_hour(sql: &dyn Sql, hall: &Hall, period: Period, count: usize) -> Result<Vec<Option<Tally>>> {
    let hours = Hours::new(period, &hall.zone().unwrap_or(TimeZone::UTC));
    let mut points: Vec<Option<Tally>> = vec![None; count];
    let mut add = |slot: i64, tally: &Tally| {
        let hour = hours.of(slot);
        if let Some(point) = hour.and_then(|hour| points.get_mut(hour)) {
            point.get_or_insert_with(Tally::default).merge(tally);
        }
    };
    let (store, Period { from, to }) = (&hall.store, period);
    for day in from..=to {
        for (slot, _) in facts::hall_slots(sql, store, day)? {
            add(slot, &Tally::default());
        }
    }
    for fact in facts::queue_slots(sql, store, from, to)? {
        add(fact.slot, &fact.tally);
    }
    for air in facts::air_slots(sql, store, from, to)? {
        let tally = Tally {
            climate_measured_min: air.sums.measured_min.into(),
            climate_in_band_min: air.sums.in_band_min.into(),
            ..Tally::default()
        };
        add(air.slot, &tally);
    }
    Ok(points)
}
