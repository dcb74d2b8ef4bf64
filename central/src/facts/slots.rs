//! The quarter hours of one business day as bits.
//!
//! A business day of any zone lies within fifty hours around its UTC date: from fourteen hours
//! before it (zones ahead) to twelve hours after it (zones behind). That is 200 bits.

use zhiban_vocabulary::time::{BusinessDay, QUARTER_S, QuarterHour};

const QUARTERS_PER_DAY: i64 = 96;
const QUARTERS_PER_HOUR: i64 = 4;
/// Bits of the set; a whole number of words.
const SLOTS: i64 = 256;
/// Slots of a day that can be: 14 + 24 + 12 hours.
const SLOTS_POSSIBLE: i64 = 50 * QUARTERS_PER_HOUR;

/// Days since 1970-01-01.
#[must_use]
pub fn day_number(day: BusinessDay) -> i64 {
    let since = day.0 - jiff::civil::date(1970, 1, 1);
    since.get_days().into()
}

/// The day of a number from [`day_number`].
#[must_use]
pub fn day_of(number: i64) -> BusinessDay {
    let span = jiff::Span::new().try_days(number).unwrap_or_default();
    let epoch = jiff::civil::date(1970, 1, 1);
    BusinessDay(epoch.checked_add(span).unwrap_or(epoch))
}

/// Quarter hours since 1970.
#[must_use]
pub fn slot_number(slot: QuarterHour) -> i64 {
    slot.start().as_second().div_euclid(QUARTER_S)
}

/// The quarter hour of a number from [`slot_number`].
#[must_use]
pub fn slot_of(number: i64) -> QuarterHour {
    let start = jiff::Timestamp::from_second(number.saturating_mul(QUARTER_S));
    QuarterHour::containing(start.unwrap_or_default())
}

/// Place of a slot within its day; `None` when no zone has that slot on that day.
#[must_use]
pub fn place(day: i64, slot: i64) -> Option<u8> {
    let place = slot - first_slot(day);
    if (0..SLOTS_POSSIBLE).contains(&place) {
        u8::try_from(place).ok()
    } else {
        None
    }
}

/// Number of the slot at place 0 of a day.
#[must_use]
pub fn first_slot(day: i64) -> i64 {
    day * QUARTERS_PER_DAY - 14 * QUARTERS_PER_HOUR
}

/// A set of quarter hours of one day, by [`place`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotSet([u64; (SLOTS / 64) as usize]);

impl SlotSet {
    /// All places from `from` up to and not including `to`.
    #[must_use]
    pub fn range(from: u8, to: u8) -> Self {
        let mut set = Self::default();
        (from..to).for_each(|place| set.insert(place));
        set
    }

    pub fn insert(&mut self, place: u8) {
        self.0[usize::from(place) / 64] |= 1 << (place % 64);
    }

    #[must_use]
    pub fn contains(self, place: u8) -> bool {
        self.0[usize::from(place) / 64] & (1 << (place % 64)) != 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    #[must_use]
    pub fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    #[must_use]
    pub fn first(self) -> Option<u8> {
        (0..=u8::MAX).find(|place| self.contains(*place))
    }

    #[must_use]
    pub fn last(self) -> Option<u8> {
        (0..=u8::MAX).rev().find(|place| self.contains(*place))
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: [[u8; 8]; 4] = words.try_into().ok()?;
        rest.is_empty().then(|| Self(words.map(u64::from_le_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::{TimeZone, offset};
    use proptest::prelude::*;

    #[test]
    fn every_slot_of_a_day_has_a_place_in_every_zone() {
        for hours in -12..=14 {
            let zone = TimeZone::fixed(offset(hours));
            let day: BusinessDay = "2020-01-02".parse().unwrap();
            for clock in ["00:00", "12:00", "23:45"] {
                let at = day.at(clock.parse().unwrap(), &zone);
                let slot = slot_number(QuarterHour::containing(at));
                assert!(place(day_number(day), slot).is_some(), "{clock} at {hours}");
            }
        }
        assert_eq!(place(0, 10 * 96), None);
    }

    #[test]
    fn days_and_slots_read_back_from_their_numbers() {
        for text in ["1969-12-31", "1970-01-01", "2020-02-29", "2026-11-21"] {
            let day: BusinessDay = text.parse().unwrap();
            assert_eq!(day_of(day_number(day)), day);
        }
        let slot = QuarterHour::containing("2020-01-02T08:15:00Z".parse().unwrap());
        assert_eq!(slot_of(slot_number(slot)), slot);
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(places in prop::collection::btree_set(any::<u8>(), 0..60)) {
            let mut set = SlotSet::default();
            places.iter().for_each(|place| set.insert(*place));
            prop_assert_eq!(SlotSet::from_bytes(&set.to_bytes()), Some(set));
            prop_assert_eq!(set.count() as usize, places.len());
            prop_assert_eq!(set.last(), places.last().copied());
        }
    }
}
