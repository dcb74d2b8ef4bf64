//! NovoSGA 2.x, read through its REST interface, woken by its Mercure hub.

pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::http;
use crate::{Driver, DriverKind, SettingsError};

pub use simulator::{AttendanceStep, NovoSgaSimulator};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "novosga",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: http::explain,
    fuzz: frame::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::NovoSga::new(settings)))
}
