//! Alpha and BetaBrite signs, M-Protocol.

pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use zhiban_vocabulary::command::CommandKind;

use crate::link::framer;
use crate::{Driver, DriverKind, SettingsError};
use frame::MProtocol;

pub use simulator::SignSimulator;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "alpha-sign",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Display],
    build,
    explain: framer::explain::<MProtocol>,
    fuzz: framer::fuzz::<MProtocol>,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::Sign::new(settings)))
}
