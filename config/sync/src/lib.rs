//! The line between a hall and the centre as two state machines without clock, disk or network.
//!
//! [`courier::Courier`] is the hall's end: told what happened, it says what to do next.
//! [`intake::take`] is the centre's end: the rules of one batch over a [`intake::Ledger`].
//! The programs drive them with SQLite and zenoh; `tests/storm` drives the same code with a world
//! made from a seed, in which everything breaks.
//!
//! What holds (design §2):
//! - a row is settled at the hall only after the centre said that it is on its own disk;
//! - whatever is sent how often, each number of an epoch and lane takes effect once;
//! - numbers decide, clocks never;
//! - one item that cannot be kept stops its lane for three tries and no longer.

mod backoff;
pub mod courier;
pub mod intake;
mod line;
pub mod seal;
pub mod wire;

pub use courier::{Courier, Limits, Step};
