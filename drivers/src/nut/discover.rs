//! Looks for NUT servers: hosts with port 3493 open that list their UPS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use super::client::Client;
use super::state::identity;
use crate::link::Tap;
use crate::sweep::sweep;
use crate::{Found, Places, Searching};

const PORT: u16 = 3493;
const ANSWER_TIME: Duration = Duration::from_secs(1);
const HOST_TIME_MAX: Duration = Duration::from_secs(3);

pub(super) fn discover(places: Places) -> Searching {
    Box::pin(sweep(places.hosts, |host| ask(host, PORT)))
}

/// Every UPS of a server.
pub(super) async fn ask(host: IpAddr, port: u16) -> Vec<Found> {
    let mut found = Vec::new();
    let peer = SocketAddr::new(host, port).to_string();
    // What was found in time is kept.
    let _ = timeout(HOST_TIME_MAX, find(peer, &mut found)).await;
    found
}

async fn find(peer: String, found: &mut Vec<Found>) -> Option<()> {
    let tap = Tap::default();
    let mut client = Client::connect(peer.clone(), ANSWER_TIME, &tap).await.ok()?;
    for ups in client.all_ups().await.ok()? {
        // A UPS the server has lost is one all the same.
        let vars = client.vars(&ups).await.unwrap_or_default();
        let settings = [("peer", peer.clone()), ("ups", ups)];
        let settings = settings.map(|(key, value)| (key.into(), value.into()));
        found.push(Found {
            settings: toml::Table::from_iter(settings),
            identity: identity(&vars),
        });
    }
    Some(())
}
