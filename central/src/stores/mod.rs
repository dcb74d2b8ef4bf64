//! The registry of halls: who they are, when they were heard last, and what they said then.

mod model;
mod store;

pub use model::Hall;
pub(crate) use store::epoch_cell;
pub use store::{all, beat, heard, one, save_profile};
