//! Holds what the centre has of a hall against what the hall stated.

use std::collections::BTreeMap;

use super::database::Copied;

/// Slot, queue, class.
type Key = (i64, String, String);
/// Version, all counts, and the ratings by score.
type Sums = (u32, Vec<u64>);

const COUNTS: [&str; 8] = [
    "issued",
    "called",
    "started",
    "finished",
    "no_show",
    "transferred",
    "cancelled",
    "abandoned",
];

fn stated(hall: &Copied) -> BTreeMap<Key, Sums> {
    let sql = "select slot_ms / 900000, queue, class, version, sums from queue_quarter
         where version > 0 and dirty = 0";
    let read = |row: &rusqlite::Row<'_>| {
        let sums: String = row.get(4)?;
        let sums: serde_json::Value = serde_json::from_str(&sums).unwrap_or_default();
        let ratings = (0..5).map(|at| &sums["ratings"][at]);
        let counts = COUNTS.iter().map(|name| &sums[name]).chain(ratings);
        let counts = counts.map(|count| count.as_u64().unwrap_or(0)).collect();
        Ok((
            (row.get(0)?, row.get(1)?, row.get(2)?),
            (row.get(3)?, counts),
        ))
    };
    hall.rows(sql, read).into_iter().collect()
}

fn received(centre: &Copied, store: &str) -> BTreeMap<Key, Sums> {
    let counts = COUNTS.join(", ");
    let sql = format!(
        "select slot, queue, class, version & 4294967295, {counts},
             rating_1, rating_2, rating_3, rating_4, rating_5
         from facts_queue_quarter where store = '{store}'"
    );
    let read = |row: &rusqlite::Row<'_>| {
        let counts = (4..17).map(|at| row.get::<_, i64>(at).map(i64::cast_unsigned));
        let counts = counts.collect::<rusqlite::Result<_>>()?;
        Ok((
            (row.get(0)?, row.get(1)?, row.get(2)?),
            (row.get(3)?, counts),
        ))
    };
    centre.rows(&sql, read).into_iter().collect()
}

/// How many facts both have, and every difference: missing, more, another version or count.
#[must_use]
pub fn compare(hall: &Copied, centre: &Copied, store: &str) -> (usize, Vec<String>) {
    let (stated, received) = (stated(hall), received(centre, store));
    let mut wrong = Vec::new();
    for (key, sums) in &stated {
        match received.get(key) {
            None => wrong.push(format!("{key:?} is not at the centre")),
            Some(other) if other != sums => {
                wrong.push(format!("{key:?}: hall {sums:?}, centre {other:?}"));
            }
            Some(_) => {}
        }
    }
    let more = received.keys().filter(|key| !stated.contains_key(*key));
    wrong.extend(more.map(|key| format!("{key:?} is only at the centre")));
    (stated.len(), wrong)
}
