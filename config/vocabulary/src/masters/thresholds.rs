//! Thresholds (阈值): numbers a person of the organization sets for all halls below a unit, from a day on.

use jiff::civil::Date;
use serde::Serialize;

/// A threshold there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bound {
    pub name: &'static str,
    pub min: i64,
    pub max: i64,
    pub unit: &'static str,
    /// What holds where nobody set one; `None`: what the hall's own configuration says.
    pub default: Option<i64>,
}

/// All of them. A name is never used again for something else.
pub const THRESHOLDS: &[Bound] = &[
    // From this wait on a queue is shown as rising, and as long.
    bound("wait-rising-s", 30, 7_200, "s", Some(300)),
    bound("wait-long-s", 60, 7_200, "s", Some(600)),
    // The band of the hall's air, both ends in it (F-32).
    bound("climate-low-tenths", -200, 400, "0.1 °C", None),
    bound("climate-high-tenths", 0, 500, "0.1 °C", None),
];

const fn bound(
    name: &'static str,
    min: i64,
    max: i64,
    unit: &'static str,
    default: Option<i64>,
) -> Bound {
    Bound {
        name,
        min,
        max,
        unit,
        default,
    }
}

/// The threshold of this name.
#[must_use]
pub fn threshold(name: &str) -> Option<&'static Bound> {
    THRESHOLDS.iter().find(|bound| bound.name == name)
}

/// A threshold as somebody set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    pub name: String,
    /// The unit or hall it is set for.
    pub scope: String,
    pub from: Date,
    pub value: i64,
}

/// What holds of a threshold on a day, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds<'d> {
    pub value: Option<i64>,
    /// `None`: nobody set one, the default holds.
    pub because: Option<&'d Dated>,
}

/// What holds of `bound` on `day` in a hall: the nearest scope wins, in it the latest that has begun.
/// `chain` is the hall, its unit, the unit above and so on.
#[must_use]
pub fn resolve<'d>(bound: &Bound, chain: &[String], set: &'d [Dated], day: Date) -> Holds<'d> {
    let begun = |scope: &String| {
        set.iter()
            .filter(|one| one.name == bound.name && one.scope == *scope && one.from <= day)
            .max_by_key(|one| one.from)
    };
    let because = chain.iter().find_map(begun);
    Holds {
        value: because.map(|one| one.value).or(bound.default),
        because,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_scope_wins_and_in_it_the_latest_that_has_begun() {
        let set = [
            ("group", "2026-01-01", 700),
            ("city", "2026-02-01", 500),
            ("city", "2026-04-01", 450),
            ("wola", "2026-03-01", 300),
            ("elsewhere", "2026-01-01", 60),
        ];
        let set = set.map(|(scope, from, value)| Dated {
            name: "wait-long-s".into(),
            scope: scope.into(),
            from: from.parse().unwrap(),
            value,
        });
        let chain = ["wola", "city", "group"].map(String::from);
        let bound = threshold("wait-long-s").unwrap();
        let table = [
            ("2025-12-31", 600, None),
            ("2026-01-01", 700, Some("group")),
            ("2026-01-31", 700, Some("group")),
            ("2026-02-01", 500, Some("city")),
            ("2026-02-28", 500, Some("city")),
            ("2026-03-01", 300, Some("wola")),
            ("2026-12-31", 300, Some("wola")),
        ];
        for (day, value, scope) in table {
            let holds = resolve(bound, &chain, &set, day.parse().unwrap());
            let found = (holds.value, holds.because.map(|one| one.scope.as_str()));
            assert_eq!(found, (Some(value), scope), "{day}");
        }
        let later = resolve(bound, &chain[1..], &set, "2026-05-01".parse().unwrap());
        assert_eq!(later.value, Some(450), "the later of two in one scope");
        let other = threshold("wait-rising-s").unwrap();
        assert_eq!(resolve(other, &chain, &set, Date::MAX).value, other.default);
    }
}
