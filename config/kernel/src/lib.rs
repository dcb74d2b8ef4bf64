//! The machinery both programs stand on: a database, web pages with sign-in and
//! rights, a clock, certificates, logs and figures.
//!
//! It is a crate of its own because gateway and central never see each other and would otherwise
//! each carry a copy. Architecture invariant: the kernel knows no device, ticket or fact.

pub mod authority;
pub mod backup;
pub mod clock;
pub mod crash;
pub mod database;
pub mod doctor;
pub mod health;
pub mod notify;
pub mod people;
pub mod rights;
pub mod runtime;
pub mod said;
pub mod sql;
pub mod store;
pub mod telemetry;
pub mod web;

pub use clock::Clock;
pub use database::Database;
pub use store::{Store, StoreError};
