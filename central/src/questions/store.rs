//! All SQL of questions.

use std::collections::BTreeSet;

use jiff::Timestamp;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Result, Row, Sql};
use zhiban_kernel::values;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{Outcome, Question};

use super::model::told;
use super::{ANSWER_KEPT, CLOCKS_DIFFER, KNOWN};

/// Questions a hall gets at once.
const AT_ONCE: u32 = 16;
/// Questions that are shown.
const SHOWN: u32 = 200;

/// A new question.
pub(super) struct Asked<'q> {
    pub(super) id: u64,
    pub(super) hall: &'q StoreId,
    pub(super) staff: &'q str,
    /// Words with commas between.
    pub(super) roles: &'q str,
    /// As JSON.
    pub(super) about: &'q str,
}

pub(super) fn ask(tx: &dyn Sql, asked: &Asked<'_>, now: Timestamp, until: Timestamp) -> Result<()> {
    tx.execute(
        "insert into questions_question (id, store, asked_ms, asked_by, roles, about, until_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![
            asked.id.cast_signed(),
            asked.hall.as_str(),
            to_ms(now),
            asked.staff,
            asked.roles,
            asked.about,
            to_ms(until)
        ],
    )?;
    Ok(())
}

/// Questions a hall has to answer now.
///
/// # Errors
/// When the database refuses.
pub(crate) fn pending(sql: &dyn Sql, hall: &StoreId, now: Timestamp) -> Result<Vec<Question>> {
    sql.all(
        "select id, asked_by, roles, about from questions_question
         where store = ?1 and outcome is null and until_ms > ?2 order by asked_ms limit ?3",
        values![hall.as_str(), to_ms(now - CLOCKS_DIFFER), AT_ONCE],
        |row| {
            let about = row.get::<String>(3)?;
            Ok(Question {
                id: row.get::<i64>(0)?.unsigned_abs(),
                asked_by: row.get(1)?,
                roles: row
                    .get::<String>(2)?
                    .split(',')
                    .map(str::to_owned)
                    .collect(),
                about: serde_json::from_str(&about).unwrap_or_default(),
            })
        },
    )
}

/// Halls that have to answer something now.
///
/// # Errors
/// When the database refuses.
pub(crate) fn halls_asked(sql: &dyn Sql, now: Timestamp) -> Result<BTreeSet<StoreId>> {
    let halls = sql.all(
        "select distinct store from questions_question where outcome is null and until_ms > ?1",
        values![to_ms(now - CLOCKS_DIFFER)],
        |row| row.get::<String>(0),
    )?;
    Ok(halls.iter().filter_map(|hall| hall.parse().ok()).collect())
}

/// Notes what came of a question; false when it is none of this hall that waits for an answer.
pub(super) fn end(
    tx: &dyn Sql,
    hall: &StoreId,
    id: u64,
    outcome: &Outcome,
    keep_answer: bool,
    now: Timestamp,
) -> Result<bool> {
    let (word, reason, rows) = told(outcome);
    let reason = reason.map(str::to_owned);
    let answer = keep_answer.then(|| serde_json::to_string(outcome).unwrap_or_default());
    let changed = tx.execute(
        "update questions_question
         set outcome = ?3, reason = ?4, rows = ?5, ended_ms = ?6, answer = ?7
         where id = ?1 and store = ?2 and outcome is null and until_ms > ?8",
        values![
            id.cast_signed(),
            hall.as_str(),
            word,
            reason,
            rows,
            to_ms(now),
            answer,
            to_ms(now - CLOCKS_DIFFER)
        ],
    )?;
    Ok(changed > 0)
}

/// Whether the answer to a question was put down.
pub(super) fn is_there(sql: &dyn Sql, id: u64) -> Result<bool> {
    sql.one(
        "select exists (select 1 from questions_question where id = ?1 and answer is not null)",
        values![id.cast_signed()],
        |row| row.get(0),
    )
}

/// Takes the answer to a question.
pub(super) fn take(tx: &dyn Sql, id: u64) -> Result<Option<Outcome>> {
    let found = tx.optional(
        "select answer from questions_question where id = ?1",
        values![id.cast_signed()],
        |row| row.get::<Option<String>>(0),
    )?;
    let Some(answer) = found.flatten() else {
        return Ok(None);
    };
    tx.execute(
        "update questions_question set answer = null where id = ?1",
        values![id.cast_signed()],
    )?;
    serde_json::from_str(&answer)
        .map(Some)
        .map_err(|error| StoreError::Database(format!("damaged answer {id}: {error}")))
}

/// What a question that nobody waits for any more had come to.
pub(super) enum GivenUp {
    Away,
    /// The answer had been put down.
    Answered(Outcome),
    /// The answer goes to who waits in this process.
    HandedOver,
}

/// Nobody waits any more.
pub(super) fn give_up(tx: &dyn Sql, id: u64, now: Timestamp) -> Result<GivenUp> {
    let ended = tx.execute(
        "update questions_question set outcome = 'away', ended_ms = ?2
         where id = ?1 and outcome is null",
        values![id.cast_signed(), to_ms(now)],
    )?;
    if ended > 0 {
        return Ok(GivenUp::Away);
    }
    Ok(take(tx, id)?.map_or(GivenUp::HandedOver, GivenUp::Answered))
}

/// Forgets answers nobody took, ends questions whose asker went away, deletes those long past.
pub(super) fn clean(tx: &dyn Sql, now: Timestamp) -> Result<()> {
    tx.execute(
        "update questions_question set answer = null where answer is not null and ended_ms < ?1",
        values![to_ms(now - ANSWER_KEPT)],
    )?;
    tx.execute(
        "update questions_question set outcome = 'away', ended_ms = until_ms
         where outcome is null and until_ms < ?1",
        values![to_ms(now - CLOCKS_DIFFER)],
    )?;
    tx.execute(
        "delete from questions_question where asked_ms < ?1",
        values![to_ms(now - KNOWN)],
    )?;
    Ok(())
}

/// A question as it is shown later.
pub(super) struct Past {
    pub(super) store: String,
    pub(super) asked: Timestamp,
    pub(super) asked_by: String,
    pub(super) roles: String,
    pub(super) about: String,
    pub(super) outcome: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) rows: Option<i64>,
}

/// Which questions are wanted; empty: whoever's, of every hall.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) store: String,
    pub(super) asked_by: String,
    pub(super) before: Option<Timestamp>,
}

/// The newest of the questions that are wanted.
pub(super) fn newest(sql: &dyn Sql, wanted: &Wanted) -> Result<Vec<Past>> {
    let read = |row: &dyn Row| {
        Ok(Past {
            store: row.get(0)?,
            asked: from_ms(row.get(1)?),
            asked_by: row.get(2)?,
            roles: row.get(3)?,
            about: row.get(4)?,
            outcome: row.get(5)?,
            reason: row.get(6)?,
            rows: row.get(7)?,
        })
    };
    sql.all(
        "select store, asked_ms, asked_by, roles, about, outcome, reason, rows
         from questions_question
         where (?2 = '' or store = ?2) and (?3 = '' or asked_by = ?3) and asked_ms < ?4
         order by asked_ms desc, id limit ?1",
        values![
            SHOWN,
            wanted.store,
            wanted.asked_by,
            wanted.before.map_or(i64::MAX, to_ms)
        ],
        read,
    )
}
