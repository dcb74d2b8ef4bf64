//! From the records of a queue display to everything the devices of the halls would have said.
//!
//! The feed knows, every five minutes and per queue, how many people wait, which number was called
//! last and how many counters are open. *How many* tickets were taken and called is arithmetic on
//! it ([`totals`]); *which second* each one was taken, called, begun and ended, at which counter,
//! is reconstructed ([`day`]), first in, first out. Ratings, staff and climate are not in the feed
//! at all: they are invented ([`invent`]).
//!
//! Architecture invariant: nothing here knows a clock, a process or a socket. The same records and
//! the same seed give the same events.

pub mod day;
pub mod halls;
pub mod invent;
pub mod numbering;
pub mod plan;
pub mod records;
pub mod totals;

pub use halls::Hall;
pub use plan::{HallPlan, PlannedReport};
pub use records::{ReadError, Records, Row};
pub use totals::Totals;
