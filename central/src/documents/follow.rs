//! What a hall has to fetch, and whom changes concern.

use std::collections::BTreeSet;

use zhiban_kernel::StoreError;
use zhiban_kernel::sql::Sql;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{Cursor, DOCUMENTS_MAX, Fetched};

use super::model::{fit, life_of};
use super::store;

/// Whom changes concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerned {
    All,
    Halls(BTreeSet<StoreId>),
}

/// Where the documents stand, and whom the changes since an earlier standing concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    pub upto: Cursor,
    pub concerned: Concerned,
}

/// What a hall that stands at `has` has to fetch, at most so much that its answer stays below
/// 1 MiB. A hall in another place than before, or one that knows a change this database never made
/// because it was put back in time, begins afresh.
///
/// # Errors
/// When the database refuses.
pub fn since(tx: &dyn Sql, hall: &StoreId, has: Cursor) -> Result<Fetched, StoreError> {
    let hall = hall.as_str();
    // Somebody named a unit like a hall before the hall came: what is for the unit is not for it.
    if store::place(tx, hall)?.is_some_and(|place| !place.is_hall) {
        return Ok(Fetched::nothing(has));
    }
    let chain = store::chain(tx, hall)?;
    let life = life_of(&chain);
    let change = i64::try_from(has.change).unwrap_or(i64::MAX);
    let goes_on = has.life == life && (change == 0 || store::gave(tx, change)?);
    let from = if goes_on { change } else { 0 };
    let newest = store::newest(tx)?;
    // Only what the answer takes is read: drawings are large.
    let sizes = store::sizes_after(tx, &chain, from, DOCUMENTS_MAX + 1)?;
    let count = fit(sizes.iter().map(|(_, bytes)| *bytes));
    let more = sizes.len() > count;
    let documents = match sizes[..count].last() {
        Some((last, _)) => store::between(tx, &chain, from, *last)?,
        None => Vec::new(),
    };
    let change = match sizes[..count].last() {
        Some((last, _)) if more => last.cast_unsigned(),
        _ => newest.cast_unsigned(),
    };
    Ok(Fetched {
        upto: Cursor { life, change },
        afresh: !goes_on && has != Cursor::default(),
        more,
        documents,
        questions: Vec::new(),
    })
}

/// Whom the changes after `known` concern; asked once a second for all halls together, so it must
/// be cheap when nothing changed.
///
/// # Errors
/// When the database refuses.
pub fn changes(tx: &dyn Sql, known: Cursor) -> Result<Changes, StoreError> {
    let newest = store::newest(tx)?;
    let upto = Cursor {
        life: 1,
        change: newest.cast_unsigned(),
    };
    let from = i64::try_from(known.change).unwrap_or(i64::MAX);
    if upto == known {
        let concerned = Concerned::Halls(BTreeSet::new());
        return Ok(Changes { upto, concerned });
    }
    if from == 0 || !store::gave(tx, from)? {
        let concerned = Concerned::All;
        return Ok(Changes { upto, concerned });
    }
    let mut halls = BTreeSet::new();
    for scope in store::scopes_after(tx, from)? {
        halls.extend(store::below(tx, &scope)?);
        // A hall nobody placed, or one that was just taken out of the tree.
        halls.insert(scope);
    }
    let halls = halls.into_iter().filter_map(|hall| hall.parse().ok());
    let concerned = Concerned::Halls(halls.collect());
    Ok(Changes { upto, concerned })
}
