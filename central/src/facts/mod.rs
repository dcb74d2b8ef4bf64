//! Facts as kept at the centre: what each hall stated, the latest version of each, and a roll-up
//! by hall and day that comparisons read.
//!
//! [`apply`] is the only way in, and runs in the transaction of the intake. Everything that leaves
//! is a [`Tally`], which adds up over slots, days and halls alike.
//!
//! PostgreSQL goes beside `store`: the functions of `store` are all the SQL there is, they take
//! the transaction first, and no type of the database leaves them. A second module with the same
//! functions and its own migrations is the other database; nothing outside this folder changes.

mod model;
mod pack;
mod slots;
mod store;

pub use model::{CounterRow, DayLine, Durations, HallDay, QueueSlot, Tally};
pub use slots::{SlotSet, day_number, day_of, first_slot, place, slot_number, slot_of};
pub use store::{
    AirSlot, Applied, HallPeriod, air_slots, apply, counter_days, first_day, hall_days,
    hall_period, hall_slots, queue_slots, roll_up,
};
