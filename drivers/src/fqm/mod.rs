//! FQM (Free Queue Manager), read through its REST interface.

pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::http;
use crate::{Driver, DriverKind, SettingsError};

pub use simulator::FqmSimulator;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "fqm",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: http::explain,
    fuzz: frame::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::Fqm::new(settings)))
}
