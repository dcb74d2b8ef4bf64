//! UPS (不间断电源) that are read by SNMP: UPS-MIB (RFC 1628), and Eaton's own.

pub mod mib;
mod session;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::snmp::{self, Polled};
use crate::{Driver, DriverKind, SettingsError};
use session::Ups;

pub use simulator::CardUpsSimulator;


pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "snmp-ups",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: snmp::explain,
    fuzz: snmp::fuzz,
    discover: Some(snmp::discover::<Ups>),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = snmp::decode(table)?;
    Ok(Box::new(Polled::<Ups>::new(settings)))
}
