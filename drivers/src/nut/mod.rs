//! UPS (不间断电源) behind a server of Network UPS Tools.

mod client;
mod discover;
pub mod frame;
mod session;
mod settings;
mod simulator;
mod state;
#[cfg(test)]
mod tests;

use crate::{Driver, DriverKind, SettingsError};

pub use simulator::NutSimulator;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "nut",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: frame::explain,
    fuzz: frame::fuzz,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::NutUps::new(settings)))
}
