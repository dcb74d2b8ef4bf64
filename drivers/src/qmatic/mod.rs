//! Qmatic Orchestra, whose events module posts what happens to visits and counters.

pub mod frame;
mod session;
mod settings;
mod simulator;
#[cfg(test)]
mod tests;

use crate::{Driver, DriverKind, Explained, SettingsError};

pub use simulator::{OrchestraSimulator, VisitStep};

pub(crate) const DRIVER: DriverKind = DriverKind {
    name: "qmatic",
    form: include_str!("form.toml"),
    accepts: &[],
    build,
    explain,
    fuzz: frame::fuzz,
    discover: None,
};

fn build(table: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    let settings = settings::decode(table)?;
    Ok(Box::new(session::Qmatic::new(settings)))
}

fn explain(bytes: &[u8]) -> Vec<Explained> {
    let (text, good) = match frame::read(bytes) {
        Ok(event) => (format!("{} {}", event.name, event.time), true),
        // Not an event but our own registration, or only the beginning of an event.
        Err(_) if !bytes.starts_with(b"{") => return crate::link::http::explain(bytes),
        Err(malformed) => (malformed.to_string(), false),
    };
    let range = 0..bytes.len();
    vec![Explained { range, text, good }]
}
