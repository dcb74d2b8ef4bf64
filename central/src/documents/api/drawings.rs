//! Routes about drawings of halls (E-02).

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Peer, Result, WebError, file};
use zhiban_vocabulary::masters::drawings::Drawing;

use super::super::drawings::{self, Brought};
use super::{actor, change, hall_id};
use crate::centre::Centre;

/// A drawing of a hall.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DrawingView {
    id: String,
    /// `floor-plan`, `design-rendering`, `circuit`, `water`, `network` or `other`
    kind: String,
    title: String,
    /// `image/png`, `image/jpeg` or `application/pdf`
    media: String,
    bytes: u64,
    sha256: String,
}

impl From<(String, Drawing)> for DrawingView {
    fn from((id, drawing): (String, Drawing)) -> Self {
        Self {
            id,
            kind: drawing.kind,
            title: drawing.title,
            media: drawing.media,
            bytes: drawing.bytes,
            sha256: drawing.sha256,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Titled {
    /// `floor-plan`, `design-rendering`, `circuit`, `water`, `network` or `other`
    kind: String,
    /// Up to 60 characters.
    title: String,
}

impl Titled {
    fn with(self, bytes: &Bytes) -> Brought {
        Brought {
            kind: self.kind,
            title: self.title.trim().to_owned(),
            bytes: bytes.to_vec(),
        }
    }
}

/// Adds a drawing: a PNG, JPEG or PDF of up to 2 MB. It answers with its id.
#[utoipa::path(post, path = "/api/v1/masters/halls/{store}/drawings", tag = "masters",
    params(("store" = String, Path,), Titled),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = Value), (status = 409), (status = 413)))]
pub(super) async fn add_drawing(
    State(centre): State<Centre>,
    Path(hall): Path<String>,
    Query(titled): Query<Titled>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    bytes: Bytes,
) -> Result<Json<Value>> {
    let (hall, by) = (hall_id(&hall)?, actor(&who, address));
    let id = format!("{:016x}", rand::random::<u64>());
    let (brought, told) = (titled.with(&bytes), id.clone());
    let work = move |tx: &dyn Sql| drawings::put(tx, &hall, &id, &brought, &by);
    change(&centre, work).await?;
    Ok(Json(json!({"id": told})))
}

/// Replaces a drawing; without a body its kind and title.
#[utoipa::path(put, path = "/api/v1/masters/halls/{store}/drawings/{drawing}", tag = "masters",
    params(("store" = String, Path,), ("drawing" = String, Path,), Titled),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204), (status = 404), (status = 409), (status = 413)))]
pub(super) async fn replace_drawing(
    State(centre): State<Centre>,
    Path((hall, id)): Path<(String, String)>,
    Query(titled): Query<Titled>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    bytes: Bytes,
) -> Result<StatusCode> {
    let (hall, by) = (hall_id(&hall)?, actor(&who, address));
    let (of, known) = (hall.clone(), id.clone());
    let read = move |sql: &dyn Sql| drawings::of_hall(sql, of.as_str());
    let found = centre.store.read(read).await?;
    if !found.iter().any(|(one, _)| *one == known) {
        return Err(WebError::NotFound(format!("drawing {known:?}")));
    }
    let brought = titled.with(&bytes);
    let work = move |tx: &dyn Sql| drawings::put(tx, &hall, &id, &brought, &by);
    change(&centre, work).await
}

/// Takes a drawing back.
#[utoipa::path(delete, path = "/api/v1/masters/halls/{store}/drawings/{drawing}", tag = "masters",
    params(("store" = String, Path,), ("drawing" = String, Path,)),
    responses((status = 204), (status = 409)))]
pub(super) async fn remove_drawing(
    State(centre): State<Centre>,
    Path((hall, id)): Path<(String, String)>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    let (hall, by) = (hall_id(&hall)?, actor(&who, address));
    let work = move |tx: &dyn Sql| drawings::remove(tx, &hall, &id, &by);
    change(&centre, work).await
}

/// A drawing as it was brought.
#[utoipa::path(get, path = "/api/v1/masters/halls/{store}/drawings/{drawing}", tag = "masters",
    params(("store" = String, Path,), ("drawing" = String, Path,)),
    responses((status = 200, description = "the file"), (status = 404)))]
pub(super) async fn read_drawing(
    State(centre): State<Centre>,
    Path((hall, id)): Path<(String, String)>,
) -> Result<Response> {
    let (hall, of) = (hall_id(&hall)?, id.clone());
    let read = move |sql: &dyn Sql| drawings::whole(sql, hall.as_str(), &of);
    let found = centre.store.read(read).await?;
    let (drawing, bytes) = found.ok_or_else(|| WebError::NotFound(format!("drawing {id:?}")))?;
    Ok(file(&drawing.media, &drawing.title, bytes))
}
