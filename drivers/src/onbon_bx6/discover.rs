//! Looks for cards on the network: whoever answers a ping on the vendor's port is one.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frame::{ANY_CARD, ANY_TYPE, Body, Frame, HOST, Head, Parser};
use super::session::identity_of;
use crate::sweep::sweep;
use crate::{Found, Places};

const PORT: u16 = 5005;
/// For one host.
const HOST_TIME: Duration = Duration::from_secs(2);

pub(crate) fn discover(places: Places) -> Pin<Box<dyn Future<Output = Vec<Found>> + Send>> {
    Box::pin(look(places.hosts, PORT))
}

pub(super) async fn look(hosts: Vec<IpAddr>, port: u16) -> Vec<Found> {
    sweep(hosts, async |host| timeout(HOST_TIME, ask(host, port)).await.ok()?).await
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
