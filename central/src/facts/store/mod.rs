//! All SQL of facts: how they come in, their roll-up, and how they are read.

mod apply;
mod read;
mod roll_up;
mod room;

pub use apply::apply;
pub use read::{AirSlot, air_slots, counter_days, hall_slots, queue_slots};
pub use roll_up::{HallPeriod, all_periods, hall_days, hall_period, roll_up};
pub use room::make_room;
