//! UPS (不间断电源) that are read by SNMP: UPS-MIB (RFC 1628), and Eaton's own.

mod discover;
pub mod mib;
mod session;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::snmp;
use crate::{Driver, DriverKind, SettingsError};

pub use simulator::CardUpsSimulator;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "snmp-ups",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: snmp::explain,
    fuzz: snmp::fuzz,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = snmp::decode(table)?;
    Ok(Box::new(session::SnmpUps::new(settings)))
}
