//! The hall's name on its own network (mDNS, DNS-SD): how a new device finds the door.
//!
//! `_zhiban._tcp` leads to the door, encrypted if there is such a one, with what a device needs to
//! know in its TXT record; `_secure-mqtt._tcp` and `_mqtt._tcp` say the same to programs that only
//! look for MQTT. It is a hint: whom to trust, a device learns from the person who sets it up.

use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceInfo};
use tokio_util::sync::CancellationToken;

const GOODBYE_TIME_MAX: Duration = Duration::from_secs(1);

/// Name of the box on its network.
#[must_use]
pub fn host_name(store: &str) -> String {
    format!("zhiban-{store}.local")
}

/// What is said.
#[derive(Debug, Clone)]
pub struct Advert {
    pub store: String,
    /// The open door and the encrypted one; each is said only where others can reach it.
    pub mqtt: SocketAddr,
    pub mqtts: Option<SocketAddr>,
    /// SHA-256 of the hall's authority.
    pub fingerprint: String,
}

impl Advert {
    /// Says it until `stop`. A network that cannot carry it is no reason not to run.
    pub async fn run(self, stop: CancellationToken) {
        let daemon = self.say().unwrap_or_else(|error| {
            tracing::warn!(%error, "the hall is not announced by mDNS");
            None
        });
        stop.cancelled().await;
        // Says goodbye, so that nobody tries a door that is shut.
        if let Some(ended) = daemon.and_then(|daemon| daemon.shutdown().ok()) {
            let wait = move || ended.recv_timeout(GOODBYE_TIME_MAX);
            let _ = tokio::task::spawn_blocking(wait).await;
        }
    }

    /// `None` where no door can be reached by others.
    fn say(&self) -> mdns_sd::Result<Option<ServiceDaemon>> {
        let services = self.services();
        if services.is_empty() {
            return Ok(None);
        }
        let daemon = ServiceDaemon::new()?;
        for service in services {
            daemon.register(service?)?;
        }
        Ok(Some(daemon))
    }

    fn services(&self) -> Vec<mdns_sd::Result<ServiceInfo>> {
        let reachable = |door: Option<SocketAddr>| door.filter(|door| !door.ip().is_loopback());
        let (mqtt, mqtts) = (reachable(Some(self.mqtt)), reachable(self.mqtts));
        let doors = [
            ("_zhiban._tcp.local.", mqtts.or(mqtt)),
            ("_secure-mqtt._tcp.local.", mqtts),
            ("_mqtt._tcp.local.", mqtt),
        ];
        let said = doors.into_iter().filter_map(|(kind, door)| {
            let door = door?;
            Some(self.service(kind, door, Some(door) == mqtts))
        });
        said.collect()
    }

    fn service(&self, kind: &str, door: SocketAddr, is_tls: bool) -> mdns_sd::Result<ServiceInfo> {
        let host = host_name(&self.store) + ".";
        let tls = if is_tls { "1" } else { "0" };
        let said = [
            ("v", "1"),
            ("store", &self.store),
            ("tls", tls),
            ("ca", &self.fingerprint),
        ];
        let address = match door.ip() {
            ip if ip.is_unspecified() => String::new(),
            ip => ip.to_string(),
        };
        let is_any = address.is_empty();
        let info = ServiceInfo::new(kind, &self.store, &host, address, door.port(), &said[..])?;
        Ok(if is_any {
            info.enable_addr_auto()
        } else {
            info
        })
    }
}
