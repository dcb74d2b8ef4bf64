//! Routes about documents people keep in lists: agents, thresholds, announcements, staff,
//! definitions.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Peer, Result, WebError};
use zhiban_vocabulary::down::{Document, Family};
use zhiban_vocabulary::masters::Content;
use zhiban_vocabulary::roles::Capability;

use super::super::{edit, store};
use super::{MadeFrom, VersionView, actor, change};
use crate::centre::Centre;

const LISTS: [Family; 5] = [
    Family::Agent,
    Family::Threshold,
    Family::Announcement,
    Family::Person,
    Family::Definition,
];
/// Versions shown of one document.
const VERSIONS_MAX: u32 = 50;

/// The family of a list. Who works where is for those who keep it (P-02).
fn list(word: &str, who: &SignedIn) -> Result<Family> {
    let found = LISTS.into_iter().find(|family| family.as_str() == word);
    let family = found.ok_or_else(|| WebError::NotFound(format!("list {word:?}")))?;
    if family == Family::Person && !who.may(Capability::MastersManage) {
        return Err(WebError::Forbidden(Capability::MastersManage));
    }
    Ok(family)
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListView {
    documents: Vec<DocumentView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DocumentView {
    scope: String,
    id: String,
    change: u64,
    #[schema(value_type = Object)]
    content: Value,
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        Self {
            scope: document.scope,
            id: document.id,
            change: document.change,
            content: document.content.unwrap_or_default(),
        }
    }
}

/// All documents of a list that stand.
#[utoipa::path(get, path = "/api/v1/masters/lists/{family}", tag = "masters",
    params(("family" = String, Path,)), responses((status = 200, body = ListView), (status = 404)))]
pub(super) async fn read_list(
    State(centre): State<Centre>,
    Path(family): Path<String>,
    Extension(who): Extension<SignedIn>,
) -> Result<Json<ListView>> {
    let family = list(&family, &who)?;
    let read = move |sql: &dyn Sql| store::of_family(sql, &family);
    let found = centre.store.read(read).await?;
    let documents = found.into_iter().map(DocumentView::from).collect();
    Ok(Json(ListView { documents }))
}

/// Makes or replaces a document. The id of a threshold is `name@from`, that of a member of staff the
/// staff number.
#[utoipa::path(put, path = "/api/v1/masters/lists/{family}/{scope}/{id}", tag = "masters",
    params(("family" = String, Path,), ("scope" = String, Path,), ("id" = String, Path,), MadeFrom),
    request_body = Value, responses((status = 204), (status = 404), (status = 409)))]
pub(super) async fn put_document(
    State(centre): State<Centre>,
    Path((family, scope, id)): Path<(String, String, String)>,
    Query(from): Query<MadeFrom>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(content): Json<Content>,
) -> Result<StatusCode> {
    let (family, by) = (list(&family, &who)?, actor(&who, address));
    let work = move |tx: &dyn Sql| {
        from.check(tx, (&family, &scope, &id))?;
        edit::put(tx, (&family, &scope, &id), Some(&content), &by)
    };
    change(&centre, work).await
}

/// Takes a document back; its versions stay.
#[utoipa::path(delete, path = "/api/v1/masters/lists/{family}/{scope}/{id}", tag = "masters",
    params(("family" = String, Path,), ("scope" = String, Path,), ("id" = String, Path,)),
    responses((status = 204), (status = 404), (status = 409)))]
pub(super) async fn remove_document(
    State(centre): State<Centre>,
    Path((family, scope, id)): Path<(String, String, String)>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    let (family, by) = (list(&family, &who)?, actor(&who, address));
    let work = move |tx: &dyn Sql| edit::put(tx, (&family, &scope, &id), None, &by);
    change(&centre, work).await
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionsView {
    versions: Vec<VersionView>,
}

/// The last versions of a document, newest first.
#[utoipa::path(get, path = "/api/v1/masters/lists/{family}/{scope}/{id}/versions", tag = "masters",
    params(("family" = String, Path,), ("scope" = String, Path,), ("id" = String, Path,)),
    responses((status = 200, body = VersionsView), (status = 404)))]
pub(super) async fn read_versions(
    State(centre): State<Centre>,
    Path((family, scope, id)): Path<(String, String, String)>,
    Extension(who): Extension<SignedIn>,
) -> Result<Json<VersionsView>> {
    let family = list(&family, &who)?;
    let read = move |sql: &dyn Sql| store::versions(sql, (&family, &scope, &id), VERSIONS_MAX);
    let found = centre.store.read(read).await?;
    let versions = found.into_iter().map(VersionView::from).collect();
    Ok(Json(VersionsView { versions }))
}
