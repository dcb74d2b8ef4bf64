//! LED boards on 仰邦 (Onbon) BX-5K and BX-6K font cards.

pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use zhiban_vocabulary::command::CommandKind;

use crate::link::framer;
use crate::link::onbon::board::Board;
use crate::{Driver, DriverKind, SettingsError};
use frame::FontCard;

pub use simulator::{BoardSimulator, Conduct};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "onbon-k",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Display, CommandKind::Power],
    build,
    explain: framer::explain::<FontCard>,
    fuzz: framer::fuzz::<FontCard>,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    Ok(Box::new(Board(settings::decode(table)?)))
}
