//! Facts as kept at the centre: what each hall stated, the latest version of each, and a roll-up
//! by hall and day that comparisons read.
//!
//! [`apply`] is the only way in, and runs in the transaction of the intake. Everything that leaves
//! is a [`Tally`], which adds up over slots, days and halls alike.

mod ahead;
mod model;
mod pack;
mod slots;
mod store;

pub use ahead::keep_room;
pub use model::{CounterRow, DayLine, Durations, HallDay, QueueSlot, Tally};
pub use slots::{SlotSet, day_number, day_of, first_slot, place, slot_number, slot_of};
pub use store::{
    AirSlot, HallPeriod, air_slots, all_periods, apply, counter_days, hall_days, hall_period,
    hall_slots, make_room, queue_slots, roll_up,
};
