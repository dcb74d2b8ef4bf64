//! The organization: units and the halls below them.

use std::collections::BTreeSet;

use zhiban_kernel::sql::{Result, Row, Sql};
use zhiban_kernel::values;

use super::super::model::DEPTH_MAX;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) node: String,
    pub(in super::super) parent: Option<String>,
    pub(in super::super) is_hall: bool,
}

fn read(row: &dyn Row) -> Result<Place> {
    Ok(Place {
        node: row.get(0)?,
        parent: row.get(1)?,
        is_hall: row.get(2)?,
    })
}

/// All nodes, by id.
pub(in super::super) fn places(sql: &dyn Sql) -> Result<Vec<Place>> {
    let query = "select node, parent, is_hall from documents_place order by node";
    sql.all(query, &[], read)
}

pub(in super::super) fn place(sql: &dyn Sql, node: &str) -> Result<Option<Place>> {
    let query = "select node, parent, is_hall from documents_place where node = ?1";
    sql.optional(query, values![node], read)
}

/// How many nodes hang right below.
pub(in super::super) fn children(sql: &dyn Sql, node: &str) -> Result<u64> {
    let query = "select count(*) from documents_place where parent = ?1";
    sql.one(query, values![node], |row| row.get(0))
}

pub(in super::super) fn set_place(tx: &dyn Sql, place: &Place) -> Result<()> {
    tx.execute(
        "insert into documents_place (node, parent, is_hall) values (?1, ?2, ?3)
         on conflict (node) do update set parent = excluded.parent",
        values![place.node, place.parent, place.is_hall],
    )?;
    Ok(())
}

pub(in super::super) fn remove(tx: &dyn Sql, node: &str) -> Result<()> {
    tx.execute("delete from documents_place where node = ?1", values![node])?;
    Ok(())
}

/// A node, the one above it and so on. A node nobody placed stands alone.
pub(in super::super) fn chain(sql: &dyn Sql, node: &str) -> Result<Vec<String>> {
    let mut chain = sql.all(
        "with recursive above (node, parent, depth) as (
             select node, parent, 0 from documents_place where node = ?1
             union all
             select up.node, up.parent, above.depth + 1 from documents_place up
             join above on up.node = above.parent where above.depth < ?2)
         select node from above order by depth",
        values![node, DEPTH_MAX],
        |row| row.get::<String>(0),
    )?;
    if chain.is_empty() {
        chain.push(node.to_owned());
    }
    Ok(chain)
}

/// The halls at and below a node.
pub(in super::super) fn below(sql: &dyn Sql, node: &str) -> Result<BTreeSet<String>> {
    let found = sql.all(
        "with recursive under (node, is_hall, depth) as (
             select node, is_hall, 0 from documents_place where node = ?1
             union all
             select down.node, down.is_hall, under.depth + 1 from documents_place down
             join under on down.parent = under.node where under.depth < ?2)
         select node, is_hall from under",
        values![node, DEPTH_MAX],
        |row| Ok((row.get::<String>(0)?, row.get::<bool>(1)?)),
    )?;
    let halls = found.into_iter().filter(|(_, is_hall)| *is_hall);
    Ok(halls.map(|(node, _)| node).collect())
}

/// How many levels hang below a node.
pub(in super::super) fn height(sql: &dyn Sql, node: &str) -> Result<usize> {
    let deepest = sql.one(
        "with recursive under (node, depth) as (
             select node, 0 from documents_place where node = ?1
             union all
             select down.node, under.depth + 1 from documents_place down
             join under on down.parent = under.node where under.depth <= ?2)
         select cast(coalesce(max(depth), 0) as bigint) from under",
        values![node, DEPTH_MAX],
        |row| row.get::<u32>(0),
    )?;
    Ok(deepest as usize)
}
