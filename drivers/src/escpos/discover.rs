//! Looks for printers: hosts with port 9100 open that answer DLE EOT 4.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exchange::Printer;
use crate::sweep::sweep;
use crate::{Found, Places, Searching};

const PORT: u16 = 9100;
const CONNECT_TIME: Duration = Duration::from_secs(1);
const ANSWER_TIME: Duration = Duration::from_millis(500);

pub(super) fn discover(places: Places) -> Searching {
    Box::pin(sweep(places.hosts, |host| ask(host, PORT)))
}

pub(super) async fn ask(host: IpAddr, port: u16) -> Option<Found> {
    let peer = SocketAddr::new(host, port);
    let connected = timeout(CONNECT_TIME, TcpStream::connect(peer)).await;
    let mut printer = Printer::new(Box::new(connected.ok()?.ok()?), ANSWER_TIME);
    if !printer.is_there().await.ok()? {
        return None;
    }
    let link = toml::Table::from_iter([("tcp".into(), peer.to_string().into())]);
    Some(Found {
        settings: toml::Table::from_iter([("link".into(), link.into())]),
        identity: printer.identity().await.unwrap_or_default(),
    })
}
