//! Evaluation pads that send what was pressed over HTTP.

pub mod request;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use crate::{Driver, DriverKind, SettingsError};

pub use simulator::{PadAnswer, PadSimulator};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "http-pad",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: request::explain,
    fuzz: request::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::HttpPad::new(settings)))
}
