//! What people at the centre do with documents: each is one transaction with its line in the audit log.

use jiff::Timestamp;
use serde_json::{Value, json};
use zhiban_kernel::StoreError;
use zhiban_kernel::people::note;
use zhiban_kernel::sql::Sql;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::{self, CONTENT_BYTES_MAX, Content, Unfit};

use super::model::DEPTH_MAX;
use super::store::{self, Place};
use crate::stores;

type Result<T> = std::result::Result<T, StoreError>;

/// Who does it, and from where.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) staff: String,
    pub(super) address: String,
}

impl Actor {
    pub(super) fn note(&self, tx: &dyn Sql, action: &str, detail: &str) -> Result<()> {
        note(tx, &self.staff, &self.address, action, detail)
    }
}

pub(super) fn refused(reason: &'static str, text: String, facts: Value) -> StoreError {
    StoreError::RefusedBecause {
        text,
        reason,
        facts,
    }
}

pub(super) fn unfit(unfit: &Unfit) -> StoreError {
    let facts = json!({"field": unfit.field, "expected": unfit.expected, "found": unfit.found,
        "line": unfit.line});
    let reason = match unfit.line {
        Some(_) => "unfit-line",
        None => "unfit-value",
    };
    refused(reason, unfit.to_string(), facts)
}

pub(super) fn unknown(node: &str) -> StoreError {
    let text = format!("{node}: neither a unit of the organization nor a hall");
    refused("unknown-scope", text, json!({"node": node}))
}

fn misplaced(node: &str, why: &str) -> StoreError {
    let facts = json!({"node": node, "why": why});
    refused("misplaced", format!("{node}: {why}"), facts)
}

/// What a scope is: a unit, a hall in the tree, or a hall that only the registry knows.
fn is_scope(tx: &dyn Sql, scope: &str) -> Result<bool> {
    Ok(store::place(tx, scope)?.is_some() || is_known_hall(tx, scope)?)
}

pub(super) fn is_known_hall(tx: &dyn Sql, hall: &str) -> Result<bool> {
    match hall.parse::<StoreId>() {
        Ok(id) => Ok(stores::one(tx, &id)?.is_some()),
        Err(_) => Ok(false),
    }
}

/// Makes a unit, or changes what it is called and where it hangs.
pub(super) fn set_unit(
    tx: &dyn Sql,
    unit: &str,
    mut content: Content,
    parent: Option<&str>,
    by: &Actor,
) -> Result<()> {
    tx.lock("documents")?;
    if let Err(error) = unit.parse::<StoreId>() {
        return Err(misplaced(unit, &error.to_string()));
    }
    let before = store::place(tx, unit)?;
    if before.as_ref().is_some_and(|place| place.is_hall)
        || (before.is_none() && is_known_hall(tx, unit)?)
    {
        return Err(misplaced(unit, "a hall has this id"));
    }
    masters::check(&Family::Unit, &content).map_err(|error| unfit(&error))?;
    check_parent(tx, unit, parent)?;
    if let Some(parent) = parent {
        content.insert("parent".into(), parent.into());
    }
    let place = Place {
        node: unit.into(),
        parent: parent.map(str::to_owned),
        is_hall: false,
    };
    store::set_place(tx, &place)?;
    check_depth(tx, unit)?;
    store::save(tx, (&Family::Unit, unit, unit), Some(&content), &by.staff)?;
    by.note(
        tx,
        "masters.unit",
        &format!("{unit} below {}", parent.unwrap_or("-")),
    )
}

/// A unit hangs below another unit, and not below itself.
fn check_parent(tx: &dyn Sql, node: &str, parent: Option<&str>) -> Result<()> {
    let Some(parent) = parent else {
        return Ok(());
    };
    match store::place(tx, parent)? {
        Some(place) if !place.is_hall => {}
        Some(_) => return Err(misplaced(node, "nothing hangs below a hall")),
        None => return Err(unknown(parent)),
    }
    if store::chain(tx, parent)?.iter().any(|above| above == node) {
        return Err(misplaced(node, "it would hang below itself"));
    }
    Ok(())
}

/// What hangs deeper than chains are followed would not be reached.
fn check_depth(tx: &dyn Sql, node: &str) -> Result<()> {
    let above = store::chain(tx, node)?.len();
    let under = store::height(tx, node)?;
    match above + under > DEPTH_MAX as usize {
        true => Err(misplaced(node, &format!("more than {DEPTH_MAX} levels"))),
        false => Ok(()),
    }
}

/// Takes a unit out, when nothing hangs below it, with what was set for it.
pub(super) fn remove_unit(tx: &dyn Sql, unit: &str, by: &Actor) -> Result<()> {
    tx.lock("documents")?;
    if store::place(tx, unit)?.is_none_or(|place| place.is_hall) {
        return Err(unknown(unit));
    }
    let below = store::children(tx, unit)?;
    if below > 0 {
        let facts = json!({"node": unit, "below": below});
        let text = format!("{unit}: {below} units or halls hang below it");
        return Err(refused("not-empty", text, facts));
    }
    for document in store::of_scope(tx, unit)? {
        let key = (&document.family, unit, document.id.as_str());
        store::save(tx, key, None, &by.staff)?;
    }
    store::remove(tx, unit)?;
    by.note(tx, "masters.unit-removed", unit)
}

/// Hangs a hall below a unit; below none, it is taken out of the tree.
pub(super) fn place_hall(
    tx: &dyn Sql,
    hall: &StoreId,
    unit: Option<&str>,
    by: &Actor,
) -> Result<()> {
    tx.lock("documents")?;
    let node = hall.as_str();
    if store::place(tx, node)?.is_some_and(|place| !place.is_hall) {
        return Err(misplaced(node, "a unit has this id"));
    }
    check_parent(tx, node, unit)?;
    let place = Place {
        node: node.into(),
        parent: unit.map(str::to_owned),
        is_hall: true,
    };
    store::set_place(tx, &place)?;
    check_depth(tx, node)?;
    let mut content = store::content_of(tx, &Family::Hall, node, node)?.unwrap_or_default();
    content.remove("unit");
    if let Some(unit) = unit {
        content.insert("unit".into(), unit.into());
    }
    // The document says the place: whoever follows it hears of the move.
    store::save(tx, (&Family::Hall, node, node), Some(&content), &by.staff)?;
    let told = format!("{node} below {}", unit.unwrap_or("-"));
    by.note(tx, "masters.hall-placed", &told)
}

/// Replaces the master data of a hall; its place stays. A hall that was never heard may have some.
pub(super) fn set_hall(
    tx: &dyn Sql,
    hall: &StoreId,
    mut content: Content,
    by: &Actor,
) -> Result<()> {
    tx.lock("documents")?;
    let node = hall.as_str();
    match store::place(tx, node)? {
        Some(place) if !place.is_hall => return Err(misplaced(node, "a unit has this id")),
        Some(_) => {}
        None => place_hall(tx, hall, None, by)?,
    }
    content.remove("unit");
    masters::check(&Family::Hall, &content).map_err(|error| unfit(&error))?;
    let before = store::content_of(tx, &Family::Hall, node, node)?.unwrap_or_default();
    if let Some(unit) = before.get("unit") {
        content.insert("unit".into(), unit.clone());
    }
    let told = changed(&before, &content);
    store::save(tx, (&Family::Hall, node, node), Some(&content), &by.staff)?;
    by.note(tx, "masters.hall", &format!("{node}: {told}"))
}

/// Refuses an edit that began from another version than the one that stands: somebody else's would be
/// lost without a word. `made_from` is the number of the version it began from, 0 when there was none.
pub(super) fn check_unchanged(
    tx: &dyn Sql,
    (family, scope, id): (&Family, &str, &str),
    made_from: i64,
) -> Result<()> {
    tx.lock("documents")?;
    let last = store::versions(tx, (family, scope, id), 1)?.pop();
    let standing = last.filter(|version| version.content.is_some());
    match standing {
        Some(version) if version.change != made_from => {
            let text = format!("{scope}/{id}: {} changed it meanwhile", version.who);
            let facts = json!({"who": version.who, "change": version.change});
            Err(refused("changed-meanwhile", text, facts))
        }
        _ => Ok(()),
    }
}

/// The names of the fields that differ.
fn changed(before: &Content, after: &Content) -> String {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differ = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key));
    differ.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Makes, replaces or takes back a document of the families people keep in lists.
pub(super) fn put(
    tx: &dyn Sql,
    (family, scope, id): (&Family, &str, &str),
    content: Option<&Content>,
    by: &Actor,
) -> Result<()> {
    tx.lock("documents")?;
    if !is_scope(tx, scope)? {
        return Err(unknown(scope));
    }
    if let Some(content) = content {
        masters::check(family, content).map_err(|error| unfit(&error))?;
        check_id(family, id, content)?;
    } else if store::content_of(tx, family, scope, id)?.is_none() {
        return Err(unknown(&format!("{}/{scope}/{id}", family.as_str())));
    }
    store::save(tx, (family, scope, id), content, &by.staff)?;
    let told = format!("{} {scope} {id}", family.as_str());
    let action = match content {
        Some(_) => "masters.document",
        None => "masters.document-removed",
    };
    by.note(tx, action, &told)
}

/// Some ids follow from the content, so that nothing is set twice.
fn check_id(family: &Family, id: &str, content: &Content) -> Result<()> {
    let of = |key: &str| content.get(key).and_then(Value::as_str).unwrap_or_default();
    let expected = match family {
        Family::Threshold => Some(format!("{}@{}", of("name"), of("from"))),
        Family::Person => Some(of("staff").to_owned()),
        _ => None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
    let fits = match &expected {
        Some(expected) => id == expected,
        None => (1..=40).contains(&id.len()) && id.chars().all(plain),
    };
    let size = Value::from(content.clone()).to_string().len();
    if !fits || size > CONTENT_BYTES_MAX {
        let expected = expected.unwrap_or_else(|| "1 to 40 letters and digits".into());
        return Err(unfit(&Unfit {
            field: "id".into(),
            expected,
            found: id.chars().take(60).collect(),
            line: None,
        }));
    }
    Ok(())
}

/// Accepts or declines what a hall proposed; the hall hears of it by a document.
pub(super) fn decide(
    tx: &dyn Sql,
    hall: &StoreId,
    id: &str,
    declined: Option<&str>,
    by: &Actor,
    now: Timestamp,
) -> Result<()> {
    tx.lock("documents")?;
    let node = hall.as_str();
    let missing = || refused("unknown-proposal", format!("{node}/{id}"), json!({}));
    let filed = store::one_filed(tx, node, id)?.ok_or_else(missing)?;
    if filed.state != "open" {
        let facts = json!({"state": filed.state});
        let text = format!("it was {} already", filed.state);
        return Err(refused("decided-already", text, facts));
    }
    if declined.is_none() {
        let before = store::content_of(tx, &Family::Hall, node, node)?.unwrap_or_default();
        set_hall(tx, hall, filed.proposal.applied(&before), by)?;
    }
    let state = declined.map_or("accepted", |_| "declined");
    let reason = declined.unwrap_or_default();
    store::decide(tx, (node, id), (state, reason), &by.staff, now)?;
    let outcome = json!({"state": state, "reason": reason, "at": now});
    let outcome = outcome.as_object().cloned().unwrap_or_default();
    store::save(tx, (&Family::Proposal, node, id), Some(&outcome), &by.staff)?;
    by.note(
        tx,
        &format!("masters.proposal-{state}"),
        &format!("{node} {id}"),
    )
}
