//! How many tickets a display called between two looks at it.
//!
//! On a clean queue the number on the display only grows and its growth is the answer. Real
//! displays also
//!
//! - run several number ranges side by side (walk-ins from 1, appointments from 901, a cashier who
//!   is sent the numbers of every other queue);
//! - begin the day at a number that is not 1 (501 for the sixth service; 174 because the machine
//!   was not reset overnight);
//! - start again (99 → 1), show an earlier number once more, or an odd one for a moment.
//!
//! So every range keeps its own high mark. A number belongs to the range used last whose mark it
//! is less than `BACK` below and not incredibly far above; what it exceeds the mark by was
//! called. Any other number opens a range and counts for what is plausible: the part after the
//! hundreds when that is small, otherwise itself alone.

/// A number this little below a mark is an earlier ticket shown again.
const BACK: u32 = 30;
/// A display can be this far ahead after no time at all, …
const AHEAD: u32 = 20;
/// … and this much further for every minute since it last moved.
const AHEAD_PER_MIN: u32 = 3;
/// A range that opens later than this in its hundred was not seen from its beginning.
const OPENING: u32 = 10;

/// The number ranges one queue used on one day.
#[derive(Debug, Clone)]
pub struct Numbering {
    /// High marks, the range used last at the end.
    marks: Vec<u32>,
    /// Minute of the day at which the display last moved.
    moved_min: u32,
    shown: Option<u32>,
}

impl Numbering {
    /// `first_min`: minute of the day of the first row.
    #[must_use]
    pub fn new(first_min: u32) -> Self {
        Self {
            marks: Vec::new(),
            moved_min: first_min.saturating_sub(5),
            shown: None,
        }
    }

    /// Tickets called since the display was last looked at, now that it shows `number`.
    pub fn advance(&mut self, minute: u32, number: u32) -> u32 {
        // 0, 700, 900: the display before the first ticket of a range.
        let still_min = minute.saturating_sub(self.moved_min);
        let ahead = AHEAD + AHEAD_PER_MIN * still_min;
        let fits = |mark: &u32| *mark <= number + BACK && number <= *mark + ahead;
        let called = if let Some(at) = self.marks.iter().rposition(fits) {
            let mark = self.marks.remove(at);
            self.marks.push(mark.max(number));
            number.saturating_sub(mark)
        } else {
            let into_range = number % 100;
            let from_one = self.marks.is_empty() && number < 100;
            let seen_from_start = into_range <= if from_one { ahead } else { OPENING };
            self.marks.push(number);
            if seen_from_start { into_range } else { 1 }
        };
        if self.shown.replace(number) != Some(number) {
            self.moved_min = minute;
        }
        called
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one number every five minutes.
    fn check(numbers: &[u32], expected: &[u32]) {
        let mut numbering = Numbering::new(480);
        let called: Vec<u32> = (480..)
            .step_by(5)
            .zip(numbers)
            .map(|(minute, number)| numbering.advance(minute, *number))
            .collect();
        assert_eq!(called, expected, "{numbers:?}");
    }

    #[test]
    fn a_clean_display_counts_by_its_growth() {
        check(&[2, 2, 5, 11], &[2, 0, 3, 6]);
    }

    #[test]
    fn a_day_may_begin_at_another_number() {
        check(&[501, 503], &[1, 2]);
        check(&[700, 701], &[0, 1]);
        check(&[174, 180], &[1, 6]);
    }

    #[test]
    fn a_display_that_starts_again_goes_on_counting() {
        check(
            &[20, 50, 80, 99, 1, 3, 30, 60, 90, 99, 2],
            &[20, 30, 30, 19, 1, 2, 27, 30, 30, 9, 2],
        );
    }

    #[test]
    fn an_earlier_or_an_odd_number_is_not_a_flood_of_tickets() {
        check(&[10, 9, 11], &[10, 0, 1]);
        check(&[7, 905, 6, 10], &[7, 5, 0, 3]);
        check(&[19, 198, 22], &[19, 1, 3]);
    }

    #[test]
    fn ranges_side_by_side_each_count_their_own() {
        check(&[1, 901, 2, 902, 4, 903], &[1, 1, 1, 1, 2, 1]);
    }

    #[test]
    fn a_display_that_stood_still_may_have_much_to_catch_up() {
        let mut numbering = Numbering::new(480);
        assert_eq!(numbering.advance(480, 20), 20);
        assert_eq!(numbering.advance(540, 120), 100);
        assert_eq!(numbering.advance(545, 220), 1);
    }
}
