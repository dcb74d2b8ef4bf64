//! Temperature and humidity sensors on Modbus, described by a register map.

mod frame;
pub mod map;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use crate::{Driver, DriverKind, Explained, SettingsError};

pub(crate) use frame::encode;

pub use simulator::ClimateSimulator;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "modbus-climate",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain,
    fuzz: |_| {},
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::ModbusClimate::new(settings)))
}

fn explain(_: &[u8]) -> Vec<Explained> {
    Vec::new()
}
