//! Looks for agents that have a printer, under the factory's community.

use std::net::IpAddr;

use super::mib;
use crate::link::snmp::{PORT, find};
use crate::sweep::sweep;
use crate::{Found, Places, Searching};

pub(super) fn discover(places: Places) -> Searching {
    Box::pin(sweep(places.hosts, |host| ask(host, PORT)))
}

pub(super) async fn ask(host: IpAddr, port: u16) -> Option<Found> {
    let marks = [mib::ERROR_STATE];
    find(host, port, &marks, mib::IDENTITY, mib::identity).await
}
