//! The other way to the same totals: straight arithmetic on the rows of the file, in one pass and
//! without any event, so that a replay can be held against it. Written apart from [`numbering`]
//! and [`day`] on purpose; a slip in one is a difference in the summary.
//!
//! [`numbering`]: super::numbering
//! [`day`]: super::day

use super::records::Row;

/// Tickets of one queue, or several, over a day, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tickets taken: growth of called + waiting, made monotone.
    pub issued: u64,
    /// Tickets called: advance of the number shown.
    pub called: u64,
}

impl Totals {
    /// Taken and never called: still waiting when the day closes.
    #[must_use]
    pub fn left_over(&self) -> u64 {
        self.issued - self.called
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            issued: self.issued + other.issued,
            called: self.called + other.called,
        }
    }
}

/// Totals of one queue and day. The rules are those of `tests/data/warsaw/ORIGIN.md`.
#[must_use]
pub fn totals(rows: &[Row]) -> Totals {
    let minute = |row: &Row| i64::from(row.time.hour()) * 60 + i64::from(row.time.minute());
    let mut sum = Totals::default();
    let mut ranges: Vec<i64> = Vec::new();
    let mut shown = None;
    let mut moved = rows.first().map_or(0, |row| (minute(row) - 5).max(0));
    for row in rows {
        if let Some(number) = row.number.map(i64::from) {
            let limit = 20 + 3 * (minute(row) - moved);
            let known = (0..ranges.len()).rev().find(|at| {
                let above = number - ranges[*at];
                (-30..=limit).contains(&above)
            });
            let step = match known {
                Some(at) => (number - ranges[at]).max(0),
                None if number % 100 <= 10 => number % 100,
                None if ranges.is_empty() && number < 100 && number <= limit => number,
                None => 1,
            };
            let mark = known.map_or(number, |at| ranges.remove(at).max(number));
            ranges.push(mark);
            if shown != Some(number) {
                moved = minute(row);
            }
            shown = Some(number);
            sum.called += step.unsigned_abs();
        }
        sum.issued = sum.issued.max(sum.called + u64::from(row.waiting));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: i8, waiting: u32, number: Option<u32>) -> Row {
        let time = jiff::civil::time(8, minute, 0, 0);
        Row {
            time,
            open: 1,
            waiting,
            number,
            service_min: 10,
        }
    }

    #[test]
    fn the_sums_of_a_plain_hour_can_be_followed_by_hand() {
        let rows = [
            row(0, 0, None),
            row(5, 6, None),
            row(10, 6, Some(2)),
            row(15, 4, Some(5)),
            row(20, 0, Some(9)),
            row(25, 3, None),
        ];
        assert_eq!(
            totals(&rows),
            Totals {
                issued: 12,
                called: 9
            }
        );
        assert_eq!(totals(&rows).left_over(), 3);
    }

    #[test]
    fn people_who_left_the_queue_stay_counted_as_taken() {
        let rows = [row(0, 8, None), row(5, 2, None), row(10, 0, Some(2))];
        assert_eq!(
            totals(&rows),
            Totals {
                issued: 8,
                called: 2
            }
        );
    }
}
