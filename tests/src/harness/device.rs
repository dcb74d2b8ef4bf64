//! A device that speaks MQTT with QoS 1 and a foreign client library: numbers its reports, keeps
//! each one until it is acknowledged, and sends what is open again after every reconnect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing,
    Packet, QoS,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::report::{Observation, Origin, compose};
use zhiban_vocabulary::{BootId, CounterId, DeviceId, topics};

use super::program::{Program, ProgramError};

/// Reports on their way at once; more wait in the device.
const OPEN_MAX: u16 = 32;
const RECONNECT_AFTER: Duration = Duration::from_millis(250);

/// A device to be registered.
#[derive(Debug, Clone, Serialize)]
pub struct NewDevice {
    pub id: DeviceId,
    pub kind: DeviceKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterId>,
    /// Prefixes of its own topics, for one that speaks another maker's form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Registered {
    id: DeviceId,
    secret: String,
}

/// Registers devices with a gateway that is not running; gives their secrets in the same order.
///
/// # Errors
/// [`ProgramError`] with what the gateway said.
pub async fn add_devices(
    gateway: &Program,
    devices: &[NewDevice],
) -> Result<Vec<String>, ProgramError> {
    let refused = |message: String| ProgramError::Refused {
        name: gateway.name.clone(),
        command: "device add".into(),
        message,
    };
    let mut lines = Vec::new();
    for device in devices {
        serde_json::to_writer(&mut lines, device).map_err(|error| refused(error.to_string()))?;
        lines.push(b'\n');
    }
    let config = gateway.config.to_string_lossy();
    let output = gateway
        .command(&["device", "add", &config, "--batch", "-"], lines)
        .await?;
    let mut secrets = Vec::new();
    for (device, line) in devices.iter().zip(output.lines()) {
        let registered: Registered = serde_json::from_str(line)
            .map_err(|error| refused(format!("answered {line:?}: {error}")))?;
        if registered.id != device.id {
            return Err(refused(format!(
                "answered {} for {}",
                registered.id, device.id
            )));
        }
        secrets.push(registered.secret);
    }
    if secrets.len() != devices.len() {
        let (got, wanted) = (secrets.len(), devices.len());
        return Err(refused(format!("gave {got} secrets for {wanted} devices")));
    }
    Ok(secrets)
}

/// A report the device still has to get rid of.
#[derive(Debug, Clone)]
struct Open {
    /// What the owner knows the report by.
    token: usize,
    topic: String,
    payload: Vec<u8>,
    /// Packet id under which it is on its way.
    packet: Option<u16>,
}

/// A device with its connection, which lives in a task of its own: the client library must not be
/// interrupted in the middle of a packet. Gone from the network when dropped.
#[derive(Debug)]
pub struct MqttDevice {
    pub id: DeviceId,
    shared: Arc<Mutex<Shared>>,
    acknowledged: mpsc::Receiver<Result<usize, ConnectReturnCode>>,
    connection: JoinHandle<()>,
}

struct Shared {
    client: AsyncClient,
    device: DeviceId,
    boot: BootId,
    seq: u64,
    /// In the order of their numbers.
    open: VecDeque<Open>,
    connected: bool,
    reconnects: u32,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Shared");
        shown
            .field("seq", &self.seq)
            .field("open", &self.open.len());
        shown.finish_non_exhaustive()
    }
}

impl MqttDevice {
    /// Starts to connect. `address` is the gateway's `host:port`. Must be called within a tokio
    /// runtime.
    #[must_use]
    pub fn connect(id: &DeviceId, secret: &str, address: &str, boot: BootId) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "1883"));
        let mut options = MqttOptions::new(id.as_str(), host, port.parse().unwrap_or(1883));
        options.set_credentials(id.as_str(), secret);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_inflight(OPEN_MAX);
        let (client, events) = AsyncClient::new(options, usize::from(OPEN_MAX) + 8);
        let shared = Arc::new(Mutex::new(Shared {
            client,
            device: id.clone(),
            boot,
            seq: 0,
            open: VecDeque::new(),
            connected: false,
            reconnects: 0,
        }));
        // Never more acknowledged than open, plus one refusal.
        let (tell, acknowledged) = mpsc::channel(usize::from(OPEN_MAX) + 1);
        let connection = tokio::spawn(run(Arc::clone(&shared), events, tell));
        Self {
            id: id.clone(),
            shared,
            acknowledged,
            connection,
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Whether another report may be given to it now: not every one is waiting for its
    /// acknowledgement, known or to be fetched.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.open() + self.acknowledged.len() < usize::from(OPEN_MAX)
    }

    /// Reports not acknowledged yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared().open.len()
    }

    /// Times the connection was lost, or could not be made.
    #[must_use]
    pub fn reconnects(&self) -> u32 {
        self.shared().reconnects
    }

    /// Numbers a report and sends it; [`MqttDevice::acknowledged`] gives back `token` once it is
    /// on the gateway's disk.
    pub fn report(&self, token: usize, at: Timestamp, observation: &Observation) {
        let mut shared = self.shared();
        shared.seq += 1;
        let origin = Origin {
            boot: shared.boot.clone(),
            seq: shared.seq,
        };
        let payload = compose(observation, Some(at), Some(&origin));
        let topic = topics::report(&shared.device, observation.kind());
        let open = Open {
            token,
            topic,
            payload,
            packet: None,
        };
        if shared.connected {
            shared.publish(&open);
        }
        shared.open.push_back(open);
    }

    /// The next report that was acknowledged. May be dropped and called again at any time.
    ///
    /// # Errors
    /// The gateway refuses this device; nothing more will come.
    pub async fn acknowledged(&mut self) -> Result<usize, ConnectReturnCode> {
        let next = self.acknowledged.recv().await;
        next.unwrap_or(Err(ConnectReturnCode::ServiceUnavailable))
    }

    /// Whether the gateway refused it, and nothing more will come.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.connection.is_finished()
    }

    /// Like [`Self::acknowledged`], `None` where that would wait.
    pub fn take_acknowledged(&mut self) -> Option<usize> {
        self.acknowledged.try_recv().ok()?.ok()
    }

    /// Says good-bye, so that the gateway does not take it for lost.
    pub async fn disconnect(mut self) {
        let _ = self.shared().client.try_disconnect();
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.connection).await;
    }
}

impl Drop for MqttDevice {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn publish(&self, open: &Open) {
        // The queue to the library is larger than what may be open, so it is never full.
        let qos = QoS::AtLeastOnce;
        let _ = self
            .client
            .try_publish(&open.topic, qos, false, open.payload.clone());
    }

    fn acknowledge(&mut self, packet: u16) -> Option<usize> {
        let at = self
            .open
            .iter()
            .position(|open| open.packet == Some(packet))?;
        self.open.remove(at).map(|open| open.token)
    }
}

/// Keeps the connection until the device is dropped, refused or says good-bye.
async fn run(
    shared: Arc<Mutex<Shared>>,
    mut events: EventLoop,
    tell: mpsc::Sender<Result<usize, ConnectReturnCode>>,
) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let mut shared = lock(&shared);
                shared.connected = true;
                for open in &shared.open {
                    shared.publish(open);
                }
            }
            Ok(Event::Outgoing(Outgoing::Publish(packet))) => {
                let mut shared = lock(&shared);
                let unsent = shared.open.iter_mut().find(|open| open.packet.is_none());
                if let Some(open) = unsent {
                    open.packet = Some(packet);
                }
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                let token = lock(&shared).acknowledge(ack.pkid);
                if let Some(token) = token {
                    let _ = tell.try_send(Ok(token));
                }
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(ConnectionError::ConnectionRefused(code)) if for_good(code) => {
                let _ = tell.try_send(Err(code));
                return;
            }
            Err(_) => {
                lost(&shared, &mut events);
                sleep(RECONNECT_AFTER).await;
            }
        }
    }
}

fn for_good(code: ConnectReturnCode) -> bool {
    use ConnectReturnCode as Code;
    matches!(
        code,
        Code::BadUserNamePassword | Code::NotAuthorized | Code::BadClientId
    )
}

/// Forgets what the library has in hand; everything open is sent again, in order, once connected.
fn lost(shared: &Mutex<Shared>, events: &mut EventLoop) {
    let mut shared = lock(shared);
    shared.connected = false;
    shared.reconnects += 1;
    events.clean();
    events.pending.clear();
    for open in &mut shared.open {
        open.packet = None;
    }
}
