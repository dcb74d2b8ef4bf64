//! All SQL of what the centre gave this hall to keep, and of what the hall proposes.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::down::{Cursor, Document, Family};
use zhiban_vocabulary::masters::{Content, Proposal};

/// Where the hall stands with the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) cursor: Cursor,
    pub(super) reached: Option<Timestamp>,
    pub(super) changed: Option<Timestamp>,
}

pub(super) fn state(connection: &Connection) -> Result<State> {
    let sql = "select life, change, reached_ms, changed_ms from documents_state";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([], |row| {
        Ok(State {
            cursor: Cursor {
                life: row.get::<_, i64>(0)?.cast_unsigned(),
                change: row.get::<_, i64>(1)?.cast_unsigned(),
            },
            reached: row.get::<_, Option<i64>>(2)?.map(from_ms),
            changed: row.get::<_, Option<i64>>(3)?.map(from_ms),
        })
    })
}

pub(super) fn set_state(connection: &Connection, state: &State) -> Result<()> {
    let sql = "update documents_state set life = ?1, change = ?2, reached_ms = ?3, changed_ms = ?4";
    connection.prepare_cached(sql)?.execute(params![
        state.cursor.life.cast_signed(),
        state.cursor.change.cast_signed(),
        state.reached.map(to_ms),
        state.changed.map(to_ms),
    ])?;
    Ok(())
}

/// All of it is of before.
pub(super) fn begin_afresh(connection: &Connection) -> Result<()> {
    connection.execute("update documents_document set stale = 1", [])?;
    Ok(())
}

/// What is new has come: what is of before goes.
pub(super) fn end_afresh(connection: &Connection) -> Result<()> {
    let sql = "delete from documents_document where stale = 1";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Keeps a document as it stands, with why it cannot be used.
pub(super) fn keep(
    connection: &Connection,
    document: &Document,
    content: &str,
    unread: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    // A definition that cannot be used leaves the one before in use.
    let sql = "insert into documents_document
             (family, scope, id, change, content, taken_ms, unread, former)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, null)
         on conflict (family, scope, id) do update set
             former = case when excluded.unread is null or family <> 'definition' then null
                 when unread is null then content else former end,
             stale = 0, change = excluded.change, content = excluded.content,
             taken_ms = excluded.taken_ms, unread = excluded.unread";
    connection.prepare_cached(sql)?.execute(params![
        document.family.as_str(),
        document.scope,
        document.id,
        document.change.cast_signed(),
        content,
        to_ms(now),
        unread,
    ])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, document: &Document) -> Result<()> {
    let sql = "delete from documents_document where family = ?1 and scope = ?2 and id = ?3";
    let key = params![document.family.as_str(), document.scope, document.id];
    connection.prepare_cached(sql)?.execute(key)?;
    Ok(())
}

/// A document the hall keeps and can use.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) scope: String,
    pub(super) id: String,
    pub(super) change: i64,
    pub(super) content: Content,
    pub(super) taken: Timestamp,
}

/// Documents of a family that can be used, in the order of their changes.
pub(super) fn usable(connection: &Connection, family: &Family) -> Result<Vec<Kept>> {
    let sql = "select scope, id, change, coalesce(former, content), taken_ms
         from documents_document
         where family = ?1 and (unread is null or former is not null) order by change";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([family.as_str()], read_kept)?;
    rows.collect()
}

fn read_kept(row: &Row<'_>) -> Result<Kept> {
    let content: String = row.get(3)?;
    Ok(Kept {
        scope: row.get(0)?,
        id: row.get(1)?,
        change: row.get(2)?,
        content: serde_json::from_str(&content).unwrap_or_default(),
        taken: from_ms(row.get(4)?),
    })
}

/// One document that can be used.
pub(super) fn one(
    connection: &Connection,
    family: &Family,
    scope: &str,
    id: &str,
) -> Result<Option<Kept>> {
    let sql = "select scope, id, change, content, taken_ms from documents_document
         where family = ?1 and scope = ?2 and id = ?3 and unread is null";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([family.as_str(), scope, id], read_kept);
    found.optional()
}

/// How many documents of a family and scope begin so and can be used.
pub(super) fn count_usable(
    connection: &Connection,
    family: &Family,
    scope: &str,
    prefix: &str,
) -> Result<u64> {
    let sql = "select count(*) from documents_document where family = ?1 and scope = ?2
         and substr(id, 1, length(?3)) = ?3 and unread is null";
    let mut statement = connection.prepare_cached(sql)?;
    let count: i64 = statement.query_row([family.as_str(), scope, prefix], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// Documents this program cannot use: family, scope, id and why.
pub(super) fn unread(connection: &Connection) -> Result<Vec<[String; 4]>> {
    let sql = "select family, scope, id, unread from documents_document
         where unread is not null order by family, scope, id limit 200";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    })?;
    rows.collect()
}

/// A proposal of this hall.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) proposal: Proposal,
    /// `open`, `accepted` or `declined`
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) decided: Option<Timestamp>,
}

pub(super) fn add_proposal(connection: &Connection, proposal: &Proposal, text: &str) -> Result<()> {
    let sql = "insert into documents_proposal values (?1, ?2, ?3, ?4, 'open', null, null)";
    let made = to_ms(proposal.at);
    let row = params![proposal.id, made, proposal.by, text];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

pub(super) fn count_open(connection: &Connection) -> Result<u32> {
    let sql = "select count(*) from documents_proposal where state = 'open'";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Newest first.
pub(super) fn proposals(connection: &Connection, limit: u32) -> Result<Vec<Made>> {
    let sql = "select proposal, state, reason, decided_ms from documents_proposal
         order by made_ms desc, id limit ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit], |row| {
        let text: String = row.get(0)?;
        let state = (
            row.get(1)?,
            row.get(2)?,
            row.get::<_, Option<i64>>(3)?.map(from_ms),
        );
        Ok((serde_json::from_str(&text).ok(), state))
    })?;
    let mut made = Vec::new();
    for row in rows {
        if let (Some(proposal), (state, reason, decided)) = row? {
            made.push(Made {
                proposal,
                state,
                reason,
                decided,
            });
        }
    }
    Ok(made)
}

pub(super) fn settle_proposal(
    connection: &Connection,
    id: &str,
    state: &str,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let sql =
        "update documents_proposal set state = ?2, reason = ?3, decided_ms = ?4 where id = ?1";
    let row = params![id, state, reason, to_ms(at)];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Which announcements somebody has read, by the numbers of their versions.
pub(super) fn seen(connection: &Connection, staff: &str) -> Result<Vec<i64>> {
    let sql = "select change from documents_seen where staff = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([staff], |row| row.get(0))?;
    rows.collect()
}

pub(super) fn see(connection: &Connection, staff: &str, change: i64, now: Timestamp) -> Result<()> {
    let sql = "insert or ignore into documents_seen values (?1, ?2, ?3)";
    let row = params![staff, change, to_ms(now)];
    connection.prepare_cached(sql)?.execute(row)?;
    // Of announcements that are gone.
    let sql =
        "delete from documents_seen where change not in (select change from documents_document)";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Opening hours of one day.
pub(super) fn hours_of(connection: &Connection, day: Date) -> Result<Option<(Time, Time)>> {
    let sql = "select opens, closes from documents_day where day = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([day.to_string()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    let found = found.optional()?;
    Ok(found.and_then(|(opens, closes)| Some((opens.parse().ok()?, closes.parse().ok()?))))
}

/// Sets the opening hours of one day, or takes them back; of days long gone nothing is kept.
pub(super) fn set_hours(
    connection: &Connection,
    day: Date,
    hours: Option<(Time, Time)>,
    who: &str,
    now: Timestamp,
) -> Result<()> {
    let day = day.to_string();
    // Yesterday's closing may lead into today.
    let sql = "delete from documents_day where day = ?1 or day < date(?1, '-7 days')";
    connection.execute(sql, [&day])?;
    if let Some((opens, closes)) = hours {
        let sql = "insert into documents_day values (?1, ?2, ?3, ?4, ?5)";
        let row = params![day, opens.to_string(), closes.to_string(), who, to_ms(now)];
        connection.execute(sql, row)?;
    }
    Ok(())
}
