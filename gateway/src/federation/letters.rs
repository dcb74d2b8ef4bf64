//! Items the centre refused too often: kept here until a person sends them again.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::envelope::{Item, Lane, RefusedItem, SetAside};

use super::outbox::{put_text, sum_at_0};

/// Letters kept of those that were sent again; others stay until a person looks at them.
const KEPT: u32 = 1_000;

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) id: i64,
    pub(super) created: Timestamp,
    pub(super) set_aside: Timestamp,
    pub(super) reason: String,
    pub(super) body: String,
    pub(super) sent_again: Option<Timestamp>,
}

/// Moves a row here and leaves a word under its number, so that numbers go on without a gap.
pub(super) fn set_aside(
    connection: &Connection,
    lane: Lane,
    item: &RefusedItem,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let word = Item::SetAside(SetAside {
        reason: item.reason.clone(),
    });
    let word =
        serde_json::to_string(&word).map_err(|error| StoreError::Database(error.to_string()))?;
    let seq = i64::try_from(item.seq).unwrap_or(i64::MAX);
    let kept = connection
        .prepare_cached(
            "insert into federation_dead_letter
                 (lane, seq, created_ms, set_aside_ms, reason, body)
             select lane, seq, created_ms, ?3, ?4, body from federation_outbox
             where lane = ?1 and seq = ?2 and body <> ?5",
        )?
        .execute(params![lane.as_str(), seq, to_ms(now), item.reason, word])?;
    connection
        .prepare_cached(
            "update federation_outbox set body = ?3, sum = ?4 where lane = ?1 and seq = ?2",
        )?
        .execute(params![
            lane.as_str(),
            seq,
            word,
            sum_at_0(lane, &word) + seq
        ])?;
    if kept > 0 {
        tracing::warn!(lane = lane.as_str(), seq, reason = %item.reason, "item is set aside");
        metrics::counter!("zhiban_uplink_set_aside_total").increment(1);
    }
    connection
        .prepare_cached(
            "delete from federation_dead_letter where id in (
                 select id from federation_dead_letter where sent_again_ms is not null
                 order by id desc limit -1 offset ?1)",
        )?
        .execute([KEPT])?;
    Ok(())
}

/// All letters, newest first.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn letters(connection: &Connection) -> Result<Vec<Letter>> {
    let sql = "select id, created_ms, set_aside_ms, reason, body, sent_again_ms
         from federation_dead_letter order by id desc";
    connection
        .prepare_cached(sql)?
        .query_map([], |row| {
            Ok(Letter {
                id: row.get(0)?,
                created: from_ms(row.get(1)?),
                set_aside: from_ms(row.get(2)?),
                reason: row.get(3)?,
                body: String::from_utf8_lossy(row.get_ref(4)?.as_bytes()?).into_owned(),
                sent_again: row.get::<_, Option<i64>>(5)?.map(from_ms),
            })
        })?
        .collect()
}

/// Letters nobody sent again.
///
/// # Errors
/// When the database cannot be read.
pub fn unsent_letters(connection: &Connection) -> Result<u64> {
    let sql = "select count(*) from federation_dead_letter where sent_again_ms is null";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))
}

/// Sends a letter again. `restate` states anew what a fact says today, and tells whether it could:
/// an old statement must not win over a newer one in a later epoch. False when there is no such
/// letter.
///
/// # Errors
/// When the database refuses.
pub(super) fn send_again(
    connection: &Connection,
    id: i64,
    now: Timestamp,
    restate: impl FnOnce(&Connection, &Item) -> std::result::Result<bool, StoreError>,
) -> std::result::Result<bool, StoreError> {
    let sql = "update federation_dead_letter set sent_again_ms = ?2 where id = ?1
         returning lane, body";
    let found: Option<(String, String)> = connection
        .prepare_cached(sql)?
        .query_row(params![id, to_ms(now)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((lane, body)) = found else {
        return Ok(false);
    };
    let lane = match lane.as_str() {
        "live" => Lane::Live,
        _ => Lane::History,
    };
    let restated = match serde_json::from_str::<Item>(&body) {
        Ok(item) => restate(connection, &item)?,
        Err(_) => false,
    };
    if !restated {
        put_text(connection, lane, &body, now)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::outbox::put;
    use crate::federation::tests::database;
    use zhiban_vocabulary::facts::{CounterSums, Fact, FactRevision};

    fn fact() -> Item {
        Item::Fact(FactRevision {
            version: 1,
            day: "2020-01-02".parse().unwrap(),
            fact: Fact::CounterDay {
                counter: "3".parse().unwrap(),
                staff: None,
                sums: CounterSums::default(),
            },
        })
    }

    fn refused(connection: &Connection, seq: u64) {
        let reason = "why".into();
        let item = RefusedItem { seq, reason };
        set_aside(connection, Lane::History, &item, Timestamp::UNIX_EPOCH).unwrap();
    }

    fn bodies(connection: &Connection) -> Vec<String> {
        let sql = "select body from federation_outbox order by seq";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn a_word_takes_the_place_of_what_is_set_aside_and_that_is_kept_once() {
        let connection = database();
        put(&connection, Lane::History, &fact(), Timestamp::UNIX_EPOCH).unwrap();
        // The step is done again when the program was killed right after it.
        refused(&connection, 1);
        refused(&connection, 1);
        assert_eq!(
            bodies(&connection),
            [r#"{"item":"set-aside","reason":"why"}"#]
        );
        let kept = letters(&connection).unwrap();
        assert_eq!((kept.len(), kept[0].reason.as_str()), (1, "why"));
        let item: Item = serde_json::from_str(&kept[0].body).unwrap();
        assert_eq!(item, fact());
        assert_eq!(unsent_letters(&connection).unwrap(), 1);
    }

    #[test]
    fn of_a_fact_goes_up_what_holds_today_and_anything_else_as_it_was() {
        let connection = database();
        put(&connection, Lane::History, &fact(), Timestamp::UNIX_EPOCH).unwrap();
        put_text(
            &connection,
            Lane::History,
            "\"strange\"",
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        refused(&connection, 1);
        refused(&connection, 2);
        let now = Timestamp::UNIX_EPOCH;
        let again = |id| send_again(&connection, id, now, |_, item| Ok(*item == fact())).unwrap();
        assert!(again(1) && again(2));
        assert!(!again(3), "there is no such letter");
        let bodies = bodies(&connection);
        assert_eq!((bodies.len(), bodies[2].as_str()), (3, "\"strange\""));
        assert_eq!(unsent_letters(&connection).unwrap(), 0);
    }
}
