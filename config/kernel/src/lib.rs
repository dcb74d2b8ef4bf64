//! The machinery both programs stand on: one database with one writer, web pages with sign-in and
//! rights, a clock, certificates, logs and figures.
//!
//! It is a crate of its own because gateway and central never see each other and would otherwise
//! each carry a copy. Architecture invariant: the kernel knows no device, ticket or fact.

pub mod authority;
pub mod backup;
pub mod clock;
pub mod doctor;
pub mod health;
pub mod notify;
pub mod people;
pub mod runtime;
pub mod store;
pub mod telemetry;
pub mod web;

pub use clock::Clock;
pub use store::{Store, StoreError};
