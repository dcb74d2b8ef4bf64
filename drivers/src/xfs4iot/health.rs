//! What the services of a kiosk say, as the health of the kiosk. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use zhiban_vocabulary::device::DeviceIdentity;
use zhiban_vocabulary::kiosk::{CashBox, KioskHealth, Paper};
use zhiban_vocabulary::printer::{PrinterHealth, Supply};

/// Most faults that are reported of one kiosk.
const FAULTS_MAX: usize = 32;
/// Longest text of an identity, in characters.
const IDENTITY_MAX: usize = 200;

/// What one service said of its device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// `common.device`
    device: String,
    /// Whether there is a `printer` part.
    is_printer: bool,
    paper: Option<Paper>,
    toner: Option<Supply>,
    cash_box: Option<CashBox>,
    /// `acceptor` or `dispenser` does not work.
    is_stopped: bool,
    faults: Vec<String>,
    storage_faults: Vec<String>,
    /// What a `Common.ErrorEvent` said; until the device is online again.
    error: Option<String>,
}

/// The rank of a state, the worse the higher.
fn rank<T: PartialEq>(order: &[T], state: &T) -> usize {
    order.iter().position(|one| one == state).unwrap_or(0)
}

fn worst<T: PartialEq>(order: &[T], states: impl Iterator<Item = T>) -> Option<T> {
    states.max_by_key(|state| rank(order, state))
}

const PAPER: [Paper; 4] = [Paper::Ok, Paper::Low, Paper::Out, Paper::Jammed];
const SUPPLY: [Supply; 3] = [Supply::Ok, Supply::Low, Supply::Out];
const CASH_BOX: [CashBox; 4] = [CashBox::Ok, CashBox::High, CashBox::Full, CashBox::Removed];

impl Service {
    /// Takes the payload of `Common.Status`.
    #[must_use]
    pub fn status(mut self, payload: &Value) -> Self {
        let text = |path: &str| payload.pointer(path).and_then(Value::as_str);
        self.device = text("/common/device").unwrap_or("unknown").to_owned();
        self.faults.clear();
        if !self.is_online() {
            self.faults.push(format!("device={}", self.device));
        } else {
            self.error = None;
        }
        self.is_printer = payload["printer"].is_object();
        self.paper = self.read_paper(&payload["printer"]);
        let supplies = ["toner", "ink"].map(|name| supply(&payload["printer"][name]));
        self.toner = worst(&SUPPLY, supplies.into_iter().flatten());
        self.is_stopped = false;
        for part in ["acceptor", "dispenser"] {
            let state = text(&format!("/cashManagement/{part}")).unwrap_or("ok");
            self.is_stopped |= state == "stop";
            if !matches!(state, "ok" | "unknown") {
                self.faults.push(format!("{part}={state}"));
            }
        }
        if text("/cashAcceptor/intermediateStacker") == Some("full") {
            self.faults.push("intermediateStacker=full".to_owned());
        }
        for path in [
            "/cardReader/media",
            "/cashAcceptor/banknoteReader",
            "/common/antiFraudModule",
        ] {
            let state = text(path).unwrap_or_default();
            if matches!(state, "jammed" | "inoperable" | "deviceDetected") {
                let name = path.rsplit('/').next().unwrap_or_default();
                self.faults.push(format!("{name}={state}"));
            }
        }
        self
    }

    fn read_paper(&mut self, printer: &Value) -> Option<Paper> {
        let mut states = Vec::new();
        let sources = printer["paper"].as_object();
        for (source, state) in sources.into_iter().flatten() {
            let paper = match state.as_str() {
                Some("full") => Paper::Ok,
                Some("low") => Paper::Low,
                Some("out") => Paper::Out,
                Some("jammed") => Paper::Jammed,
                _ => continue,
            };
            if paper != Paper::Ok {
                let state = state.as_str().unwrap_or_default();
                self.faults.push(format!("paper.{source}={state}"));
            }
            states.push(paper);
        }
        if printer["media"] == "jammed" {
            self.faults.push("media=jammed".to_owned());
            states.push(Paper::Jammed);
        }
        worst(&PAPER, states.into_iter())
    }

    /// Takes the payload of `Storage.GetStorage`. Units that give out money are never full, and
    /// units that take it in are never empty.
    #[must_use]
    pub fn storage(mut self, payload: &Value) -> Self {
        self.storage_faults.clear();
        let mut states = Vec::new();
        let units = payload["storage"].as_object();
        for (name, unit) in units.into_iter().flatten() {
            let status = unit["status"].as_str().unwrap_or("ok");
            if status != "ok" {
                self.storage_faults.push(format!("{name}={status}"));
            }
            let cash = &unit["cash"];
            if !cash.is_object() {
                continue;
            }
            let types = &cash["configuration"]["types"];
            let only_gives_out = types["cashOut"] == true && types["cashIn"] != true;
            let filled = cash["status"]["replenishmentStatus"].as_str();
            let state = match (status, filled.unwrap_or("ok")) {
                ("missing", _) => CashBox::Removed,
                (_, "full") if !only_gives_out => CashBox::Full,
                (_, "high") if !only_gives_out => CashBox::High,
                (_, level @ ("low" | "empty")) if types["cashOut"] == true => {
                    self.storage_faults.push(format!("{name}={level}"));
                    CashBox::Ok
                }
                _ => CashBox::Ok,
            };
            states.push(state);
        }
        self.cash_box = worst(&CASH_BOX, states.into_iter());
        self
    }

    /// Takes the payload of a `Common.ErrorEvent`.
    #[must_use]
    pub fn error(mut self, payload: &Value) -> Self {
        let cause = payload["eventId"].as_str().unwrap_or("unknown");
        self.error = Some(format!("error={}", shorten(cause)));
        self
    }

    fn is_online(&self) -> bool {
        matches!(self.device.as_str(), "online" | "deviceBusy")
    }
}

fn supply(value: &Value) -> Option<Supply> {
    match value.as_str()? {
        "full" => Some(Supply::Ok),
        "low" => Some(Supply::Low),
        "out" => Some(Supply::Out),
        _ => None,
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// All services of a kiosk by name.
pub type Services = BTreeMap<String, Service>;

/// The kiosk as a whole: in service when every device is there and no cash part has stopped.
#[must_use]
pub fn kiosk(services: &Services) -> KioskHealth {
    let works = |service: &Service| service.is_online() && !service.is_stopped;
    KioskHealth {
        in_service: !services.is_empty() && services.values().all(works),
        paper: worst(&PAPER, services.values().filter_map(|service| service.paper)),
        cash_box: worst(&CASH_BOX, services.values().filter_map(|service| service.cash_box)),
        faults: faults(services, |_| true),
    }
}

/// Its printers; `None` when it has none.
#[must_use]
pub fn printer(services: &Services) -> Option<PrinterHealth> {
    let printers = || services.values().filter(|service| service.is_printer);
    printers().next()?;
    Some(PrinterHealth {
        online: printers().all(Service::is_online),
        paper: worst(&PAPER, printers().filter_map(|service| service.paper)),
        cover_open: None,
        cutter_fault: None,
        toner: worst(&SUPPLY, printers().filter_map(|service| service.toner)),
        faults: faults(services, |service| service.is_printer),
    })
}

fn faults(services: &Services, of: impl Fn(&Service) -> bool) -> Vec<String> {
    let mut faults: Vec<String> = services
        .iter()
        .filter(|(_, service)| of(service))
        .flat_map(|(name, service)| {
            let all = service.faults.iter().chain(&service.storage_faults);
            all.chain(&service.error).map(move |fault| format!("{name}.{}", shorten(fault)))
        })
        .collect();
    faults.truncate(FAULTS_MAX);
    faults
}

/// Who the devices say they are: a kiosk is the sum of its devices, and another one when one of
/// them is replaced. Of the kiosk as a whole the standard names the vendor only, so it has no model:
/// those of its devices are its hardware.
#[must_use]
pub fn identity(vendor: Option<&str>, capabilities: &[Value]) -> DeviceIdentity {
    let devices: Vec<&Value> = capabilities
        .iter()
        .filter_map(|capabilities| capabilities["common"]["deviceInformation"].as_array())
        .flatten()
        .collect();
    let joined = |texts: Vec<String>| {
        let text = texts.join(", ");
        (!text.is_empty()).then(|| text.chars().take(IDENTITY_MAX).collect())
    };
    let texts = |of: &dyn Fn(&Value) -> String| {
        let texts = devices.iter().map(|device| of(device));
        joined(texts.filter(|text| !text.is_empty()).collect())
    };
    let text = |device: &Value, key: &str| device[key].as_str().unwrap_or_default().to_owned();
    let hardware = |device: &Value| {
        let (model, revision) = (text(device, "modelName"), text(device, "revisionNumber"));
        format!("{model} {revision}").trim().to_owned()
    };
    let firmware = devices.iter().filter_map(|device| device["firmware"].as_array());
    let firmware = firmware.flatten().filter_map(|firmware| {
        let name = firmware["firmwareName"].as_str().unwrap_or_default();
        let version = firmware["firmwareVersion"].as_str()?;
        Some(format!("{name} {version}").trim().to_owned())
    });
    DeviceIdentity {
        vendor: vendor.map(shorten).filter(|vendor| !vendor.is_empty()),
        model: None,
        serial: texts(&|device| text(device, "serialNumber")),
        firmware: joined(firmware.collect()),
        hardware: texts(&hardware),
        mac: None,
    }
}

#[cfg(test)]
mod tests;
