//! All SQL of the documents: what stands, every version, the tree and the proposals.

mod proposals;
mod tree;

use std::collections::BTreeSet;

use rand::RngExt as _;
use serde_json::Value;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Bound, Result, Row, Sql, damaged};
use zhiban_kernel::{Clock, StoreError, values};
use zhiban_vocabulary::down::{Document, Family};
use zhiban_vocabulary::masters::Content;

pub(super) use proposals::{Filed, decide, file, filed, one_filed};
pub(super) use tree::{Place, below, chain, children, height, place, places, remove, set_place};

/// Changes take numbers this far apart, each at a random place in between: a database that was put
/// back does not give one again.
const SPREAD: i64 = 1_024;

/// A version of a document.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) change: i64,
    pub(super) at: jiff::Timestamp,
    pub(super) who: String,
    /// `None`: it was taken back.
    pub(super) content: Option<Value>,
}

/// Keeps a document as it stands from now on, `None` when it is taken back; false when it stood so
/// already.
///
/// # Errors
/// When the database refuses.
pub(super) fn save(
    tx: &dyn Sql,
    (family, scope, id): (&Family, &str, &str),
    content: Option<&Content>,
    who: &str,
) -> Result<bool> {
    // In the order of their numbers: a hall that follows must not pass one that is still to commit.
    tx.lock("documents")?;
    let before = content_of(tx, family, scope, id)?;
    if before.as_ref() == content {
        return Ok(false);
    }
    let now = to_ms(Clock::real_now());
    let random = rand::rng().random_range(1..SPREAD);
    let change = (newest(tx)? + random).max(now * SPREAD + random);
    let text = content.map(|content| Value::from(content.clone()).to_string());
    tx.execute(
        "insert into documents_document (family, scope, id, change, content)
         values (?1, ?2, ?3, ?4, ?5)
         on conflict (family, scope, id) do update set
             change = excluded.change, content = excluded.content",
        values![family.as_str(), scope, id, change, text],
    )?;
    // What a drawing looked like is not kept.
    let kept = text.filter(|_| *family != Family::Piece);
    tx.execute(
        "insert into documents_version (change, family, scope, id, content, at_ms, who)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![change, family.as_str(), scope, id, kept, now, who],
    )?;
    Ok(true)
}

/// The number of the last change; 0 when there was none.
pub(super) fn newest(sql: &dyn Sql) -> Result<i64> {
    let query = "select max(change) from documents_version";
    let newest = sql.one(query, &[], |row| row.get::<Option<i64>>(0))?;
    Ok(newest.unwrap_or_default())
}

/// Whether this database gave that number.
pub(super) fn gave(sql: &dyn Sql, change: i64) -> Result<bool> {
    let query = "select change from documents_version where change = ?1";
    let found = sql.optional(query, values![change], |row| row.get::<i64>(0))?;
    Ok(found.is_some())
}

/// What a document says; `None` when there is none.
pub(super) fn content_of(
    sql: &dyn Sql,
    family: &Family,
    scope: &str,
    id: &str,
) -> Result<Option<Content>> {
    let query = "select content from documents_document
         where family = ?1 and scope = ?2 and id = ?3";
    let found = sql.optional(query, values![family.as_str(), scope, id], |row| {
        row.get::<Option<String>>(0)
    })?;
    found.flatten().map(|text| read_content(&text)).transpose()
}

fn read_content(text: &str) -> Result<Content> {
    serde_json::from_str(text).map_err(|error| damaged(0, error))
}

/// Numbers of the changes to documents of these scopes after a change, in their order, with how many
/// bytes each is; at most `limit`.
pub(super) fn sizes_after(
    sql: &dyn Sql,
    scopes: &[String],
    change: i64,
    limit: usize,
) -> Result<Vec<(i64, usize)>> {
    let query = format!(
        "select change, cast(coalesce(octet_length(content), 0) as bigint)
         from documents_document where change > ?1 and scope in ({}) order by change limit ?2",
        marks(scopes.len())
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    sql.all(&query, &bound(change, limit, scopes), |row| {
        Ok((row.get(0)?, row.get::<u32>(1)? as usize))
    })
}

/// Documents of these scopes after a change and up to another, in the order of their changes.
pub(super) fn between(
    sql: &dyn Sql,
    scopes: &[String],
    change: i64,
    upto: i64,
) -> Result<Vec<Document>> {
    let query = format!(
        "select family, scope, id, change, content from documents_document
         where change > ?1 and change <= ?2 and scope in ({}) order by change",
        marks(scopes.len())
    );
    sql.all(&query, &bound(change, upto, scopes), read_document)
}

/// Marks of so many scopes behind two others.
fn marks(scopes: usize) -> String {
    let marks: Vec<_> = (0..scopes).map(|n| format!("?{}", n + 3)).collect();
    marks.join(", ")
}

fn bound(first: i64, second: i64, scopes: &[String]) -> Vec<Bound<'_>> {
    let numbers = [first, second].map(|number| Bound::Integer(Some(number)));
    let scopes = scopes.iter().map(|scope| Bound::Text(Some(scope)));
    numbers.into_iter().chain(scopes).collect()
}

/// Ids of the pieces of a drawing that stand; the drawing's id has nothing but letters and digits.
pub(super) fn pieces(sql: &dyn Sql, hall: &str, drawing: &str) -> Result<Vec<String>> {
    sql.all(
        "select id from documents_document
         where family = ?1 and scope = ?2 and id like ?3 and content is not null",
        values![Family::Piece.as_str(), hall, format!("{drawing}.%")],
        |row| row.get(0),
    )
}

/// Documents of a family and scope that stand, by id.
pub(super) fn of_both(sql: &dyn Sql, family: &Family, scope: &str) -> Result<Vec<Document>> {
    sql.all(
        "select family, scope, id, change, content from documents_document
         where family = ?1 and scope = ?2 and content is not null order by id",
        values![family.as_str(), scope],
        read_document,
    )
}

/// Documents of a family that stand, by scope and id.
pub(super) fn of_family(sql: &dyn Sql, family: &Family) -> Result<Vec<Document>> {
    sql.all(
        "select family, scope, id, change, content from documents_document
         where family = ?1 and content is not null order by scope, id",
        values![family.as_str()],
        read_document,
    )
}

/// Documents of a scope that stand, whatever they are.
pub(super) fn of_scope(sql: &dyn Sql, scope: &str) -> Result<Vec<Document>> {
    sql.all(
        "select family, scope, id, change, content from documents_document
         where scope = ?1 and content is not null order by change",
        values![scope],
        read_document,
    )
}

fn read_document(row: &dyn Row) -> Result<Document> {
    let content: Option<&str> = row.get(4)?;
    let content = content
        .map(|text| serde_json::from_str(text).map_err(|error| damaged(4, error)))
        .transpose()?;
    Ok(Document {
        family: Family::of_text(row.get(0)?),
        scope: row.get(1)?,
        id: row.get(2)?,
        change: row.get(3)?,
        content,
    })
}

/// For whom documents were changed after a number.
pub(super) fn scopes_after(sql: &dyn Sql, change: i64) -> Result<BTreeSet<String>> {
    let query = "select distinct scope from documents_document where change > ?1";
    let found = sql.all(query, values![change], |row| row.get::<String>(0))?;
    Ok(found.into_iter().collect())
}

/// The last versions of a document, newest first.
pub(super) fn versions(
    sql: &dyn Sql,
    (family, scope, id): (&Family, &str, &str),
    limit: u32,
) -> Result<Vec<Version>> {
    sql.all(
        "select change, at_ms, who, content from documents_version
         where family = ?1 and scope = ?2 and id = ?3 order by change desc limit ?4",
        values![family.as_str(), scope, id, limit],
        |row| {
            let content: Option<&str> = row.get(3)?;
            Ok(Version {
                change: row.get(0)?,
                at: from_ms(row.get(1)?),
                who: row.get(2)?,
                content: content.and_then(|text| serde_json::from_str(text).ok()),
            })
        },
    )
}

pub(super) fn json_text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(error.to_string()))
}
