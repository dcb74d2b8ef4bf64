//! The device side of protocols, over a pseudo terminal or TCP: for tests, the demo and sales rooms
//! without devices. The simulators themselves are in the folders of their drivers. Foreign
//! programs prove that a simulator is not just the mirror of our own mistakes.

mod place;

pub use place::{Device, Framing, Port};
