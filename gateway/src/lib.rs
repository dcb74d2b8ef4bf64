//! The gateway of one hall: doors for devices, a durable journal, followers that make live views
//! and facts of it, a courier to the centre, and the panel.
//!
//! `ARCHITECTURE.md` walks one event through these modules in order.

pub mod devices;
pub mod journal;
mod routes;
