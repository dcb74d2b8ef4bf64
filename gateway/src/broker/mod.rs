//! The MQTT door: our own listener in front of rumqttd's router.
//!
//! A connection, within TLS or not ([`tls`]), is greeted ([`greet`]: CONNECT, identity, seat) and then served ([`connection`]).
//! What it sends passes a guard ([`frame`]), rumqttd's codec ([`packet`]) and its rights
//! ([`rights`]) and is committed ([`intake`]) before it is acknowledged and handed to the router
//! ([`bus`]), which knows nothing of retained messages ([`retained`]), wills or QoS 1
//! ([`outbox`]). Sessions live in memory ([`sessions`]); after a restart they are gone, and
//! devices are told so.
//!
//! Not offered: QoS 2, shared subscriptions, topic aliases, subscription identifiers, enhanced
//! authentication, retain as published, expiry of retained messages, a new session expiry in
//! DISCONNECT. A will's delay is taken as 0. At most 1,000 different topics of one device are
//! passed on while the gateway runs, because the router forgets none; reports are not concerned.

mod answer;
mod bus;
mod connection;
mod foreign;
mod frame;
mod greet;
mod intake;
mod limit;
mod line;
mod listen;
mod outbox;
mod packet;
mod reception;
mod refusal;
mod retained;
mod rights;
mod seat;
mod sessions;
#[cfg(test)]
mod tests;
mod tls;
mod watchdog;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhiban_config::gateway::{Mqtt, MqttTls};
use zhiban_kernel::authority::Shown;
use zhiban_kernel::health::Health;
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;

pub use refusal::Refusal;
pub(crate) use retained::commands_of;
pub use watchdog::Watchdog;

use crate::conventions::Words;
use crate::devices::Devices;
use crate::joining::Joining;
use crate::journal::Journal;
use bus::{Bus, Passing};
use limit::{Failures, Gate};
use packet::Qos;
use retained::Keep;
use rights::Rights;
use sessions::Sessions;

/// How long connections may take to end when the gateway stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(6);
/// Pause after a failed accept, so that a lack of file descriptors is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug)]
struct Shared {
    mqtt: Mqtt,
    journal: Journal,
    devices: Devices,
    joining: Joining,
    store: Store,
    clock: Clock,
    sessions: Sessions,
    bus: Bus,
    gate: Gate,
    failures: Failures,
    watchdog_secret: String,
    /// What the hall says in other forms than ours.
    words: Words,
    connections: AtomicU64,
    refused: AtomicU64,
    /// Set while reports cannot be stored, so that it is logged once.
    store_fails: AtomicBool,
}

/// The listeners; see [`Door::run`].
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    /// The encrypted one.
    tls: Option<(TcpListener, Arc<Shown>)>,
    shared: Arc<Shared>,
}

/// The door as the rest of the gateway sees it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Broker(Arc<Shared>);

impl Door {
    /// Binds the listener and starts the router.
    ///
    /// # Errors
    /// When the address cannot be bound or a thread cannot be started.
    pub async fn open(
        mqtt: Mqtt,
        journal: Journal,
        devices: Devices,
        joining: Joining,
        store: Store,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(mqtt.listen).await?;
        let tls = match &mqtt.tls {
            Some(wanted) => Some(open_tls(wanted, &joining).await?),
            None => None,
        };
        let secret: [u8; 32] = rand::rng().random();
        let shared = Shared {
            sessions: Sessions::default(),
            bus: Bus::start(mqtt.connections_max as usize)?,
            gate: Gate::new(mqtt.connections_max, mqtt.connections_per_address_max),
            failures: Failures::default(),
            watchdog_secret: secret.iter().map(|byte| format!("{byte:02x}")).collect(),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            store_fails: AtomicBool::new(false),
            words: Words {
                host: "zhiban".into(),
                since: clock.now(),
            },
            mqtt,
            journal,
            devices,
            joining,
            store,
            clock,
        };
        let shared = Arc::new(shared);
        Ok(Self {
            listener,
            tls,
            shared,
        })
    }

    /// Gives the hall its name towards hosts and nodes of Sparkplug. Only before it is used.
    #[must_use]
    pub fn named(mut self, host: &str) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.words.host = host.to_owned();
        }
        self
    }

    /// # Errors
    /// When the socket has no address any more.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Of the encrypted listener, if there is one.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref()?.0.local_addr().ok()
    }

    #[must_use]
    pub fn broker(&self) -> Broker {
        Broker(Arc::clone(&self.shared))
    }

    /// The client that proves, again and again, that the door and the router behind it work.
    ///
    /// # Errors
    /// When the socket has no address any more.
    pub fn watchdog(&self, health: Health) -> std::io::Result<Watchdog> {
        let address = self.local_addr()?;
        Ok(Watchdog::new(Arc::clone(&self.shared), address, health))
    }

    /// Takes connections until `shutdown`, then lets those that are open end in order: what they
    /// sent is committed and acknowledged first.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let (accepted, tls) = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => (accepted, None),
                accepted = accept_tls(self.tls.as_ref()) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, tls, peer.ip(), &shutdown, &connections),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((self.listener, self.tls));
        connections.close();
        if tokio::time::timeout(STOP_TIME_MAX, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!("some MQTT connections did not end in time");
        }
    }

    /// Each connection is a task of its own: whatever happens in it, the others go on.
    fn take(
        &self,
        stream: TcpStream,
        tls: Option<Arc<Shown>>,
        address: IpAddr,
        shutdown: &CancellationToken,
        connections: &TaskTracker,
    ) {
        let place = match self.shared.gate.enter(address) {
            Ok(place) => place,
            Err(refusal) => return self.shared.refuse(&refusal, None, address),
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
        connections.spawn(async move {
            match tls {
                None => greet::serve(shared, stream, None, address, shutdown).await,
                Some(tls) => serve_tls(shared, &tls, stream, address, shutdown).await,
            }
            drop(place);
        });
    }
}

async fn open_tls(
    wanted: &MqttTls,
    joining: &Joining,
) -> std::io::Result<(TcpListener, Arc<Shown>)> {
    let of_key = |key: &str, error: std::io::Error| {
        std::io::Error::new(error.kind(), format!("mqtt.tls.{key}: {error}"))
    };
    let authority = Arc::clone(joining.authority());
    let tls =
        tls::shown(authority, wanted.names.clone()).map_err(|error| of_key("names", error))?;
    let listener = TcpListener::bind(wanted.listen).await;
    let listener = listener.map_err(|error| of_key("listen", error))?;
    Ok((listener, Arc::new(tls)))
}

type Accepted = (std::io::Result<(TcpStream, SocketAddr)>, Option<Arc<Shown>>);

/// The next encrypted connection; never where there is no such listener.
async fn accept_tls(tls: Option<&(TcpListener, Arc<Shown>)>) -> Accepted {
    match tls {
        Some((listener, tls)) => (listener.accept().await, Some(Arc::clone(tls))),
        None => std::future::pending().await,
    }
}

async fn serve_tls(
    shared: Arc<Shared>,
    tls: &Shown,
    stream: TcpStream,
    address: IpAddr,
    shutdown: CancellationToken,
) {
    match tls.accept(stream).await {
        Ok(stream) => {
            let certificate = tls::certificate(&stream);
            greet::serve(shared, stream, certificate, address, shutdown).await;
        }
        Err(error) => shared.refuse(&Refusal::Tls(error.to_string()), None, address),
    }
}

impl Broker {
    /// Sends a message of the hall itself to a device. A retained one is on disk when this
    /// returns.
    ///
    /// # Errors
    /// [`StoreError`]: it was not kept. [`StoreError::Refused`]: no device hears this topic.
    pub async fn publish(
        &self,
        topic: &str,
        payload: Bytes,
        retain: bool,
    ) -> Result<(), StoreError> {
        let shared = &self.0;
        let device = device_of(topic)
            .ok_or_else(|| StoreError::Refused(format!("no device can hear {topic:?}")))?;
        if retain {
            let keep = Keep {
                device: None,
                topic: topic.to_owned(),
                payload: payload.clone(),
                qos: Qos::AtLeastOnce,
            };
            let now = shared.clock.now();
            let write = move |connection: &_| Ok(retained::apply(connection, &[Some(keep)], now)?);
            shared.store.write(write).await?;
        }
        let message = Passing {
            topic: Bytes::copy_from_slice(topic.as_bytes()),
            payload,
            properties: None,
            qos: Qos::AtLeastOnce,
        };
        shared.pass(&device, message, false).await;
        Ok(())
    }

    /// Whether a message is kept on a topic.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn keeps(&self, topic: &str) -> Result<bool, StoreError> {
        let topic = topic.to_owned();
        let read = move |connection: &_| Ok(retained::is_kept(connection, &topic)?);
        self.0.store.read(read).await
    }

    /// Connections open now, also of those that have not yet said who they are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.gate.open()
    }

    /// Connections refused or ended by the door since the start of the program.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

/// The device a topic belongs to; `None` when no device may subscribe to it.
fn device_of(topic: &str) -> Option<DeviceId> {
    let rest = topic.strip_prefix("te/device/")?;
    let device = rest.split_once('/')?.0.parse().ok()?;
    Rights::of(&device).topic(topic.as_bytes()).ok()?;
    Some(device)
}

impl Shared {
    fn rights_of(&self, device: &DeviceId) -> Rights {
        let topics = self.devices.topics_of(device);
        let words = self.words.all(true).map(|(topic, _)| topic);
        Rights::with(device, topics, words.to_vec())
    }

    fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts and logs why a connection was refused or ended.
    fn refuse(&self, refusal: &Refusal, device: Option<&DeviceId>, address: IpAddr) {
        if *refusal == Refusal::ShuttingDown {
            return;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("zhiban_mqtt_refused_total", "reason" => refusal.code()).increment(1);
        let device = device.map_or("unknown", DeviceId::as_str);
        if *refusal == Refusal::StoreFailing {
            if !self.store_fails.swap(true, Ordering::Relaxed) {
                tracing::error!(device, %address, "{refusal}, devices are turned away");
            }
            return;
        }
        tracing::warn!(device, %address, reason = refusal.code(), "MQTT connection refused: {refusal}");
    }

    /// Hands a message to the router if anyone listens.
    async fn pass(&self, device: &DeviceId, message: Passing, from_itself: bool) {
        let Ok(topic) = std::str::from_utf8(&message.topic) else {
            return;
        };
        if self.sessions.wants(device, topic, from_itself) {
            self.bus.publish(message).await;
        }
    }
}
