//! Looks for agents that have a printer, under the factory's community.

use std::net::IpAddr;
use std::pin::Pin;

use super::mib;
use crate::link::snmp::{PORT, find};
use crate::sweep::sweep;
use crate::{Found, Places};

pub(super) fn discover(places: Places) -> Pin<Box<dyn Future<Output = Vec<Found>> + Send>> {
    Box::pin(sweep(places.hosts, |host| ask(host, PORT)))
}

pub(super) async fn ask(host: IpAddr, port: u16) -> Option<Found> {
    let marks = [mib::ERROR_STATE];
    find(host, port, &marks, mib::IDENTITY, mib::identity).await
}
