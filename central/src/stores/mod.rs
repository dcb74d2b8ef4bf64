//! The registry of halls: who they are, when they were heard last, and what they said then.

mod model;
mod store;

pub use model::Hall;
pub(crate) use store::epoch_cell;
pub use store::{
    Life, all, beat, has_twin, heard, is_over, last_beat, last_heard, life, note_day, one,
    save_profile,
};
