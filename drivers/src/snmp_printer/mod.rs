//! Office printers and network kiosks that are read by SNMP (Host Resources MIB and Printer-MIB).

mod discover;
pub mod mib;
mod session;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::snmp;
use crate::{Driver, DriverKind, SettingsError};

pub use simulator::{OfficePrinterSimulator, Supplies};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "snmp-printer",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: snmp::explain,
    fuzz: snmp::fuzz,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = snmp::decode(table)?;
    Ok(Box::new(session::SnmpPrinter::new(settings)))
}
