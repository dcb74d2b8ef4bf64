//! Who belongs to the fleet: the centre's own authority, one-time codes, certificates of halls, and
//! shutting one out. What counts is said by [`Members`], in memory, for every connection and every
//! message; the tables behind it are this slice's.

mod api;
mod enrol;
mod ledger;
mod members;
mod model;
mod store;

pub use api::{TrustState, add_routes};
pub use enrol::{Trust, TrustError, make_code};
pub use ledger::check_ledger;
pub use members::{Digest, Member, Members};

#[cfg(test)]
mod tests;
