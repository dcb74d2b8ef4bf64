//! The way to the centre: an outbox written in the same transaction as the fact, and a courier
//! that sends until the centre says "committed". The rules of the line are in `zhiban-sync`.
//!
//! A message goes up like this: `courier` reads the outbox, `carrier` signs with the key of
//! `member` and chooses a transport, `zenoh` asks through the `pipe`, which speaks TLS to the
//! centre's door; where that does not get through, `https` asks the same door. By the same ways `downlink` asks
//! what the centre has for the hall.

mod alarms;
mod api;
mod carrier;
mod counted;
mod courier;
mod downlink;
mod enrol;
mod epoch;
mod https;
mod letters;
mod line;
mod member;
mod outbox;
mod pipe;
mod prune;
mod request;
mod tls;
mod trust_api;
mod uplink;
mod zenoh;

pub use alarms::{AlarmsFollower, StandingAlarm, end_alarms_of, standing_alarms};
pub use api::{LettersState, Restate, add_routes};
pub use courier::{Courier, UplinkState};
pub use downlink::DownlinkState;
pub use enrol::{EnrolError, enrol};
pub use epoch::open_epoch;
pub use letters::unsent_letters;
pub use line::Line;
pub use member::{Member, Standing as Membership};
pub use outbox::{Backlog, backlog, prove_rows, prune, put};
pub use prune::{Spared, drop_settled, drop_unsent, settle_alone};
pub use trust_api::{MemberState, add_trust_routes, door_of};
pub use uplink::{Uplink, UplinkError};

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    /// A database with the tables of this slice alone.
    pub(super) fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::journal::migrate(&mut connection).unwrap();
        connection
    }
}
