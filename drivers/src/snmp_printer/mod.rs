//! Office printers and network kiosks that are read by SNMP (Host Resources MIB and Printer-MIB).

pub mod mib;
mod session;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::snmp::{self, Polled};
use crate::{Driver, DriverKind, SettingsError};
use session::Printer;

pub use simulator::{OfficePrinterSimulator, Supplies};


pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "snmp-printer",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: snmp::explain,
    fuzz: snmp::fuzz,
    discover: Some(snmp::discover::<Printer>),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = snmp::decode(table)?;
    Ok(Box::new(Polled::<Printer>::new(settings)))
}
