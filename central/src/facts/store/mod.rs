//! All SQL of facts: how they come in, their roll-up, and how they are read.

mod apply;
mod read;
mod roll_up;

pub use apply::{Applied, apply};
pub use read::{AirSlot, air_slots, counter_days, hall_slots, queue_slots};
pub use roll_up::{HallPeriod, first_day, hall_days, hall_period, roll_up};
