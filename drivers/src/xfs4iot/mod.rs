//! Self-service terminals that speak XFS4IoT, read-only.

mod discover;
pub mod frame;
pub mod health;
mod session;
mod settings;
mod simulator;
pub mod socket;
#[cfg(test)]
mod tests;

use crate::{Driver, DriverKind, Explained, SettingsError};

pub use simulator::{Placement, TerminalSimulator};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "xfs4iot",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain,
    fuzz: frame::fuzz,
    discover: Some(discover::discover),
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::Xfs4Iot::new(settings)))
}

/// A note of the tap is a message, or the beginning of a long one.
fn explain(bytes: &[u8]) -> Vec<Explained> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(bytes);
    let (text, good) = match frame::read(&text) {
        Ok(message) => (message.to_string(), true),
        Err(malformed) => (malformed.to_string(), false),
    };
    let range = 0..bytes.len();
    vec![Explained { range, text, good }]
}
