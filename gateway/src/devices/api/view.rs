//! A device as its page and the list show it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_drivers::Trouble;

use crate::devices::Devices;
use crate::devices::file::Request;
use crate::devices::model::{Device, State};
use crate::devices::parts::Part;
use crate::devices::store::SeenRow;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceView {
    device: String,
    kind: String,
    name: String,
    counter: Option<String>,
    driver: String,
    /// `active`, `suspended` or `retired`
    state: &'static str,
    /// Why it is suspended: `identity`, `address`, `third-model`, `serial-clash`, `refused` or
    /// `by-hand`.
    reason: Option<String>,
    /// Changes of it that wait for a person.
    asks: Vec<AskView>,
    /// In use although a change of it waits for a person (S0-2.5-3b, lenient).
    provisional: bool,
    vendor: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    firmware: Option<String>,
    /// `null` for wired devices, whose health says it.
    connected: Option<bool>,
    address: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_report: Option<Timestamp>,
    reports: i64,
    dead_letters: i64,
    /// Its clock cannot be right.
    clock_suspect: bool,
    health: HealthView,
    /// What its parts last said, newest first; in the list of all devices only those parts that
    /// can be unwell.
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

/// A change that waits for a person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskView {
    /// Number of the request.
    id: i64,
    /// `identity`, `address`, `third-model` or `serial-clash`
    what: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct HealthView {
    /// `up`, `degraded`, `down` or `unknown`
    status: String,
    /// In words of the device, or of its driver for whoever knows the protocol.
    detail: String,
    /// What keeps the driver of a wired device from running: `port`, `unreachable`, `silent`,
    /// `refused`, `garbled`, `settings`, `box` or `other`.
    trouble: Option<&'static str>,
}

impl AskView {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            id: request.id,
            what: request.what.clone(),
        }
    }
}

/// What is known of a device beside what it is.
pub(super) struct Known {
    pub(super) seen: SeenRow,
    pub(super) dead_letters: i64,
    pub(super) asks: Vec<AskView>,
    pub(super) trouble: Option<Trouble>,
    pub(super) parts: Vec<Part>,
}

pub(super) fn view(devices: &Devices, device: Device, known: Known) -> DeviceView {
    let address = devices.address_of(&device.device);
    let seen = known.seen;
    DeviceView {
        provisional: !known.asks.is_empty() && device.state == State::Active,
        asks: known.asks,
        reason: device.reason.clone(),
        vendor: device.identity.vendor.clone(),
        model: device.identity.model.clone(),
        serial: device.identity.serial.clone(),
        firmware: device.identity.firmware.clone(),
        connected: (!device.is_wired()).then_some(address.is_some()),
        address: address.map(|address| address.to_string()),
        state: device.state.as_str(),
        device: device.device.to_string(),
        kind: device.kind,
        name: device.name,
        counter: device.counter.map(|counter| counter.to_string()),
        driver: device.driver,
        last_report: seen.last_report,
        reports: seen.reports,
        dead_letters: known.dead_letters,
        clock_suspect: seen.clock_suspect,
        health: HealthView {
            status: seen.health.unwrap_or_else(|| "unknown".into()),
            detail: seen.health_detail.unwrap_or_default(),
            trouble: known.trouble.map(Trouble::as_str),
        },
        parts: known.parts.into_iter().map(PartView::of).collect(),
    }
}

impl PartView {
    fn of(part: Part) -> Self {
        Self {
            kind: part.kind,
            time: part.time,
            state: serde_json::from_str(&part.state).unwrap_or_default(),
        }
    }
}
