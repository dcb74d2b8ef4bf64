//! Alarms that stand in the halls, as their devices raised them.

mod store;

pub use store::{Alarm, apply, standing};
