//! The device side of each protocol, over a pseudo terminal or TCP: for tests, the demo and
//! sales rooms without devices. Foreign masters prove that a simulator is not just the mirror of
//! our own mistakes (see QUALITY.md).

mod climate;
mod port;
mod screen;

pub use climate::ClimateSimulator;
pub use screen::{Behaviour, ScreenSimulator};
