//! Routes of the device file.

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_kernel::web::Result;

use super::Desk;
use crate::devices::file;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FileView {
    events: Vec<FileEvent>,
}

/// What happened to the device, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct FileEvent {
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
    /// retirement `replaced_by` or `reason`, of an edit `fields`.
    #[schema(value_type = Option<Object>)]
    facts: Option<Value>,
    /// Staff number, or `hall`.
    who: String,
    /// Severity, where the hall raised an alarm for it.
    alarm: Option<String>,
}

/// The life-long file of a device (S4-3.2.7.3).
#[utoipa::path(get, path = "/api/v1/devices/{device}/file", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = FileView)))]
pub(super) async fn read_file(
    State(desk): State<Desk>,
    Path(device): Path<String>,
) -> Result<Json<FileView>> {
    let read = move |connection: &Connection| Ok(file::events(connection, &device)?);
    let events = desk.devices.0.store.read(read).await?;
    let view = |event: file::Event| {
        let facts = serde_json::from_str(&event.detail).ok();
        let facts: Option<Value> = facts.filter(Value::is_object);
        FileEvent {
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
