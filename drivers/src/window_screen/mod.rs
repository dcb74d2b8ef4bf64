//! Window screens of further makers: six families of frames behind one driver.

pub mod family;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use zhiban_vocabulary::command::CommandKind;

use crate::{Driver, DriverKind, SettingsError};

pub use simulator::{Behaviour, FamilySimulator};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "window-screen",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Display],
    build,
    explain: family::explain,
    fuzz: family::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::WindowScreen::new(settings)))
}
