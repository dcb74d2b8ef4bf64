//! The gateway of one hall: doors for devices, a durable journal, followers that make live views
//! and facts of it, a courier to the centre, and the panel.
//!
//! `ARCHITECTURE.md` walks one event through these modules in order.

mod across;
pub mod appliance;
pub mod boards;
pub mod broker;
pub mod chain;
pub mod check_device;
pub mod climate;
pub mod commands;
mod conventions;
pub mod devices;
pub mod documents;
pub mod doors;
pub mod federation;
pub mod floor;
pub mod joining;
pub mod journal;
pub mod panel;
pub mod queue;
mod routes;
pub mod upkeep;
