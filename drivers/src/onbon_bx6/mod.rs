//! LED boards on 仰邦 (Onbon) BX-6 graphic cards.

mod discover;
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
use frame::GraphicCard;

pub use simulator::{CardConduct, CardSimulator};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "onbon-bx6",
    form: include_str!("form.toml"),
    accepts: &[CommandKind::Display, CommandKind::Power],
    build,
    explain: framer::explain::<GraphicCard>,
    fuzz: framer::fuzz::<GraphicCard>,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let card = session::Graphic::new(settings::decode(table)?);
    Ok(Box::new(Board(card)))
}
