//! Window screens of 平安力合 (Ping'an Lihe), protocol V2.1.

pub mod frame;
mod session;
mod settings;
mod text;

use crate::{Driver, SettingsError};

pub use text::{TEXT_BYTES_MAX, to_gbk};

pub(crate) fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::LiheScreen::new(settings)))
}
