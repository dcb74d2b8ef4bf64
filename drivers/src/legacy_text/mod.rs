//! The legacy text service on TCP 6000, as a server: an existing queue host drives our screens.

pub mod frame;
mod session;
mod settings;
#[cfg(test)]
mod tests;

use crate::{Driver, DriverKind, SettingsError};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "legacy-text",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: frame::explain,
    fuzz: frame::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::LegacyText::new(settings)))
}
