//! One device with all that is known of it.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::web::{Result, WebError};
use zhiban_vocabulary::command::CommandKind;
use zhiban_vocabulary::roles::Capability;

use super::wired::{hook_path, shown_settings};
use super::{Desk, DeviceView, view};
use crate::devices::model::Device;
use crate::devices::{file, store};
use crate::journal;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceDetail {
    #[serde(flatten)]
    device: DeviceView,
    /// Of a wired device, without its secrets.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Path programs of the hall call, with its key; only for those who may change the device.
    hook: Option<String>,
    /// Topic prefixes of one that speaks another form than ours.
    topics: Vec<String>,
    /// Whether `gateway.toml` owns it, so that it is not changed here.
    from_file: bool,
    /// Commands it understands: `display`, `restart`, `power`.
    accepts: Vec<&'static str>,
    /// What its parts last said, newest first.
    parts: Vec<PartView>,
}

/// The newest state of one part of a device.
#[derive(Debug, Serialize, ToSchema)]
struct PartView {
    /// Kind of report, such as `printer.health`.
    kind: String,
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    #[schema(value_type = Object)]
    state: Value,
}

/// One device with all that is known of it.
#[utoipa::path(get, path = "/api/v1/devices/{device}", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = DeviceDetail)))]
pub(super) async fn read_device(
    State(desk): State<Desk>,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Result<Json<DeviceDetail>> {
    let devices = desk.devices;
    let key = id.clone();
    let read = move |connection: &Connection| {
        let letters = journal::letters_per_device(connection)?;
        let letters = letters.get(&key).copied().unwrap_or(0);
        let seen = store::all_seen(connection)?
            .remove(&key)
            .unwrap_or_default();
        let asks = file::has_requests(connection, &key)?;
        let parts = store::parts(connection, &key)?;
        Ok((store::find(connection, &key)?, seen, letters, asks, parts))
    };
    let (found, seen, letters, asks, parts) = devices.0.store.read(read).await?;
    let device = found.ok_or_else(|| WebError::NotFound(format!("device {id}")))?;
    let settings = device
        .settings
        .as_ref()
        .map(|settings| shown_settings(&device.driver, settings));
    let hook = match &device.settings {
        Some(settings) if who.may(Capability::DevicesManage) => hook_path(&id, settings),
        _ => None,
    };
    let part = |(kind, time, state): (String, Timestamp, String)| PartView {
        kind,
        time,
        state: serde_json::from_str(&state).unwrap_or_default(),
    };
    Ok(Json(DeviceDetail {
        settings,
        hook,
        topics: device.topics.clone(),
        from_file: device.from_file,
        accepts: accepts(&device),
        parts: parts.into_iter().map(part).collect(),
        device: view(&devices, device, seen, letters, asks),
    }))
}

/// What a device that is no wired one understands is its own matter; it may refuse.
fn accepts(device: &Device) -> Vec<&'static str> {
    let kinds = match zhiban_drivers::find(&device.driver) {
        Some(driver) => driver.accepts,
        None => &CommandKind::ALL,
    };
    kinds.iter().map(|kind| kind.as_str()).collect()
}
