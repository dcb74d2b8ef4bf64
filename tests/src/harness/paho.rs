//! A device by paho-mqtt that does what it is told.

use super::peers::{Peer, python};
use super::program::Running;
use super::stage::mqtt;

/// Which version of MQTT is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::V311, Self::V5];

    #[must_use]
    pub fn level(self) -> u8 {
        if self == Self::V5 { 5 } else { 4 }
    }

    /// For `-V` of mosquitto's clients.
    #[must_use]
    pub fn mosquitto(self) -> &'static str {
        if self == Self::V5 {
            "mqttv5"
        } else {
            "mqttv311"
        }
    }
}

/// As whom it comes.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    pub client: &'a str,
    pub user: &'a str,
    pub secret: &'a str,
}

impl<'a> Identity<'a> {
    /// As itself.
    #[must_use]
    pub fn of(device: &'a str, secret: &'a str) -> Self {
        Self {
            client: device,
            user: device,
            secret,
        }
    }
}

/// Such a device. Gone when dropped.
#[derive(Debug)]
pub struct Paho {
    pub peer: Peer,
    /// 0, or why the door refused.
    pub connack: String,
}

impl Paho {
    /// Connects; `options` as the script has them.
    pub async fn connect(
        gateway: &Running,
        version: Version,
        who: Identity<'_>,
        options: &[&str],
    ) -> Self {
        let (host, port) = mqtt(gateway);
        let mut command = python("paho_device.py");
        command.args([
            &version.level().to_string(),
            host,
            port,
            who.client,
            who.user,
            who.secret,
        ]);
        command.args(options);
        let mut peer = Peer::start(&mut command);
        let connack = answer(&peer.until("connected").await);
        Self { peer, connack }
    }

    /// Publishes with QoS 1; gives the code of the PUBACK.
    pub async fn publish(&mut self, topic: &str, payload: &str) -> String {
        self.peer.order(&format!("publish {topic} {payload}")).await;
        answer(&self.peer.until("published").await)
    }

    /// Subscribes with QoS 1; gives the code of the SUBACK.
    pub async fn subscribe(&mut self, filter: &str) -> String {
        self.peer.order(&format!("subscribe {filter}")).await;
        answer(&self.peer.until("granted").await)
    }

    /// Waits until it heard anything at all.
    pub async fn hear(&mut self) {
        // A message may have come before the answer that was waited for.
        if self.messages().is_empty() {
            self.peer.until("message").await;
        }
    }

    /// Everything it heard so far.
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        let said = self.peer.said.iter();
        said.filter_map(|line| line.strip_prefix("message "))
            .collect()
    }
}

fn answer(line: &str) -> String {
    line.split_once(' ')
        .map_or(String::new(), |(_, rest)| rest.to_owned())
}
