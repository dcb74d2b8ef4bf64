//! Facts of a hall: many of them at once, and what the centre has held against what the hall stated.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

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
        let sums: Value = serde_json::from_str(&sums).unwrap_or_default();
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

const SLOTS: usize = 96;
/// Facts of one day.
const DAY_FACTS: usize = 50 * SLOTS;
/// Tickets of each fact of [`pile_up`].
pub const ISSUED: usize = 7;

/// The nth fact as a busy hall states it: fifty queues, day after day.
///
/// # Panics
/// When there are more than fit into our era.
#[must_use]
pub fn busy_fact(nth: usize) -> Value {
    let first: jiff::civil::Date = "2026-01-01".parse().expect("a day");
    let days = i64::try_from(nth / DAY_FACTS).expect("a day");
    let day = first + jiff::SignedDuration::from_hours(24 * days);
    let midnight = day.in_tz("Asia/Shanghai").expect("a zone").timestamp();
    let quarter = i64::try_from(nth % SLOTS).expect("a slot");
    let slot = midnight + jiff::SignedDuration::from_mins(15 * quarter);
    let queue = nth % DAY_FACTS / SLOTS;
    // Not all the same, or the line would pack them to nothing.
    let [wait, buckets] = [2_000 + nth * 7_919 % 997, 18 + nth * 104_729 % 9];
    json!({
        "item": "fact", "version": 1, "day": day.to_string(), "fact": "queue-quarter",
        "slot": slot.to_string(), "queue": format!("Q{queue}"), "class": "ordinary",
        "issued": ISSUED, "called": 7, "started": 6, "finished": 6, "no_show": 1,
        "waiting": {"sum_s": wait, "buckets": [[buckets, 3], [buckets + 4, 4]]},
        "handling": {"sum_s": 1_800 + nth * 31 % 211, "buckets": [[18, 6]]},
        "ratings": [0, 0, 1, 2, 3],
    })
}

/// Puts so many facts into the outbox of a hall that does not run.
///
/// # Panics
/// When its database cannot be written.
pub fn pile_up(data: &Path, facts: usize) {
    let written = pile_up_rows(data, facts);
    written.expect("the outbox can be written");
}

fn pile_up_rows(data: &Path, facts: usize) -> rusqlite::Result<()> {
    let mut database = rusqlite::Connection::open(data.join("hall.db"))?;
    let transaction = database.transaction()?;
    let given = "select given from federation_line where lane = 'history'";
    let given: i64 = transaction.query_row(given, [], |row| row.get(0))?;
    for (seq, nth) in (given + 1..).zip(0..facts) {
        transaction
            .prepare_cached(
                "insert into federation_outbox (lane, seq, created_ms, body)
                 values ('history', ?1, 0, ?2)",
            )?
            .execute((seq, busy_fact(nth).to_string()))?;
    }
    let sql = "update federation_line set given = given + ?1 where lane = 'history'";
    transaction.execute(sql, [i64::try_from(facts).unwrap_or(i64::MAX)])?;
    transaction.commit()
}
