//! What halls propose.

use jiff::Timestamp;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Result, Row, Sql, damaged};
use zhiban_kernel::values;
use zhiban_vocabulary::masters::Proposal;

use super::json_text;

/// Proposals of one hall that wait at once; a hall that has more is not read by anybody.
const OPEN_MAX: u32 = 50;

/// A proposal as the centre keeps it.
#[derive(Debug, Clone)]
pub(in super::super) struct Filed {
    pub(in super::super) store: String,
    pub(in super::super) received: Timestamp,
    pub(in super::super) proposal: Proposal,
    /// `open`, `accepted` or `declined`
    pub(in super::super) state: String,
    pub(in super::super) reason: Option<String>,
    pub(in super::super) decided_by: Option<String>,
    pub(in super::super) decided: Option<Timestamp>,
}

const FILED: &str = "select store, received_ms, proposal, state, reason, decided_by, decided_ms
     from documents_proposal";

fn read(row: &dyn Row) -> Result<Filed> {
    let proposal: &str = row.get(2)?;
    Ok(Filed {
        store: row.get(0)?,
        received: from_ms(row.get(1)?),
        proposal: serde_json::from_str(proposal).map_err(|error| damaged(2, error))?,
        state: row.get(3)?,
        reason: row.get(4)?,
        decided_by: row.get(5)?,
        decided: row.get::<Option<i64>>(6)?.map(from_ms),
    })
}

/// Keeps a proposal once; false when the hall has too many open.
pub(in super::super) fn file(
    tx: &dyn Sql,
    store: &str,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<bool> {
    if one_filed(tx, store, &proposal.id)?.is_some() {
        return Ok(true);
    }
    let query = "select count(*) from documents_proposal where store = ?1 and state = 'open'";
    let open: u32 = tx.one(query, values![store], |row| row.get(0))?;
    if open >= OPEN_MAX {
        return Ok(false);
    }
    tx.execute(
        "insert into documents_proposal
             (store, id, received_ms, proposal, state) values (?1, ?2, ?3, ?4, 'open')",
        values![store, proposal.id, to_ms(now), json_text(proposal)?],
    )?;
    Ok(true)
}

/// Open ones first, then newest first.
pub(in super::super) fn filed(sql: &dyn Sql, limit: u32) -> Result<Vec<Filed>> {
    let order = "order by case when state = 'open' then 0 else 1 end, received_ms desc, id";
    sql.all(&format!("{FILED} {order} limit ?1"), values![limit], read)
}

pub(in super::super) fn one_filed(sql: &dyn Sql, store: &str, id: &str) -> Result<Option<Filed>> {
    let query = format!("{FILED} where store = ?1 and id = ?2");
    sql.optional(&query, values![store, id], read)
}

/// Writes down what became of an open one.
pub(in super::super) fn decide(
    tx: &dyn Sql,
    (store, id): (&str, &str),
    (state, reason): (&str, &str),
    who: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "update documents_proposal set state = ?3, reason = ?4, decided_by = ?5, decided_ms = ?6
         where store = ?1 and id = ?2 and state = 'open'",
        values![store, id, state, reason, who, to_ms(now)],
    )?;
    Ok(())
}
