//! One line for each hall over a period, from the roll-ups.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zhiban_kernel::sql::{Result, Sql};
use zhiban_vocabulary::facts::HallProfile;
use zhiban_vocabulary::time::{BusinessDay, QUARTER_S, QuarterHour};

use super::due::{Calendar, Fresh, Moment};
use super::model::Period;
use crate::facts::{
    self, DayLine, HallPeriod, Tally, day_number, first_slot, slot_number, slot_of,
};
use crate::stores::Hall;

/// Most points of a sparkline.
const POINTS_MAX: i64 = 48;
const SLOTS_PER_HOUR: i64 = 4;

/// What is known of one hall over a period.
#[derive(Debug, Clone)]
pub struct HallRow {
    pub hall: Hall,
    /// Absent when nothing was received.
    pub tally: Option<Tally>,
    /// Absent until the hall has said when it is open.
    pub slots_expected: Option<u32>,
    pub slots_received: u32,
    /// End of the latest quarter hour that came.
    pub data_through: Option<Timestamp>,
    pub fresh: Fresh,
    /// Tickets issued by hour (or day, in long periods); absent where nothing came.
    pub sparkline: Vec<Option<u64>>,
}

impl HallRow {
    /// Whether all facts of the period that are due are here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.slots_expected == Some(self.slots_received)
    }
}

/// Halls over a period, in the order given.
///
/// # Errors
/// When the database refuses.
pub fn rows(
    sql: &dyn Sql,
    halls: impl IntoIterator<Item = Hall>,
    moment: Moment,
    period: Period,
) -> Result<Vec<HallRow>> {
    let mut known = facts::all_periods(sql, period.from, period.to)?;
    let mut calendars = Calendars::new(moment, period);
    let row = |hall: Hall| {
        let known = known.remove(hall.store.as_str()).unwrap_or_default();
        row(hall, known, &mut calendars)
    };
    Ok(halls.into_iter().map(row).collect())
}

/// One hall over a period.
///
/// # Errors
/// When the database refuses.
pub fn row_of(sql: &dyn Sql, hall: Hall, moment: Moment, period: Period) -> Result<HallRow> {
    let known = facts::hall_period(sql, &hall.store, period.from, period.to)?;
    Ok(row(hall, known, &mut Calendars::new(moment, period)))
}

/// Opening hours of the period, made once for all halls that share them.
struct Calendars {
    moment: Moment,
    period: Period,
    known: HashMap<(String, jiff::civil::Time, jiff::civil::Time), Calendar>,
}

impl Calendars {
    fn new(moment: Moment, period: Period) -> Self {
        Self {
            moment,
            period,
            known: HashMap::new(),
        }
    }

    fn of(&mut self, profile: &HallProfile) -> &Calendar {
        let key = (profile.time_zone.clone(), profile.opens, profile.closes);
        let Period { from, to } = self.period;
        let due_before = self.moment.due_before();
        self.known
            .entry(key)
            .or_insert_with(|| Calendar::new(profile, from, to, due_before))
    }
}

fn row(hall: Hall, known: HallPeriod, calendars: &mut Calendars) -> HallRow {
    let HallPeriod { tally, days } = known;
    let zone = hall.zone().unwrap_or(TimeZone::UTC);
    let expected = hall
        .profile
        .as_ref()
        .map(|profile| count(calendars.of(profile), Birth::of(&hall, &zone, &days), &days));
    let (slots_expected, slots_received) = match expected {
        Some((expected, received)) => (Some(expected), received),
        None => (None, days.iter().map(|day| day.slots.count()).sum()),
    };
    let missing = slots_expected.is_some_and(|expected| expected > slots_received);
    HallRow {
        fresh: calendars.moment.fresh(hall.last_seen, missing),
        sparkline: sparkline(&days, calendars.period, &zone),
        data_through: data_through(&days),
        slots_expected,
        slots_received,
        tally,
        hall,
    }
}

/// When a hall began: it owes nothing of before.
#[derive(Debug, Clone, Copy)]
struct Birth {
    day: i64,
    slot: i64,
}

impl Birth {
    /// The centre may have heard of it later than it began to work.
    fn of(hall: &Hall, zone: &TimeZone, days: &[DayLine]) -> Self {
        let seen = day_number(BusinessDay::of(hall.first_seen, zone));
        let day = hall.first_day.map_or(seen, |first| first.min(seen));
        let first = days.iter().find(|line| line.day == day);
        let stated = first.and_then(|line| Some(first_slot(day) + i64::from(line.slots.first()?)));
        let heard = slot_number(QuarterHour::containing(hall.first_seen));
        let slot = match stated {
            Some(stated) if day < seen => stated,
            Some(stated) => stated.min(heard),
            None if day < seen => first_slot(day),
            None => heard,
        };
        Self { day, slot }
    }
}

fn count(calendar: &Calendar, birth: Birth, days: &[DayLine]) -> (u32, u32) {
    let stated: HashMap<i64, _> = days.iter().map(|day| (day.day, day.slots)).collect();
    let of_day = |day| stated.get(&day).copied().unwrap_or_default();
    calendar
        .days()
        .filter(|day| *day >= birth.day)
        .map(|day| calendar.count(day, birth.slot, of_day(day)))
        .fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1))
}

/// End of the latest quarter hour stated.
pub(crate) fn data_through(days: &[DayLine]) -> Option<Timestamp> {
    let last = days.iter().rev().find_map(|day| {
        let place = day.slots.last()?;
        Some(first_slot(day.day) + i64::from(place))
    });
    last.map(|slot| slot_of(slot).end())
}

fn sparkline(days: &[DayLine], period: Period, zone: &TimeZone) -> Vec<Option<u64>> {
    if period.days() * 24 > POINTS_MAX {
        by_days(days, period)
    } else {
        by_hours(days, &Hours::new(period, zone))
    }
}

fn by_days(days: &[DayLine], period: Period) -> Vec<Option<u64>> {
    // Rounded up, as is the number of points: a year is 46 points of 8 days.
    let step = (period.days() + POINTS_MAX - 1) / POINTS_MAX;
    let points = (period.days() + step - 1) / step;
    let mut line = vec![None; usize::try_from(points).unwrap_or(0)];
    for day in days {
        let at = usize::try_from((day.day - period.from) / step).ok();
        if let Some(point) = at.and_then(|at| line.get_mut(at)) {
            let issued = day.issued.iter().map(|(_, tickets)| u64::from(*tickets));
            *point.get_or_insert(0) += issued.sum::<u64>();
        }
    }
    line
}

/// Hours of a short period on the wall clock of a hall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hours {
    first: i64,
    /// Number of hours: 24 for a day, one less or more when the clocks change.
    pub(super) count: usize,
}

impl Hours {
    pub(super) fn new(period: Period, zone: &TimeZone) -> Self {
        let midnight = |day| {
            let start = facts::day_of(day).at(jiff::civil::Time::midnight(), zone);
            start.as_second().div_euclid(QUARTER_S)
        };
        let (first, end) = (midnight(period.from), midnight(period.to + 1));
        let hours = ((end - first) / SLOTS_PER_HOUR).clamp(0, POINTS_MAX);
        Self {
            first,
            count: usize::try_from(hours).unwrap_or(0),
        }
    }

    /// The hour a slot is in.
    pub(super) fn of(self, slot: i64) -> Option<usize> {
        let hour = usize::try_from((slot - self.first).div_euclid(SLOTS_PER_HOUR)).ok()?;
        (hour < self.count).then_some(hour)
    }

    /// Start of an hour.
    pub(super) fn start(self, hour: usize) -> Timestamp {
        let slots = i64::try_from(hour).unwrap_or(0) * SLOTS_PER_HOUR;
        slot_of(self.first + slots).start()
    }
}

fn by_hours(days: &[DayLine], hours: &Hours) -> Vec<Option<u64>> {
    let mut line = vec![None; hours.count];
    for day in days {
        let mut add = |place: u8, tickets: u32| {
            let hour = hours.of(first_slot(day.day) + i64::from(place));
            if let Some(point) = hour.and_then(|hour| line.get_mut(hour)) {
                *point.get_or_insert(0) += u64::from(tickets);
            }
        };
        let stated = (0..=u8::MAX).filter(|place| day.slots.contains(*place));
        stated.for_each(|place| add(place, 0));
        for (place, tickets) in &day.issued {
            add(*place, *tickets);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SlotSet;

    const DAY: i64 = 18_263; // 2020-01-02

    fn hall(first_seen: &str, first_day: Option<i64>) -> Hall {
        let profile = r#"{"name": "Wola", "time_zone": "Europe/Warsaw", "opens": "08:00:00",
            "closes": "17:00:00", "queues": []}"#;
        Hall {
            store: "wola".parse().unwrap(),
            profile: Some(serde_json::from_str(profile).unwrap()),
            first_seen: first_seen.parse().unwrap(),
            last_seen: None,
            version: None,
            backlog: None,
            oldest_unsent_s: None,
            first_day,
            twin: None,
            live: None,
        }
    }

    /// Of the quarter hours of `days`, at the end of them.
    fn expected(hall: &Hall, days: [i64; 2], lines: &[DayLine]) -> (u32, u32) {
        let profile = hall.profile.as_ref().unwrap();
        let end = slot_of(first_slot(days[1] + 2)).start();
        let calendar = Calendar::new(profile, days[0], days[1], end);
        let zone = hall.zone().unwrap();
        count(&calendar, Birth::of(hall, &zone, lines), lines)
    }

    fn line(day: i64, from: u8, to: u8) -> DayLine {
        let (slots, issued) = (SlotSet::range(from, to), Vec::new());
        DayLine { day, slots, issued }
    }

    /// The place of a time of day in Warsaw, in winter.
    fn place_of(quarter: u8) -> u8 {
        let midnight = "2020-01-01T23:00:00Z".parse().unwrap();
        let midnight = slot_number(QuarterHour::containing(midnight));
        u8::try_from(midnight - first_slot(DAY)).unwrap() + quarter
    }

    #[test]
    fn a_hall_owes_nothing_of_the_hours_before_it_was_there() {
        // Heard of at 15:05 and open until 17:00, and 36 quarter hours on the next day.
        let new = hall("2020-01-02T14:05:00Z", None);
        assert_eq!(expected(&new, [DAY, DAY], &[]), (8, 0));
        assert_eq!(expected(&new, [DAY, DAY + 1], &[]), (44, 0));
        assert_eq!(expected(&new, [DAY - 3, DAY - 1], &[]), (0, 0));
        // It came after closing.
        let late = hall("2020-01-02T18:00:00Z", None);
        assert_eq!(expected(&late, [DAY, DAY], &[]), (0, 0));
    }

    #[test]
    fn a_hall_that_worked_before_it_was_heard_owes_from_its_first_quarter_hour_on() {
        // Since 10:00, but one came missing; heard of on the same day.
        let told = [line(DAY, place_of(40), place_of(50)), line(DAY + 1, 0, 0)];
        let same = hall("2020-01-02T14:05:00Z", Some(DAY));
        assert_eq!(expected(&same, [DAY, DAY], &told), (28, 10));
        // Heard of a week later: days between are owed whole, also seen without the first.
        let later = hall("2020-01-09T14:05:00Z", Some(DAY));
        assert_eq!(expected(&later, [DAY, DAY + 1], &told), (64, 10));
        assert_eq!(expected(&later, [DAY + 1, DAY + 1], &told[1..]), (36, 0));
    }
}
