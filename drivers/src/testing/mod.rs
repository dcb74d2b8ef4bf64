//! What the tests of all drivers use: a gateway in small, and programs of other people.

mod hall;
mod hook;
mod peers;
mod snmp;

pub(crate) use hall::{Hall, device, id, order};
pub(crate) use hook::hooked;
pub(crate) use peers::{Peer, SerialCable, debian, free_port};
pub(crate) use snmp::{SnmpSim, netsnmp};
