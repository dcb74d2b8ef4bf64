//! Routes about the organization's tree.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Peer, Result, WebError};
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::{Content, completeness_percent};

use super::super::{drawings, edit, store, table};
use super::{actor, change};
use crate::centre::Centre;
use crate::stores;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TreeView {
    /// Every unit, and every hall the centre knows; a hall without a parent has no place yet.
    nodes: Vec<NodeView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NodeView {
    node: String,
    parent: Option<String>,
    is_hall: bool,
    name: String,
    /// Of a unit: `group`, `province`, `city`, `centre` or `area`.
    level: Option<String>,
    /// Of a hall: how much of its master data is there.
    complete_percent: Option<u32>,
}

fn word(content: &Content, key: &str) -> Option<String> {
    content.get(key)?.as_str().map(str::to_owned)
}

fn read_nodes(sql: &dyn Sql) -> zhiban_kernel::sql::Result<Vec<NodeView>> {
    let mut contents = BTreeMap::new();
    for family in [Family::Unit, Family::Hall] {
        for document in store::of_family(sql, &family)? {
            let content = document.content.and_then(|content| match content {
                Value::Object(content) => Some(content),
                _ => None,
            });
            contents.insert(document.scope, content.unwrap_or_default());
        }
    }
    let kinds = drawings::kinds(sql)?;
    let complete = |node: &str, content: &Content| {
        let drawn = kinds.get(node).into_iter().flatten();
        completeness_percent(content, drawn.map(String::as_str))
    };
    let mut known: BTreeMap<String, String> = stores::all(sql)?
        .into_iter()
        .map(|hall| (hall.store.to_string(), hall.name().to_owned()))
        .collect();
    let mut nodes = Vec::new();
    for place in store::places(sql)? {
        let content = contents.remove(&place.node).unwrap_or_default();
        let told = known.remove(&place.node);
        nodes.push(NodeView {
            name: word(&content, "name")
                .or(told)
                .unwrap_or_else(|| place.node.clone()),
            level: word(&content, "level"),
            complete_percent: place.is_hall.then(|| complete(&place.node, &content)),
            node: place.node,
            parent: place.parent,
            is_hall: place.is_hall,
        });
    }
    nodes.extend(known.into_iter().map(|(node, name)| NodeView {
        complete_percent: Some(complete(&node, &Content::new())),
        node,
        parent: None,
        is_hall: true,
        name,
        level: None,
    }));
    Ok(nodes)
}

/// The organization with its halls.
#[utoipa::path(get, path = "/api/v1/masters/tree", tag = "masters",
    responses((status = 200, body = TreeView)))]
pub(super) async fn read_tree(State(centre): State<Centre>) -> Result<Json<TreeView>> {
    let nodes = centre.store.read(read_nodes).await?;
    Ok(Json(TreeView { nodes }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unit {
    name: String,
    /// `group`, `province`, `city`, `centre` or `area`
    level: String,
    /// The unit it hangs below; none for one at the top.
    parent: Option<String>,
}

/// Makes a unit, or renames and moves it.
#[utoipa::path(put, path = "/api/v1/masters/units/{unit}", tag = "masters",
    params(("unit" = String, Path,)), request_body = Unit,
    responses((status = 204), (status = 409)))]
pub(super) async fn set_unit(
    State(centre): State<Centre>,
    Path(id): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(unit): Json<Unit>,
) -> Result<StatusCode> {
    let by = actor(&who, address);
    let content = json!({"name": unit.name.trim(), "level": unit.level});
    let content = content.as_object().cloned().unwrap_or_default();
    let parent = unit.parent.filter(|parent| !parent.is_empty());
    let work = move |tx: &dyn Sql| edit::set_unit(tx, &id, content.clone(), parent.as_deref(), &by);
    change(&centre, work).await
}

/// Takes a unit out, when nothing hangs below it.
#[utoipa::path(delete, path = "/api/v1/masters/units/{unit}", tag = "masters",
    params(("unit" = String, Path,)), responses((status = 204), (status = 409)))]
pub(super) async fn remove_unit(
    State(centre): State<Centre>,
    Path(id): Path<String>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    let by = actor(&who, address);
    change(&centre, move |tx: &dyn Sql| edit::remove_unit(tx, &id, &by)).await
}

/// The organization and the master data of its halls as CSV.
#[utoipa::path(get, path = "/api/v1/masters/table", tag = "masters",
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn read_table(
    State(centre): State<Centre>,
) -> Result<([(header::HeaderName, &'static str); 2], String)> {
    let text = centre.store.read(table::export).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"organization.csv\"",
        ),
    ];
    Ok((headers, text))
}

/// Takes a table as it was exported, all of it or, when a cell is wrong, nothing. Halls and units it
/// does not name stay as they are, and so does what an empty cell stands for.
#[utoipa::path(post, path = "/api/v1/masters/table", tag = "masters",
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Value), (status = 409), (status = 422)))]
pub(super) async fn import_table(
    State(centre): State<Centre>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    text: String,
) -> Result<Json<Value>> {
    let by = actor(&who, address);
    let rows = table::read(&text).map_err(|wrong| {
        let facts = wrong.facts();
        WebError::invalid("table", wrong).because("wrong-cell", facts)
    })?;
    let (units, halls) = table::count(&rows);
    change(&centre, move |tx: &dyn Sql| table::import(tx, &rows, &by)).await?;
    Ok(Json(json!({"units": units, "halls": halls})))
}
