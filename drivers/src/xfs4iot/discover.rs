//! Looks for service publishers at the ports the specification gives them.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use zhiban_vocabulary::device::DeviceIdentity;

use super::session::services;
use super::socket::Place;
use crate::link::Tap;
use crate::sweep::sweep;
use crate::{Found, Places, Search, Searching};

/// Without 443: it speaks TLS.
const PORTS: [u16; 12] = [
    80, 5846, 5847, 5848, 5849, 5850, 5851, 5852, 5853, 5854, 5855, 5856,
];
/// Of one host; many hosts are asked at once.
const PORTS_AT_ONCE: usize = 3;
/// For one port; a kiosk of the hall's own network answers at once.
const PORT_TIME_MAX: Duration = Duration::from_millis(1500);

pub(super) fn discover(places: Places) -> Searching {
    Box::pin(look(places, &PORTS))
}

pub(super) async fn look(places: Places, ports: &'static [u16]) -> Search {
    sweep(places.hosts, |host| at_host(host, ports)).await
}

async fn at_host(host: IpAddr, ports: &'static [u16]) -> Vec<Found> {
    let asked = stream::iter(ports.to_vec()).map(move |port| at_port(host, port));
    let found = asked.buffer_unordered(PORTS_AT_ONCE);
    found.filter_map(async |found| found).collect().await
}

async fn at_port(host: IpAddr, port: u16) -> Option<Found> {
    let peer = std::net::SocketAddr::new(host, port).to_string();
    let publisher = Place {
        peer: peer.clone(),
        path: "/xfs4iot/v1.0".into(),
    };
    let tap = Tap::default();
    let asked = timeout(PORT_TIME_MAX, services(&publisher, &tap)).await;
    let (vendor, _) = asked.ok()?.ok()?;
    let mut settings = toml::Table::new();
    let url = format!("ws://{peer}{}", publisher.path);
    settings.insert("url".into(), toml::Value::String(url));
    Some(Found {
        settings,
        identity: DeviceIdentity {
            vendor,
            ..DeviceIdentity::default()
        },
    })
}
