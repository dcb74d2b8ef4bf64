//! An office printer behind its SNMP agent.

use std::io;

use super::mib;
use crate::link::snmp::{Oid, Value};
use crate::simulator::{DatagramDevice, Port, SnmpAgent};

/// sysObjectID of a maker's printers.
const MAKER: &[u32] = &[1, 3, 6, 1, 4, 1, 11, 2, 3, 9, 1];
const SYS_DESCR: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 1];
const INPUT_MAX: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 8, 2, 1, 9];
const SUPPLY_MAX: &[u32] = &[1, 3, 6, 1, 2, 1, 43, 11, 1, 1, 8];
/// prtMarkerSuppliesType
const TONER_CARTRIDGE: i64 = 21;

/// How the printer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supplies {
    /// Sheets in the only tray, of 500.
    pub sheets: u16,
    /// Pages the cartridge is good for, of 10,000. Below a tenth the printer says that it is low.
    pub toner: u16,
    pub door_open: bool,
    pub jammed: bool,
}

impl Default for Supplies {
    fn default() -> Self {
        Self {
            sheets: 400,
            toner: 7_000,
            door_open: false,
            jammed: false,
        }
    }
}

/// A printer with one tray and one cartridge.
#[derive(Debug)]
pub struct OfficePrinterSimulator(SnmpAgent);

impl OfficePrinterSimulator {
    /// Starts on a free UDP port.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start(community: &str) -> io::Result<Port<Self>> {
        let printer = Self(SnmpAgent::new(community));
        printer.0.set(mib::SYS_OBJECT_ID, &[0], Value::Oid(Oid(MAKER.to_vec())));
        printer.0.set_text(SYS_DESCR, &[0], "Office Laser 4000");
        printer.0.set_text(mib::DEVICE_DESCR, &[1], "Office Laser 4000");
        printer.0.set_text(mib::SERIAL, &[1], "CNB1234567");
        let mac = vec![0x00, 0x17, 0xA4, 0x11, 0x22, 0x33];
        printer.0.set(mib::PHYS_ADDRESS, &[1], Value::Octets(mac));
        printer.0.set_number(INPUT_MAX, &[1, 1], 500);
        printer.0.set_number(mib::SUPPLY_TYPE, &[1, 1], TONER_CARTRIDGE);
        printer.0.set_number(SUPPLY_MAX, &[1, 1], 10_000);
        printer.set(Supplies::default());
        Port::udp(printer).await
    }

    /// From now on.
    pub fn set(&self, supplies: Supplies) {
        let bit = |is_so: bool, bit: u8| u8::from(is_so) << (7 - bit);
        let errors = bit(supplies.sheets < 50, 0)
            | bit(supplies.sheets == 0, 1)
            | bit(supplies.toner < 1_000, 2)
            | bit(supplies.toner == 0, 3)
            | bit(supplies.door_open, 4)
            | bit(supplies.jammed, 5);
        let stands = supplies.sheets == 0 || supplies.door_open || supplies.jammed;
        // hrDeviceStatus running, warning, down; hrPrinterStatus idle, other.
        let (device, printer) = match (stands, errors) {
            (true, _) => (5, 1),
            (false, 0) => (2, 3),
            (false, _) => (3, 3),
        };
        self.0.set(mib::ERROR_STATE, &[1], Value::Octets(vec![errors]));
        self.0.set_number(mib::DEVICE_STATUS, &[1], device);
        self.0.set_number(mib::PRINTER_STATUS, &[1], printer);
        self.0.set_number(mib::INPUT_LEVEL, &[1, 1], supplies.sheets.into());
        self.0.set_number(mib::SUPPLY_LEVEL, &[1, 1], supplies.toner.into());
    }
}

impl DatagramDevice for OfficePrinterSimulator {
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        self.0.answer(datagram)
    }
}

#[cfg(test)]
mod tests;
