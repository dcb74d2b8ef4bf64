//! Evaluation pads that are keyboards: the keys 1 to 5 of a USB device.

mod device;
pub mod event;
mod session;
mod settings;
#[cfg(test)]
mod tests;

use crate::link::framer;
use crate::{Driver, DriverKind, SettingsError};
use event::Events;

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "hid-pad",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: framer::explain::<Events>,
    fuzz: event::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::HidPad::new(settings)))
}
