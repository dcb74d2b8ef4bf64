//! Routes of the device file.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use zhiban_kernel::web::Result;

use super::Desk;
use crate::devices::file;

/// Entries of a file read at once.
const LIMIT_MAX: u32 = 500;

#[derive(Deserialize, IntoParams)]
pub(super) struct FilePage {
    /// Only entries with a smaller id.
    before: Option<i64>,
    /// At most 500, which it is when absent.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FileView {
    events: Vec<FileEvent>,
}

/// What happened to the device, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct FileEvent {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `registered`, `identified`, `firmware`, `address`, `identity`, `serial-clash`,
    /// `third-model`, `withdrawn`, `decided`, `changed`, `approved`, `credential`, `join-refused`,
    /// `suspended`, `restored` or `retired`
    what: String,
    /// Names and numbers, such as `3.1 → 3.2`; empty where there are facts.
    detail: String,
    /// What there is to know, by what it is about. Of a change `changes` (as in a request), of a
    /// clash `part`, `value` and `owner`, of a decision `about`, `granted` and `reason`, of a
    /// retirement `replaced_by` or `reason`, of an edit `fields` and the keys of `settings`; of
    /// what `gateway.toml` brings about, whether the device is `listed`.
    #[schema(value_type = Option<Object>)]
    facts: Option<Value>,
    /// Staff number, or `hall`.
    who: String,
    /// Severity, where the hall raised an alarm for it.
    alarm: Option<String>,
}

/// The life-long file of a device (S4-3.2.7.3).
#[utoipa::path(get, path = "/api/v1/devices/{device}/file", tag = "devices",
    params(("device" = String, Path), FilePage), responses((status = 200, body = FileView)))]
pub(super) async fn read_file(
    State(desk): State<Desk>,
    Path(device): Path<String>,
    Query(page): Query<FilePage>,
) -> Result<Json<FileView>> {
    let (before, limit) = (page.before.unwrap_or(i64::MAX), page.limit);
    let limit = limit.unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let read = move |connection: &Connection| Ok(file::page(connection, &device, before, limit)?);
    let events = desk.devices.0.store.read(read).await?;
    let view = |event: file::Event| {
        let facts = serde_json::from_str(&event.detail).ok();
        let facts: Option<Value> = facts.filter(Value::is_object);
        FileEvent {
            id: event.id,
            at: event.at,
            what: event.what,
            detail: match facts {
                None => event.detail,
                Some(_) => String::new(),
            },
            facts,
            who: event.who,
            alarm: event.alarm,
        }
    };
    let events = events.into_iter().map(view).collect();
    Ok(Json(FileView { events }))
}
