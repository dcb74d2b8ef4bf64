//! Receipt and ticket printers (小票打印机) that speak ESC/POS: their status, read and never printed to.

mod discover;
mod exchange;
pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use crate::link::framer;
use crate::{Driver, DriverKind, SettingsError};
use frame::EscPos;

pub use simulator::{PrinterSimulator, Printing};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "escpos",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain: frame::explain,
    fuzz: framer::fuzz::<EscPos>,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::EscPosPrinter::new(settings)))
}
