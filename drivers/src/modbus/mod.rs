//! Sensors, meters, counters and relays on Modbus, each described by a register map.

mod discover;
mod frame;
pub mod map;
mod monitor;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use zhiban_vocabulary::command::CommandKind;

use crate::{Driver, DriverKind, SettingsError};

pub use simulator::ModbusSimulator;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "modbus",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Power],
    build,
    explain: monitor::explain,
    fuzz: frame::fuzz,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::Modbus::new(settings)))
}
