//! One device with all that is known of it.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_drivers::DriverKind;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::web::{Result, WebError};
use zhiban_vocabulary::command::CommandKind;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::roles::Capability;

use super::view::{AskView, DeviceView, Known, view};
use super::wired::{hook_path, shown_settings};
use super::{Desk, troubles};
use crate::broker;
use crate::devices::model::Device;
use crate::devices::{file, parts, store};
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
        let known = Known {
            seen,
            dead_letters: letters,
            asks: file::requests_of(connection, &key)?
                .iter()
                .map(AskView::of)
                .collect(),
            trouble: None,
            parts: parts::parts(connection, &key)?,
        };
        let announced = broker::commands_of(connection, &key)?;
        Ok((store::find(connection, &key)?, known, announced))
    };
    let (found, mut known, announced) = devices.0.store.read(read).await?;
    let device = found.ok_or_else(|| WebError::NotFound(format!("device {id}")))?;
    known.trouble = troubles(&desk.drivers).get(&device.device).copied();
    let settings = device
        .settings
        .as_ref()
        .map(|settings| shown_settings(&device.driver, settings));
    let hook = match &device.settings {
        Some(settings) if who.may(Capability::DevicesManage) => hook_path(&id, settings),
        _ => None,
    };
    Ok(Json(DeviceDetail {
        settings,
        hook,
        topics: device.topics.clone(),
        from_file: device.from_file,
        accepts: accepts(&device, &announced),
        device: view(&devices, device, known),
    }))
}

/// A wired device understands what its driver does. Another says so itself; one that says nothing
/// gets what such devices plainly can do. Devices of other forms are not commanded.
fn accepts(device: &Device, announced: &[CommandKind]) -> Vec<&'static str> {
    let driver = zhiban_drivers::find(&device.driver);
    let has_switch = driver.is_none_or(|driver| has_switch(driver, device));
    let kinds = match driver {
        Some(driver) => driver.accepts,
        None if !device.topics.is_empty() => &[],
        None if !announced.is_empty() => announced,
        None => usual_commands(&device.kind),
    };
    let fits = |kind: &&CommandKind| has_switch || **kind != CommandKind::Power;
    kinds
        .iter()
        .filter(fits)
        .map(|kind| kind.as_str())
        .collect()
}

/// Whether a wired device of these settings can be switched, where others of its driver can.
fn has_switch(driver: &DriverKind, device: &Device) -> bool {
    let settings = device.settings.as_deref().unwrap_or("{}");
    let table = serde_json::from_str(settings).unwrap_or_default();
    (driver.build)(table).is_ok_and(|built| built.has_switch())
}

fn usual_commands(kind: &str) -> &'static [CommandKind] {
    match kind.parse() {
        Ok(DeviceKind::WindowScreen | DeviceKind::LedBoard | DeviceKind::Caller) => {
            &[CommandKind::Display]
        }
        Ok(DeviceKind::Kiosk | DeviceKind::TicketMachine) => &[CommandKind::Restart],
        Ok(DeviceKind::DigitalIo) => &[CommandKind::Power],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::model::State;

    fn device(kind: &str, driver: &str, topics: &[&str]) -> Device {
        Device {
            device: "d".parse().unwrap(),
            kind: kind.into(),
            name: String::new(),
            counter: None,
            driver: driver.into(),
            settings: None,
            topics: topics.iter().map(ToString::to_string).collect(),
            from_file: false,
            state: State::Active,
            reason: None,
            identity: zhiban_vocabulary::device::DeviceIdentity::default(),
            address: None,
        }
    }

    #[test]
    fn only_what_a_device_can_do_is_offered() {
        let said = [CommandKind::Power];
        let offered = |device: Device, announced: &[CommandKind]| accepts(&device, announced);
        assert_eq!(offered(device("kiosk", "mqtt", &[]), &[]), ["restart"]);
        assert_eq!(offered(device("kiosk", "mqtt", &[]), &said), ["power"]);
        assert_eq!(
            offered(device("window-screen", "mqtt", &[]), &[]),
            ["display"]
        );
        assert!(offered(device("evaluation-pad", "mqtt", &[]), &[]).is_empty());
        assert!(offered(device("kiosk", "mqtt", &["+/plug"]), &said).is_empty());
        let modbus = |map: &str| Device {
            settings: Some(format!(
                r#"{{"link":{{"tcp":"h:502"}},"unit":1,"map":"{map}"}}"#
            )),
            ..device("other", "modbus", &[])
        };
        assert_eq!(offered(modbus("io-8di-8do"), &[]), ["power"]);
        assert!(offered(modbus("xy-md02"), &[]).is_empty(), "a thermometer");
    }
}
