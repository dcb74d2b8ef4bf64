//! What the centre gave this hall to keep (下发): documents it works on while the centre is away, with
//! their age; and what the hall proposes to the centre.
//!
//! Master data are the centre's (P-01): the hall reads them, and proposes. Documents of a family nobody
//! here knows are kept unread for the version that does; what cannot be used is kept, flagged and shown.

mod api;
mod drawings;
mod model;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{Cursor, Document, Family, Fetched};
use zhiban_vocabulary::envelope::{Item, Lane};
use zhiban_vocabulary::masters::{Content, Dated, Proposal, THRESHOLDS, resolve};

use crate::federation;
use model::{dated, problem_of};
use store::State;

pub use api::{DocumentsState, add_routes};
pub use model::{Level, Master};

/// How exactly is known when the centre was reached, in milliseconds.
const REACHED_MS: i64 = 60_000;
/// Proposals that wait for the centre at once.
const OPEN_MAX: u32 = 20;

/// Keeps what a poll fetched; called in a transaction, and again with the same after an answer that
/// came twice. Called with nothing in it, too: the centre was reached.
///
/// # Errors
/// When the database refuses; then nothing of it is kept and it is fetched again.
pub fn apply(connection: &Connection, fetched: &Fetched, now: Timestamp) -> Result<(), StoreError> {
    let before = store::state(connection)?;
    if !goes_on(&before, fetched) {
        return reached(connection, before, now);
    }
    if fetched.afresh {
        store::begin_afresh(connection)?;
    }
    for document in &fetched.documents {
        keep(connection, document, now)?;
    }
    // Until the last page the hall works on with what it had.
    if !fetched.more {
        store::end_afresh(connection)?;
    }
    let is_new = fetched.afresh || !fetched.documents.is_empty();
    let after = State {
        cursor: fetched.upto,
        changed: if is_new { Some(now) } else { before.changed },
        ..before
    };
    if after != before {
        store::set_state(connection, &after)?;
    }
    reached(connection, after, now)
}

/// Whether an answer follows on what the hall has. One that comes a second time, or late, does not:
/// what was taken back since would come to life again.
fn goes_on(before: &State, fetched: &Fetched) -> bool {
    let (has, upto) = (before.cursor, fetched.upto);
    if fetched.afresh || has == Cursor::default() {
        return true;
    }
    upto.life == has.life && upto.change > has.change
}

fn reached(connection: &Connection, state: State, now: Timestamp) -> Result<(), StoreError> {
    let age_ms = |at: Timestamp| (now.as_millisecond() - at.as_millisecond()).abs();
    if state.reached.is_none_or(|at| age_ms(at) >= REACHED_MS) {
        let reached = Some(now);
        store::set_state(connection, &State { reached, ..state })?;
    }
    Ok(())
}

fn keep(connection: &Connection, document: &Document, now: Timestamp) -> Result<(), StoreError> {
    let Some(content) = &document.content else {
        store::forget(connection, document)?;
        return Ok(());
    };
    let problem = problem_of(document, content);
    if let Some(problem) = &problem {
        let (family, id) = (document.family.as_str(), &document.id);
        tracing::warn!(
            family,
            id,
            problem,
            "a document of the centre cannot be used"
        );
    }
    let text = content.to_string();
    store::keep(connection, document, &text, problem.as_deref(), now)?;
    if document.family == Family::Proposal && problem.is_none() {
        let word = |key: &str| content.get(key).and_then(|value| value.as_str());
        let state = word("state").unwrap_or_default();
        let reason = word("reason").filter(|reason| !reason.is_empty());
        store::settle_proposal(connection, &document.id, state, reason, now)?;
    }
    Ok(())
}

/// How far the hall has followed the documents of the centre.
///
/// # Errors
/// When the database refuses.
pub fn cursor(connection: &Connection) -> Result<Cursor, StoreError> {
    Ok(store::state(connection)?.cursor)
}

/// The hall's master data as the centre keeps them; `None` where it keeps none (P-01).
///
/// # Errors
/// When the database cannot be read.
pub fn master(connection: &Connection, hall: &StoreId) -> rusqlite::Result<Option<Master>> {
    let id = hall.as_str();
    let found = store::one(connection, &Family::Hall, id, id)?;
    Ok(found.and_then(|kept| Master::of(kept.content, kept.taken)))
}

/// The hall, its unit, the unit above and so on.
pub(crate) fn chain(connection: &Connection, hall: &StoreId) -> rusqlite::Result<Vec<String>> {
    const DEPTH_MAX: usize = 20;
    let id = hall.as_str();
    let mut chain = vec![id.to_owned()];
    let found = store::one(connection, &Family::Hall, id, id)?;
    let mut next = found.and_then(|kept| model::word(&kept.content, "unit"));
    while let Some(unit) = next.filter(|_| chain.len() < DEPTH_MAX) {
        let found = store::one(connection, &Family::Unit, &unit, &unit)?;
        next = found.and_then(|kept| model::word(&kept.content, "parent"));
        chain.push(unit);
    }
    Ok(chain)
}

/// What holds of every threshold on a day in this hall.
///
/// # Errors
/// When the database cannot be read.
pub fn thresholds(
    connection: &Connection,
    hall: &StoreId,
    day: Date,
) -> rusqlite::Result<Vec<Level>> {
    let chain = chain(connection, hall)?;
    let set = store::usable(connection, &Family::Threshold)?;
    let set: Vec<Dated> = set.iter().filter_map(dated).collect();
    let level = |bound| Level::of(bound, &resolve(bound, &chain, &set, day));
    Ok(THRESHOLDS.iter().map(level).collect())
}

/// The register maps of the centre by name; of those of one name the nearest holds.
///
/// # Errors
/// When the database cannot be read.
pub fn register_maps(
    connection: &Connection,
    hall: &StoreId,
) -> rusqlite::Result<BTreeMap<String, String>> {
    let set = store::usable(connection, &Family::Definition)?;
    let mut maps = BTreeMap::new();
    for scope in chain(connection, hall)? {
        for kept in set.iter().filter(|kept| kept.scope == scope) {
            if let Some(text) = model::word(&kept.content, "text") {
                maps.entry(kept.id.clone()).or_insert(text);
            }
        }
    }
    Ok(maps)
}

/// The opening hours of one day, where the hall set its own.
///
/// # Errors
/// When the database cannot be read.
pub fn hours_of(connection: &Connection, day: Date) -> rusqlite::Result<Option<(Time, Time)>> {
    store::hours_of(connection, day)
}

/// Writes a proposal down and sends it up, in the caller's transaction.
///
/// # Errors
/// When it cannot be used, too many wait, or the database refuses.
pub fn propose(
    connection: &Connection,
    changes: Content,
    note: Option<String>,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let proposal = Proposal {
        id: format!("{:016x}", rand::random::<u64>()),
        at: now,
        by: by.to_owned(),
        changes,
        note,
    };
    proposal.check().map_err(|unfit| model::refused(&unfit))?;
    if store::count_open(connection)? >= OPEN_MAX {
        return Err(StoreError::RefusedBecause {
            text: format!("{OPEN_MAX} proposals wait for the centre already"),
            reason: "too-many-proposals",
            facts: serde_json::json!({ "max": OPEN_MAX }),
        });
    }
    let text = serde_json::to_string(&proposal)
        .map_err(|error| StoreError::Database(error.to_string()))?;
    store::add_proposal(connection, &proposal, &text)?;
    federation::put(connection, Lane::Live, &Item::Proposal(proposal), now)
}
