//! Drawings of halls (E-02): what people bring, cut into pieces that go down before the drawing they
//! belong to, and put together again where somebody looks at them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use zhiban_kernel::StoreError;
use zhiban_kernel::sql::Sql;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::drawings::{DRAWINGS_MAX, Drawing, cut};
use zhiban_vocabulary::masters::{Content, check};

use super::edit::{Actor, is_known_hall, refused, unfit, unknown};
use super::store;

type Result<T> = std::result::Result<T, StoreError>;

/// What somebody brings.
#[derive(Debug, Clone)]
pub(super) struct Brought {
    pub(super) kind: String,
    pub(super) title: String,
    /// Empty: those the drawing has.
    pub(super) bytes: Vec<u8>,
}

/// Makes or replaces a drawing. Its pieces take their numbers before it and those of the one before
/// are taken back after it: a hall that fetches them has one of the two, whole, at every moment.
pub(super) fn put(
    tx: &dyn Sql,
    hall: &StoreId,
    id: &str,
    brought: &Brought,
    by: &Actor,
) -> Result<()> {
    tx.lock("documents")?;
    let hall = hall.as_str();
    let is_placed = store::place(tx, hall)?.is_some_and(|place| place.is_hall);
    if !is_placed && !is_known_hall(tx, hall)? {
        return Err(unknown(hall));
    }
    let before = one(tx, hall, id)?;
    if before.is_none() && store::of_both(tx, &Family::Drawing, hall)?.len() >= DRAWINGS_MAX {
        let facts = json!({"max": DRAWINGS_MAX});
        let text = format!("{hall} has {DRAWINGS_MAX} drawings already");
        return Err(refused("too-many-drawings", text, facts));
    }
    let drawing = made(brought, before)?;
    let ids = drawing.piece_ids(id);
    for (piece, content) in ids.iter().zip(cut(&brought.bytes)) {
        let key = (&Family::Piece, hall, piece.as_str());
        store::save(tx, key, Some(&content), &by.staff)?;
    }
    let key = (&Family::Drawing, hall, id);
    store::save(tx, key, Some(&drawing.content()), &by.staff)?;
    for piece in store::pieces(tx, hall, id)? {
        if !ids.contains(&piece) {
            store::save(tx, (&Family::Piece, hall, &piece), None, &by.staff)?;
        }
    }
    let told = format!("{hall} {id} {} {}", drawing.kind, drawing.sha256);
    by.note(tx, "masters.drawing", &told)
}

fn made(brought: &Brought, before: Option<Drawing>) -> Result<Drawing> {
    let (kind, title) = (brought.kind.as_str(), brought.title.as_str());
    let drawing = match before {
        Some(before) if brought.bytes.is_empty() => Drawing {
            kind: kind.into(),
            title: title.into(),
            ..before
        },
        _ => Drawing::new(kind, title, &brought.bytes).map_err(|error| unfit(&error))?,
    };
    check(&Family::Drawing, &drawing.content()).map_err(|error| unfit(&error))?;
    Ok(drawing)
}

/// Takes a drawing back, and then its pieces.
pub(super) fn remove(tx: &dyn Sql, hall: &StoreId, id: &str, by: &Actor) -> Result<()> {
    tx.lock("documents")?;
    let hall = hall.as_str();
    if one(tx, hall, id)?.is_none() {
        return Err(unknown(&format!("drawing/{hall}/{id}")));
    }
    store::save(tx, (&Family::Drawing, hall, id), None, &by.staff)?;
    for piece in store::pieces(tx, hall, id)? {
        store::save(tx, (&Family::Piece, hall, &piece), None, &by.staff)?;
    }
    by.note(tx, "masters.drawing-removed", &format!("{hall} {id}"))
}

fn one(sql: &dyn Sql, hall: &str, id: &str) -> Result<Option<Drawing>> {
    let content = store::content_of(sql, &Family::Drawing, hall, id)?;
    Ok(content.as_ref().and_then(Drawing::of))
}

/// The drawings of a hall with their ids.
pub(super) fn of_hall(sql: &dyn Sql, hall: &str) -> Result<Vec<(String, Drawing)>> {
    let found = store::of_both(sql, &Family::Drawing, hall)?;
    let read = |document: zhiban_vocabulary::down::Document| {
        let content = document.content?;
        Some((document.id, Drawing::of(content.as_object()?)?))
    };
    Ok(found.into_iter().filter_map(read).collect())
}

/// Of which kinds every hall has drawings.
pub(super) fn kinds(sql: &dyn Sql) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for document in store::of_family(sql, &Family::Drawing)? {
        let kind = document.content.unwrap_or_default();
        if let Some(kind) = kind["kind"].as_str() {
            let of_hall = kinds.entry(document.scope).or_default();
            of_hall.insert(kind.to_owned());
        }
    }
    Ok(kinds)
}

/// A drawing with its bytes; `None` when there is none.
pub(super) fn whole(sql: &dyn Sql, hall: &str, id: &str) -> Result<Option<(Drawing, Vec<u8>)>> {
    let Some(drawing) = one(sql, hall, id)? else {
        return Ok(None);
    };
    let mut pieces: Vec<Content> = Vec::new();
    for piece in drawing.piece_ids(id) {
        pieces.extend(store::content_of(sql, &Family::Piece, hall, &piece)?);
    }
    let damaged = || StoreError::Database(format!("drawing {hall}/{id} is damaged"));
    let bytes = drawing.joined(&pieces).ok_or_else(damaged)?;
    Ok(Some((drawing, bytes)))
}
