//! Window screens of 平安力合 (Ping'an Lihe), protocol V2.1.

pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use zhiban_vocabulary::command::CommandKind;

use crate::link::framer;
use crate::{Driver, DriverKind, SettingsError};
use frame::Lihe;

pub use simulator::{Behaviour, ScreenSimulator};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "lihe-screen",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Display],
    build,
    explain: framer::explain::<Lihe>,
    fuzz: framer::fuzz::<Lihe>,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::LiheScreen::new(settings)))
}
