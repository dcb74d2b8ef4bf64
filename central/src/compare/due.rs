//! Which quarter hours a hall owes by now, and whether it speaks.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use zhiban_kernel::Clock;
use zhiban_vocabulary::facts::HallProfile;
use zhiban_vocabulary::time::{QUARTER_S, QuarterHour};

use crate::facts::{SlotSet, day_of, first_slot, place, slot_number};

/// From the end of a quarter hour until its facts may be missed: halls state them after 30 s.
const GRACE: SignedDuration = SignedDuration::from_secs(120);
/// A hall beats every minute; two beats may get lost.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(150);
/// In a replay a hall's minute passes in a moment, but the network is as slow as ever.
const REAL_DELAY_MAX: SignedDuration = SignedDuration::from_secs(3);

/// How current the figures of a hall are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fresh {
    /// Speaks, and nothing is missing.
    Live,
    /// Speaks, but facts are missing.
    Late,
    /// Was not heard for 2.5 minutes.
    Offline,
    /// Was never heard.
    Never,
}

/// An instant of the centre's clock, with the delays that are no cause for worry.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: Timestamp,
    grace: SignedDuration,
    silence_max: SignedDuration,
}

impl Moment {
    #[must_use]
    pub fn of(clock: &Clock) -> Self {
        let speed = i32::try_from(clock.replay_speed().unwrap_or(1)).unwrap_or(1);
        let delay = REAL_DELAY_MAX.saturating_mul(speed);
        Self {
            now: clock.now(),
            grace: GRACE.max(delay),
            silence_max: SILENCE_MAX.max(delay),
        }
    }

    /// A quarter hour that ended by then is missed when its facts are not here.
    #[must_use]
    pub fn due_before(&self) -> Timestamp {
        self.now.saturating_sub(self.grace).unwrap_or(self.now)
    }

    /// How current a hall is that was heard at `last_seen`.
    #[must_use]
    pub fn fresh(&self, last_seen: Option<Timestamp>, facts_missing: bool) -> Fresh {
        let Some(last_seen) = last_seen else {
            return Fresh::Never;
        };
        // A time ahead of now was written before the clock was set back: it proves nothing.
        match self.now.duration_since(last_seen).abs() > self.silence_max {
            true => Fresh::Offline,
            false if facts_missing => Fresh::Late,
            false => Fresh::Live,
        }
    }
}

/// The quarter hours of `day` that begin while a hall is open: those it states.
#[must_use]
pub fn opening(day: i64, zone: &TimeZone, opens: Time, closes: Time) -> SlotSet {
    let from = |time| place(day, next_slot(day_of(day).at(time, zone)));
    match (from(opens), from(closes)) {
        (Some(from), Some(to)) => SlotSet::range(from, to),
        _ => SlotSet::default(),
    }
}

/// The first slot that begins at `time` or after it.
fn next_slot(time: Timestamp) -> i64 {
    let begun = QuarterHour::containing(time);
    slot_number(begun) + i64::from(begun.start() < time)
}

/// Opening hours of several days in a row, and what of them is due. Halls with the same hours
/// share one.
#[derive(Debug)]
pub(super) struct Calendar {
    first: i64,
    days: Vec<(SlotSet, SlotSet)>,
}

impl Calendar {
    pub(super) fn new(profile: &HallProfile, from: i64, to: i64, due_before: Timestamp) -> Self {
        let zone = TimeZone::get(&profile.time_zone).unwrap_or(TimeZone::UTC);
        let end = due_before.as_second().div_euclid(QUARTER_S);
        let day = |day| {
            let open = opening(day, &zone, profile.opens, profile.closes);
            (open, open.and(ended(day, end)))
        };
        Self {
            first: from,
            days: (from..=to).map(day).collect(),
        }
    }

    /// Numbers of the days.
    pub(super) fn days(&self) -> impl Iterator<Item = i64> + use<> {
        let (first, count) = (self.first, self.days.len());
        (first..).take(count)
    }

    /// How many quarter hours of a day, from the slot number `from` on, are expected and how many
    /// of these came. One that came before it was due counts as expected too, so that more than
    /// all never arrive.
    pub(super) fn count(&self, day: i64, from: i64, stated: SlotSet) -> (u32, u32) {
        let at = usize::try_from(day - self.first).ok();
        let Some((open, due)) = at.and_then(|at| self.days.get(at)) else {
            return (0, 0);
        };
        let (came, owed) = (stated.and(*open), due.and(begun(day, from)));
        (owed.or(came).count(), came.count())
    }
}

/// Places of a day from the slot number `from` on.
fn begun(day: i64, from: i64) -> SlotSet {
    let places = (from - first_slot(day)).clamp(0, 200);
    SlotSet::range(u8::try_from(places).unwrap_or(200), 200)
}

/// Places of a day whose slot ended before the slot number `end`.
fn ended(day: i64, end: i64) -> SlotSet {
    let places = (end - first_slot(day)).clamp(0, 200);
    SlotSet::range(0, u8::try_from(places).unwrap_or(200))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zhiban_vocabulary::time::BusinessDay;

    use crate::facts::day_number;

    fn profile() -> HallProfile {
        serde_json::from_str(
            r#"{"name": "Wola", "time_zone": "Europe/Warsaw", "opens": "08:00:00",
                "closes": "17:00:00", "queues": []}"#,
        )
        .unwrap()
    }

    fn day(text: &str) -> i64 {
        day_number(text.parse::<BusinessDay>().unwrap())
    }

    fn expected_at(now: &str, stated: SlotSet) -> (u32, u32) {
        let clock = now.parse().unwrap();
        let day = day("2020-01-02");
        Calendar::new(&profile(), day, day, clock).count(day, 0, stated)
    }

    #[test]
    fn slots_are_expected_in_opening_hours_up_to_now() {
        let none = SlotSet::default();
        // Warsaw is an hour ahead of UTC in winter.
        assert_eq!(expected_at("2020-01-02T06:00:00Z", none), (0, 0));
        assert_eq!(expected_at("2020-01-02T07:15:00Z", none), (1, 0));
        assert_eq!(expected_at("2020-01-02T12:07:00Z", none), (20, 0));
        assert_eq!(expected_at("2020-01-03T12:00:00Z", none), (36, 0));
    }

    #[test]
    fn what_came_early_counts_as_expected_and_what_is_outside_does_not_count() {
        let all = SlotSet::range(0, 200);
        assert_eq!(expected_at("2020-01-02T06:00:00Z", all), (36, 36));
        assert_eq!(expected_at("2020-01-04T06:00:00Z", all), (36, 36));
    }

    #[test]
    fn a_slot_that_began_before_opening_is_not_expected_and_summer_time_moves_nothing() {
        let zone = TimeZone::get("Europe/Warsaw").unwrap();
        let count = |day_text: &str, opens: &str, closes: &str| {
            let (opens, closes) = (opens.parse().unwrap(), closes.parse().unwrap());
            opening(day(day_text), &zone, opens, closes).count()
        };
        assert_eq!(count("2020-01-02", "08:10", "16:50"), 35);
        assert_eq!(count("2020-03-29", "08:00", "17:00"), 36);
        assert_eq!(count("2020-03-29", "00:00", "23:59"), 92);
    }

    #[test]
    fn silence_missing_facts_and_an_unheard_hall_are_told_apart() {
        let moment = Moment {
            now: "2020-01-02T12:00:00Z".parse().unwrap(),
            grace: GRACE,
            silence_max: SILENCE_MAX,
        };
        let heard = |text: &str| Some(text.parse().unwrap());
        assert_eq!(moment.fresh(None, false), Fresh::Never);
        assert_eq!(
            moment.fresh(heard("2020-01-02T11:57:30Z"), false),
            Fresh::Live
        );
        assert_eq!(
            moment.fresh(heard("2020-01-02T11:57:30Z"), true),
            Fresh::Late
        );
        assert_eq!(
            moment.fresh(heard("2020-01-02T11:57:29Z"), false),
            Fresh::Offline
        );
        assert_eq!(
            moment.fresh(heard("2020-01-03T12:00:00Z"), false),
            Fresh::Offline
        );
    }

    proptest! {
        #[test]
        fn never_more_came_than_was_expected(
            minutes in 0_i64..3_000,
            places in prop::collection::btree_set(0_u8..200, 0..80),
        ) {
            let day = day("2020-01-02");
            let start: Timestamp = "2020-01-01T12:00:00Z".parse().unwrap();
            let now = start + SignedDuration::from_mins(minutes);
            let mut stated = SlotSet::default();
            places.iter().for_each(|place| stated.insert(*place));
            let (expected, came) = Calendar::new(&profile(), day, day, now).count(day, 0, stated);
            prop_assert!(came <= expected && expected <= 36);
        }
    }
}
