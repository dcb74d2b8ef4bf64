//! The aggregator (中心): takes in the facts of many halls and shows them side by side.
//!
//! A fact's way through: [`door`] lets members of [`trust`] in, [`intake`] takes the message,
//! [`facts`] keeps it in the same transaction, as [`alarms`] does with those of devices;
//! [`compare`] and [`halls`] read it. [`stores`] is the registry of halls, [`watch`] tells how the
//! centre itself does. [`aggregator`] wires them in this order. The database is SQLite, or
//! [`postgres`].

pub mod aggregator;
pub mod alarms;
pub mod centre;
pub mod compare;
pub mod documents;
pub mod door;
pub mod downlink;
pub mod facts;
pub mod halls;
pub mod intake;
mod pages;
pub mod postgres;
pub mod questions;
pub mod stores;
pub mod trust;
pub mod upkeep;
pub mod watch;

#[cfg(test)]
mod tests;

/// The tables of all slices.
pub mod migrations {
    /// In SQLite, beside those of the kernel.
    pub mod sqlite {
        refinery::embed_migrations!("migrations/sqlite");
    }
    /// In PostgreSQL, those of the kernel too.
    pub mod postgres {
        refinery::embed_migrations!("migrations/postgres");
    }
}
