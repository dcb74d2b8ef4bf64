//! Callers and evaluation pads that frame their bytes as `FF 68 LEN LEN 68 … CS 16`; what the bytes
//! mean is a table of the settings.

pub mod frame;
mod pattern;
mod seat;
mod session;
mod settings;
mod simulator;
mod table;
#[cfg(test)]
mod tests;

use zhiban_vocabulary::command::CommandKind;

use crate::link::framer;
use crate::{Driver, DriverKind, SettingsError};
use frame::Ff68;

pub use simulator::{CallersSimulator, Press};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "ff68",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Display],
    build,
    explain: framer::explain::<Ff68>,
    fuzz: frame::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::Callers::new(settings)))
}
