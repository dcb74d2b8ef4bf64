//! Looks for cards on the network: whoever answers a ping on the vendor's port is one.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::frame::{ANY_CARD, ANY_TYPE, Body, Frame, HOST, Head, Parser};
use super::session::identity_of;
use crate::{Found, Places};

const PORT: u16 = 5005;
/// For one host, and for all together.
const HOST_TIME: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(9);
const HOSTS_AT_ONCE: usize = 16;

pub(crate) fn discover(places: Places) -> Pin<Box<dyn Future<Output = Vec<Found>> + Send>> {
    Box::pin(look(places.hosts, PORT))
}

/// Gives what was found when the time is over; hosts that were not asked by then are left out.
pub(super) async fn look(hosts: Vec<IpAddr>, port: u16) -> Vec<Found> {
    stream::iter(hosts)
        .map(|host| async move { timeout(HOST_TIME, ask(host, port)).await.ok()? })
        .buffer_unordered(HOSTS_AT_ONCE)
        .take_until(sleep(TIME))
        .filter_map(async |found| found)
        .collect()
        .await
}

async fn ask(host: IpAddr, port: u16) -> Option<Found> {
    let mut stream = TcpStream::connect((host, port)).await.ok()?;
    let ping = Frame {
        to: ANY_CARD,
        from: HOST,
        device: ANY_TYPE,
        head: Head::Common { sequence: 1 },
        body: Body::Ping,
    };
    stream.write_all(&ping.encode()).await.ok()?;
    let mut parser = Parser::default();
    let mut bytes = [0; 512];
    loop {
        let read = stream.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
        for frame in parser.feed(&bytes[..read]) {
            if let Body::Identity(identity) = frame.body {
                let peer = std::net::SocketAddr::from((host, port)).to_string();
                let link = toml::Table::from_iter([("tcp".to_owned(), peer.into())]);
                return Some(Found {
                    settings: toml::Table::from_iter([("link".to_owned(), link.into())]),
                    identity: identity_of(&identity),
                });
            }
        }
    }
}
