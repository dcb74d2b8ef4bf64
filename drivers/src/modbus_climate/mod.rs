//! Temperature and humidity sensors on Modbus, described by a register map.

mod frame;
pub mod map;
mod session;
mod settings;

use crate::{Driver, SettingsError};

pub(crate) use frame::encode;

pub(crate) fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::ModbusClimate::new(settings)))
}
