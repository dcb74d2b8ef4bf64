//! Drawings of this hall (E-02), put together from their pieces: each is shown once it is all there.

use axum::extract::{Path, State};
use axum::response::Response;
use rusqlite::{Connection, Result};
use serde::Serialize;
use utoipa::ToSchema;
use zhiban_kernel::web::{self, WebError, file};
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::drawings::Drawing;

use super::api::DocumentsState;
use super::store;

/// A drawing of this hall.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DrawingView {
    pub(super) id: String,
    /// `floor-plan`, `design-rendering`, `circuit`, `water`, `network` or `other`
    pub(super) kind: String,
    pub(super) title: String,
    /// `image/png`, `image/jpeg` or `application/pdf`
    pub(super) media: String,
    pub(super) bytes: u64,
    /// Begins its address anew when it was replaced.
    pub(super) sha256: String,
    /// False while pieces are on their way.
    pub(super) whole: bool,
}

/// The drawings of a hall.
pub(super) fn of_hall(connection: &Connection, hall: &str) -> Result<Vec<DrawingView>> {
    let mut found = Vec::new();
    for kept in store::usable(connection, &Family::Drawing)? {
        let Some(drawing) = Drawing::of(&kept.content).filter(|_| kept.scope == hall) else {
            continue;
        };
        let prefix = drawing.prefix(&kept.id);
        let there = store::count_usable(connection, &Family::Piece, hall, &prefix)?;
        found.push(DrawingView {
            id: kept.id,
            whole: there >= drawing.pieces,
            kind: drawing.kind,
            title: drawing.title,
            media: drawing.media,
            bytes: drawing.bytes,
            sha256: drawing.sha256,
        });
    }
    Ok(found)
}

/// A drawing with its bytes; `None` while it is not all there, or not what the centre has.
pub(super) fn whole(
    connection: &Connection,
    hall: &str,
    id: &str,
) -> Result<Option<(Drawing, Vec<u8>)>> {
    let found = store::one(connection, &Family::Drawing, hall, id)?;
    let Some(drawing) = found.and_then(|kept| Drawing::of(&kept.content)) else {
        return Ok(None);
    };
    let mut pieces = Vec::new();
    for piece in drawing.piece_ids(id) {
        let kept = store::one(connection, &Family::Piece, hall, &piece)?;
        pieces.extend(kept.map(|kept| kept.content));
    }
    let bytes = drawing.joined(&pieces);
    Ok(bytes.map(|bytes| (drawing, bytes)))
}

/// A drawing of this hall as the centre has it.
#[utoipa::path(get, path = "/api/v1/masters/drawings/{drawing}", tag = "masters",
    params(("drawing" = String, Path,)),
    responses((status = 200, description = "the file"), (status = 404)))]
pub(super) async fn read_drawing(
    State(state): State<DocumentsState>,
    Path(id): Path<String>,
) -> web::Result<Response> {
    let (hall, of) = (state.hall.clone(), id.clone());
    let read = move |connection: &Connection| Ok(whole(connection, hall.as_str(), &of)?);
    let found = state.store.read(read).await?;
    let (drawing, bytes) = found.ok_or_else(|| WebError::NotFound(format!("drawing {id:?}")))?;
    Ok(file(&drawing.media, &drawing.title, bytes))
}
