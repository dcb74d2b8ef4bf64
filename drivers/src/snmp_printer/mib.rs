//! What the values of a printer mean: RFC 2790 (Host Resources), RFC 3805 (Printer-MIB v2) and the
//! codes of the IANA printer MIB.

use zhiban_vocabulary::device::DeviceIdentity;
use zhiban_vocabulary::kiosk::Paper;
use zhiban_vocabulary::printer::{PrinterHealth, Supply};

use crate::link::snmp::{Walk, vendor};

pub(super) const SYS_OBJECT_ID: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 2];
pub(super) const PHYS_ADDRESS: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 6];
pub(super) const DEVICE_DESCR: &[u32] = &[1, 3, 6, 1, 2, 1, 25, 3, 2, 1, 3];
pub(super) const DEVICE_STATUS: &[u32] = &[1, 3, 6, 1, 2, 1, 25, 3, 2, 1, 5];
pub(super) const PRINTER_STATUS: &[u32] = &[1, 3, 6, 1, 2, 1, 25, 3, 5, 1, 1];
pub(super) const ERROR_STATE: &[u32] = &[1, 3, 6, 1, 2, 1, 25, 3, 5, 1, 2];
pub(super) const SERIAL: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 5, 1, 1, 17];
pub(super) const INPUT_LEVEL: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 10];
pub(super) const SUPPLY_TYPE: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 5];
pub(super) const SUPPLY_LEVEL: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 9];
const ALERT_SEVERITY: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 2];
const ALERT_CODE: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 7];
const ALERT_TEXT: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 18, 1, 1, 8];

/// What is asked at every poll.
pub(super) const STATE: &[&[u32]] = &[
    DEVICE_STATUS,
    PRINTER_STATUS,
    ERROR_STATE,
    INPUT_LEVEL,
    SUPPLY_TYPE,
    SUPPLY_LEVEL,
    ALERT_SEVERITY,
    ALERT_CODE,
    ALERT_TEXT,
];

/// What is asked once.
pub(super) const IDENTITY: &[&[u32]] = &[SYS_OBJECT_ID, DEVICE_DESCR, SERIAL, PHYS_ADDRESS];

const DEVICE_DOWN: i64 = 5;
/// Toner, ink, ink cartridge, ink ribbon, toner cartridge: what makes a page black.
const COLORANTS: [i64; 5] = [3, 5, 6, 7, 21];
const CRITICAL: i64 = 3;
const WARNING: i64 = 4;
const COVER_OPEN: i64 = 3;
const JAM: i64 = 8;
const PAPER_LOW: i64 = 807;
const PAPER_EMPTY: i64 = 808;
const TONER_EMPTY: i64 = 1101;
const TONER_LOW: i64 = 1104;
/// Faults in one report; a printer with more is told of by its first ones.
const FAULTS_MAX: usize = 8;

/// hrPrinterDetectedErrorState: bit 0 is the highest of the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bit {
    LowPaper = 0,
    NoPaper = 1,
    LowToner = 2,
    NoToner = 3,
    DoorOpen = 4,
    Jammed = 5,
    Offline = 6,
    ServiceRequested = 7,
    InputTrayMissing = 8,
    OutputTrayMissing = 9,
    MarkerSupplyMissing = 10,
    OutputFull = 12,
}

/// Bits that have no other place in a report.
const OTHER_FAULTS: [(Bit, &str); 5] = [
    (Bit::ServiceRequested, "service-requested"),
    (Bit::InputTrayMissing, "input-tray-missing"),
    (Bit::OutputTrayMissing, "output-tray-missing"),
    (Bit::MarkerSupplyMissing, "supply-missing"),
    (Bit::OutputFull, "output-full"),
];

/// One line of the alert table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alert {
    severity: i64,
    code: i64,
    text: String,
}

/// The first printer of an agent, as far as it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printer {
    /// hrDeviceStatus
    device: Option<i64>,
    /// hrPrinterDetectedErrorState
    errors: Option<Vec<u8>>,
    /// Levels of the trays: sheets, or -1 any, -2 unknown, -3 some.
    trays: Vec<i64>,
    /// Levels of toner and ink.
    toners: Vec<i64>,
    alerts: Vec<Alert>,
}

impl Printer {
    /// `None` when the agent is no printer's.
    #[must_use]
    pub fn read(walk: &Walk) -> Option<Self> {
        let states = walk.octets(ERROR_STATE).map(|(index, _)| index);
        let statuses = walk.integers(PRINTER_STATUS).map(|(index, _)| index);
        let trays = walk.integers(INPUT_LEVEL).map(|(index, _)| index);
        let index = states.chain(statuses).chain(trays).next()?;
        let index = *index.first()?;
        let ours = |at: &[u32]| at.first() == Some(&index);
        let of = |column| {
            let rows = walk.integers(column).filter(move |(at, _)| ours(at));
            rows.map(|(at, value)| (at.to_vec(), value))
        };
        let type_of = |at: &[u32]| {
            let mut types = of(SUPPLY_TYPE);
            types.find_map(|(other, kind)| (other == at).then_some(kind))
        };
        let is_colorant = |at: &[u32]| type_of(at).is_some_and(|kind| COLORANTS.contains(&kind));
        let toners = of(SUPPLY_LEVEL).filter(|(at, _)| is_colorant(at));
        let mut errors = walk.octets(ERROR_STATE);
        Some(Self {
            device: of(DEVICE_STATUS).next().map(|(_, status)| status),
            errors: errors.find_map(|(at, octets)| ours(at).then(|| octets.to_vec())),
            trays: of(INPUT_LEVEL).map(|(_, level)| level).collect(),
            toners: toners.map(|(_, level)| level).collect(),
            alerts: alerts(walk, index),
        })
    }

    fn has(&self, bit: Bit) -> bool {
        let (octet, bit) = (bit as usize / 8, bit as usize % 8);
        let octets = self.errors.as_deref().unwrap_or_default();
        octets.get(octet).is_some_and(|octet| octet & (0x80 >> bit) != 0)
    }

    fn alerts(&self, code: i64) -> bool {
        self.alerts.iter().any(|alert| alert.code == code)
    }

    fn stopped_by(&self, code: i64) -> bool {
        let stops = |alert: &Alert| alert.code == code && alert.severity == CRITICAL;
        self.alerts.iter().any(stops)
    }

    fn paper(&self) -> Option<Paper> {
        // -1 and -2 say nothing; a tray of many that is empty is no lack of paper.
        let all_empty = !self.trays.is_empty() && self.trays.iter().all(|level| *level == 0);
        let some = self.trays.iter().any(|level| *level > 0 || *level == -3);
        if self.has(Bit::Jammed) || self.alerts(JAM) {
            Some(Paper::Jammed)
        } else if self.has(Bit::NoPaper) || self.stopped_by(PAPER_EMPTY) || all_empty {
            Some(Paper::Out)
        } else if self.has(Bit::LowPaper) || self.alerts(PAPER_LOW) || self.alerts(PAPER_EMPTY) {
            Some(Paper::Low)
        } else {
            (some || self.errors.is_some()).then_some(Paper::Ok)
        }
    }

    fn toner(&self) -> Option<Supply> {
        let some = self.toners.iter().any(|level| *level > 0 || *level == -3);
        if self.has(Bit::NoToner) || self.alerts(TONER_EMPTY) || self.toners.contains(&0) {
            Some(Supply::Out)
        } else if self.has(Bit::LowToner) || self.alerts(TONER_LOW) {
            Some(Supply::Low)
        } else {
            (some || self.errors.is_some()).then_some(Supply::Ok)
        }
    }

    fn cover_open(&self) -> Option<bool> {
        let open = self.has(Bit::DoorOpen) || self.alerts(COVER_OPEN);
        (open || self.errors.is_some()).then_some(open)
    }

    #[must_use]
    pub fn health(&self) -> PrinterHealth {
        let bits = OTHER_FAULTS.iter().filter(|(bit, _)| self.has(*bit));
        let bits = bits.map(|(_, name)| (*name).to_owned());
        let alerts = self.alerts.iter().map(|alert| alert.text.clone());
        let mut faults: Vec<String> = bits.chain(alerts).collect();
        // In whatever order the printer lists them.
        faults.sort();
        faults.dedup();
        faults.truncate(FAULTS_MAX);
        PrinterHealth {
            online: !self.has(Bit::Offline) && self.device != Some(DEVICE_DOWN),
            paper: self.paper(),
            cover_open: self.cover_open(),
            cutter_fault: None,
            toner: self.toner(),
            faults,
        }
    }
}

fn alerts(walk: &Walk, printer: u32) -> Vec<Alert> {
    let severities = walk.integers(ALERT_SEVERITY);
    let real = severities.filter(|(at, severity)| {
        at.first() == Some(&printer) && [CRITICAL, WARNING].contains(severity)
    });
    let alert = |(at, severity): (&[u32], i64)| {
        let code = walk.integer(&[ALERT_CODE, at].concat()).unwrap_or(0);
        let text = walk.text(&[ALERT_TEXT, at].concat());
        Alert {
            severity,
            code,
            text: text.unwrap_or_else(|| format!("alert {code}")),
        }
    };
    real.map(alert).collect()
}

/// What keeps a printer from printing, for people; `None` when nothing does.
#[must_use]
pub fn trouble(health: &PrinterHealth) -> Option<String> {
    let troubles = [
        (!health.online, "offline"),
        (health.paper == Some(Paper::Out), "paper-out"),
        (health.paper == Some(Paper::Jammed), "jammed"),
        (health.cover_open == Some(true), "cover-open"),
        (health.toner == Some(Supply::Out), "toner-out"),
    ];
    let troubles = troubles.iter().filter(|(is_so, _)| *is_so);
    let mut names: Vec<&str> = troubles.map(|(_, name)| *name).collect();
    names.extend(health.faults.iter().map(String::as_str));
    (!names.is_empty()).then(|| names.join(", "))
}

/// Who the printer is.
#[must_use]
pub fn identity(walk: &Walk) -> DeviceIdentity {
    DeviceIdentity {
        vendor: walk.oids(SYS_OBJECT_ID).find_map(vendor).map(Into::into),
        model: walk.text(DEVICE_DESCR),
        serial: walk.text(SERIAL),
        mac: walk.octets(PHYS_ADDRESS).find_map(|(_, octets)| mac(octets)),
        ..DeviceIdentity::default()
    }
}

fn mac(octets: &[u8]) -> Option<String> {
    let is_real = octets.len() == 6 && octets.iter().any(|octet| *octet != 0);
    let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    is_real.then(|| pairs.join(":"))
}

#[cfg(test)]
mod tests;
