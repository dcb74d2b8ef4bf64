//! The way to the centre: an outbox written in the same transaction as the fact, and a courier
//! that sends until the centre says "committed". The rules of the line are in `zhiban-sync`.
//!
//! Trust (certificates, signatures) and what comes down from the centre have their place here and
//! come in a later version.

mod alarms;
mod api;
mod courier;
mod epoch;
mod letters;
mod outbox;
mod prune;
mod uplink;

pub use alarms::AlarmsFollower;
pub use api::{LettersState, Restate, add_routes};
pub use courier::{Courier, UplinkState};
pub use epoch::open_epoch;
pub use letters::unsent_letters;
pub use outbox::{Backlog, backlog, prune, put};
pub use prune::{drop_settled, drop_unsent, settle_alone};
pub use uplink::{Uplink, UplinkError, ZenohUplink};

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    /// A database with the tables of this slice alone.
    pub(super) fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let sql = include_str!("../../migrations/V0006__federation.sql");
        connection.execute_batch(sql).unwrap();
        connection
    }
}
