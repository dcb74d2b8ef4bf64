//! Looks for Modbus devices: every unit that answers anything, even a refusal, is one. What it is
//! nobody can tell from outside; a person chooses the map.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;
use zhiban_vocabulary::device::DeviceIdentity;

use crate::link::modbus::{Function, Master, ModbusError, Read};
use crate::link::{Line, Link, LinkSettings};
use crate::sweep::sweep;
use crate::{Found, Places, Searching};

const PORT: u16 = 502;
const CONNECT_TIME_MAX: Duration = Duration::from_millis(500);
const DEADLINE: Duration = Duration::from_millis(150);
/// Addresses tried on a serial port. Most devices leave the works as one of them.
const UNITS: std::ops::RangeInclusive<u8> = 1..=16;

pub(crate) fn discover(places: Places) -> Searching {
    Box::pin(async move {
        let mut search = sweep(places.hosts, try_host).await;
        for port in places.ports {
            search.found.extend(try_port(&port).await);
        }
        search
    })
}

async fn try_host(host: IpAddr) -> Option<Found> {
    let peer = SocketAddr::new(host, PORT);
    let open = timeout(CONNECT_TIME_MAX, tokio::net::TcpStream::connect(peer));
    open.await.ok()?.ok()?;
    let mut link = toml::Table::new();
    link.insert("tcp".into(), peer.to_string().into());
    try_unit(link, 1).await
}

async fn try_port(port: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for unit in UNITS {
        let mut link = toml::Table::new();
        link.insert("serial".into(), port.into());
        found.extend(try_unit(link, unit).await);
    }
    found
}

async fn try_unit(table: toml::Table, unit: u8) -> Option<Found> {
    let settings: LinkSettings = table.clone().try_into().ok()?;
    let link: Link = settings.check().ok()?;
    let line = Line::new(link.name().to_owned());
    let mut master = Master::new(link, line, unit, DEADLINE);
    let read = Read {
        function: Function::Holding,
        address: 0,
        words: 1,
    };
    match master.read(read).await {
        Ok(_) | Err(ModbusError::Exception { .. }) => {}
        Err(_) => return None,
    }
    let mut settings = toml::Table::new();
    settings.insert("link".into(), table.into());
    settings.insert("unit".into(), i64::from(unit).into());
    Some(Found {
        settings,
        identity: DeviceIdentity::default(),
    })
}
