//! Routes: dead letters.

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use zhiban_kernel::web::{Access, Api, Result};
use zhiban_vocabulary::roles::Capability;

use super::{Journal, pages, store};
use crate::routes::with_state;

/// Adds the routes of this slice.
pub fn add_routes(api: Api, journal: &Journal) -> Api {
    let rule = Access::Needs(Capability::DeadLettersRead);
    api.route(rule, with_state(routes!(read_dead_letters), journal))
}

#[derive(Deserialize, IntoParams)]
struct LetterPage {
    /// Only letters with a smaller id.
    before: Option<i64>,
    /// At most 500, 50 when absent.
    limit: Option<u32>,
    device: Option<String>,
    /// Text in reason or topic.
    q: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LettersView {
    total: i64,
    /// Oldest letters dropped because there were too many.
    dropped: i64,
    letters: Vec<LetterView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LetterView {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    received: Timestamp,
    /// `mqtt`, `http` or `wired`
    door: String,
    device: Option<String>,
    topic: Option<String>,
    reason_code: String,
    reason: String,
    /// The bytes as text, when they are text.
    payload_text: Option<String>,
    payload_hex: String,
    /// Of the whole payload, in bytes.
    size: i64,
    truncated: bool,
}

impl From<pages::LetterRow> for LetterView {
    fn from(row: pages::LetterRow) -> Self {
        let truncated = i64::try_from(row.payload.len()).is_ok_and(|kept| kept < row.size);
        Self {
            id: row.id,
            received: row.received,
            door: row.door,
            device: row.device,
            topic: row.topic,
            reason_code: row.code,
            reason: row.reason,
            payload_hex: row
                .payload
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            payload_text: String::from_utf8(row.payload).ok(),
            size: row.size,
            truncated,
        }
    }
}

/// Dead letters, newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "journal", params(LetterPage),
    responses((status = 200, body = LettersView)))]
async fn read_dead_letters(
    State(journal): State<Journal>,
    Query(page): Query<LetterPage>,
) -> Result<Json<LettersView>> {
    let read = move |connection: &rusqlite::Connection| {
        let limit = page.limit.unwrap_or(50).min(500);
        let before = page.before.unwrap_or(i64::MAX);
        let (device, text) = (page.device.as_deref(), page.q.as_deref());
        let device = device.filter(|text| !text.is_empty());
        let text = text.filter(|text| !text.is_empty());
        let rows = pages::letters(connection, before, limit, device, text)?;
        Ok((store::counts(connection)?, rows))
    };
    let (counts, rows) = journal.store().read(read).await?;
    Ok(Json(LettersView {
        total: counts.dead_letters,
        dropped: counts.dead_letters_dropped,
        letters: rows.into_iter().map(LetterView::from).collect(),
    }))
}
