//! The promises of the MQTT door, with raw bytes against the real listener.

mod foreign;
mod greeting;
mod hostile;
mod listeners;
mod reports;
mod retained;
mod tls;
mod watchdog;
mod wills;

use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use zhiban_config::gateway::Registry;
use zhiban_kernel::authority::Authority;
use zhiban_vocabulary::device::DeviceKind;

use super::*;
use crate::devices::NewDevice;
use crate::joining::Joining;
use crate::journal::{entries_after, migrate};

/// What none of these tests should ever need.
const SOON: Duration = Duration::from_secs(10);

/// A hall with a door on a free port.
struct Hall {
    door: Option<JoinHandle<()>>,
    shutdown: CancellationToken,
    address: SocketAddr,
    tls: Option<SocketAddr>,
    shared: Arc<Shared>,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Hall {
    async fn open(name: &str) -> Self {
        Self::open_with(name, |_| {}).await
    }

    async fn open_with(name: &str, change: impl FnOnce(&mut Mqtt)) -> Self {
        let name = format!("zhiban-broker-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut mqtt = Mqtt {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            messages_per_s: 1_000_000,
            burst: 1_000_000,
            ..Mqtt::default()
        };
        change(&mut mqtt);
        Self::start(folder, mqtt).await
    }

    async fn start(folder: PathBuf, mqtt: Mqtt) -> Self {
        let store = Store::open(&folder.join("hall.db"), migrate).unwrap();
        let clock = Clock::new(None);
        let journal = Journal::open(store.clone(), clock).await.unwrap();
        let devices = Devices::open(store.clone(), clock, Registry::default())
            .await
            .unwrap();
        let authority = Authority::open(&folder.join("authority.pem"), "hall").unwrap();
        let joining = Joining::new(store.clone(), clock, devices.clone(), Arc::new(authority));
        let door = Door::open(mqtt, journal, devices, joining, store, clock);
        let door = door.await.unwrap();
        let (address, tls) = (door.local_addr().unwrap(), door.tls_addr());
        let shared = Arc::clone(&door.shared);
        let shutdown = CancellationToken::new();
        let door = Some(tokio::spawn(door.run(shutdown.clone())));
        Self {
            door,
            shutdown,
            address,
            tls,
            shared,
            folder,
        }
    }

    /// Stops the gateway and starts another on the same disk.
    async fn restart(mut self) -> Self {
        self.stop().await;
        let mqtt = self.shared.mqtt.clone();
        let folder = std::mem::take(&mut self.folder);
        drop(self);
        Self::start(folder, mqtt).await
    }

    async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(door) = self.door.take() {
            door.await.unwrap();
        }
    }

    /// Registers a device and gives its secret.
    async fn register(&self, id: &str) -> String {
        let device = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::TicketMachine,
            name: id.to_owned(),
            counter: None,
        };
        self.shared.devices.add(device, |_| Ok(())).await.unwrap()
    }

    async fn dial(&self) -> Peer {
        Peer {
            stream: TcpStream::connect(self.address).await.unwrap(),
            input: BytesMut::new(),
        }
    }

    /// A registered device, connected with 3.1.1.
    async fn device(&self, id: &str) -> Peer {
        let secret = self.register(id).await;
        self.connected(&login(id, &secret)).await
    }

    async fn connected(&self, login: &Login) -> Peer {
        let mut peer = self.dial().await;
        peer.send(&login.bytes()).await;
        let connack = peer.raw().await;
        assert_eq!(connack[0], 0x20);
        assert_eq!(connack[3], 0, "CONNACK of {login:?}");
        peer
    }

    async fn reports(&self) -> usize {
        let count = |connection: &_| Ok(entries_after(connection, 0, 1_000_000)?.0.len());
        self.shared.store.read(count).await.unwrap()
    }

    /// Topic and reason code of the dead letters.
    async fn letters(&self) -> Vec<(String, String)> {
        let read = |connection: &rusqlite::Connection| {
            let sql = "select topic, reason_code from journal_dead_letter order by id";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.shared.store.read(read).await.unwrap()
    }
}

/// A CONNECT to be.
#[derive(Debug, Clone)]
struct Login {
    id: String,
    user: String,
    password: String,
    level: u8,
    clean: bool,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<(String, String, bool)>,
}

fn login(id: &str, password: &str) -> Login {
    Login {
        id: id.into(),
        user: id.into(),
        password: password.into(),
        level: 4,
        clean: true,
        keep_alive: 30,
        properties: Vec::new(),
        will: None,
    }
}

impl Login {
    fn v5(mut self) -> Self {
        self.level = 5;
        self
    }

    fn lasting(mut self) -> Self {
        self.clean = false;
        self
    }

    fn will(mut self, topic: &str, payload: &str, retain: bool) -> Self {
        self.will = Some((topic.into(), payload.into(), retain));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut flags = 0xc0 | u8::from(self.clean) << 1;
        if let Some((_, _, retain)) = &self.will {
            flags |= 0x0c | u8::from(*retain) << 5;
        }
        let mut body = text("MQTT");
        body.extend([self.level, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.level == 5 {
            body.push(u8::try_from(self.properties.len()).unwrap());
            body.extend(&self.properties);
        }
        body.extend(text(&self.id));
        if let Some((topic, payload, _)) = &self.will {
            if self.level == 5 {
                body.push(0);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        body.extend(text(&self.user));
        body.extend(text(&self.password));
        packet(0x10, &body)
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(body);
    bytes
}

/// PUBLISH; packet id 0 is QoS 0. `flags`: 8 DUP, 1 RETAIN.
fn publish(level: u8, topic: &str, payload: &str, packet_id: u16, flags: u8) -> Vec<u8> {
    let mut body = text(topic);
    if packet_id > 0 {
        body.extend(packet_id.to_be_bytes());
    }
    if level == 5 {
        body.push(0);
    }
    body.extend(payload.as_bytes());
    packet(0x30 | flags | u8::from(packet_id > 0) << 1, &body)
}

fn subscribe(level: u8, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 9];
    if level == 5 {
        body.push(0);
    }
    body.extend(text(filter));
    body.push(qos);
    packet(0x82, &body)
}

fn issued(device: &str, seq: u64) -> (String, String) {
    let topic = format!("te/device/{device}///e/ticket.issued");
    let payload = format!(r#"{{"ticket":"A{seq}","queue":"A","boot":"b1","seq":{seq}}}"#);
    (topic, payload)
}

/// The other end of a connection.
struct Peer<S = TcpStream> {
    stream: S,
    input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next packet, byte for byte; empty when the door has closed.
    async fn raw(&mut self) -> Vec<u8> {
        let read = async {
            loop {
                if let Some((length, remaining)) = self
                    .input
                    .get(1..)
                    .and_then(|rest| frame::remaining_length(rest).unwrap())
                    && self.input.len() > length + remaining
                {
                    return self.input.split_to(1 + length + remaining).to_vec();
                }
                match self.stream.read_buf(&mut self.input).await {
                    Ok(0) | Err(_) => return Vec::new(),
                    Ok(_) => {}
                }
            }
        };
        let read = tokio::time::timeout(SOON, read).await;
        read.expect("no packet came")
    }

    async fn closed(&mut self) {
        assert_eq!(self.raw().await, Vec::<u8>::new(), "still open");
    }

    /// Nothing may come for a while.
    async fn silent(&mut self, time: Duration) {
        let came = tokio::time::timeout(time, self.raw()).await;
        assert!(came.is_err(), "came: {came:02x?}");
    }

    /// Sends a QoS 1 message of 3.1.1 and waits for its PUBACK.
    async fn acknowledged(&mut self, topic: &str, payload: &str, packet_id: u16, flags: u8) {
        self.send(&publish(4, topic, payload, packet_id, flags))
            .await;
        let [high, low] = packet_id.to_be_bytes();
        assert_eq!(self.raw().await, [0x40, 2, high, low]);
    }

    async fn subscribed(&mut self, filter: &str, qos: u8) {
        self.send(&subscribe(4, filter, qos)).await;
        assert_eq!(self.raw().await, [0x90, 3, 0, 9, qos]);
    }

    /// The next message: topic, payload, retain flag. QoS 1 is acknowledged.
    async fn message(&mut self) -> (String, String, bool) {
        let raw = self.raw().await;
        assert_eq!(raw.first().map(|first| first >> 4), Some(3), "{raw:02x?}");
        let (length, _) = frame::remaining_length(&raw[1..]).unwrap().unwrap();
        let body = &raw[1 + length..];
        let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..topic_end].to_vec()).unwrap();
        let mut payload = &body[topic_end..];
        if raw[0] & 0b0110 != 0 {
            let id = [payload[0], payload[1]];
            self.send(&[0x40, 2, id[0], id[1]]).await;
            payload = &payload[2..];
        }
        let payload = String::from_utf8(payload.to_vec()).unwrap();
        (topic, payload, raw[0] & 1 != 0)
    }
}

impl Peer {
    /// Ends the connection as a power cut does not: with a reset.
    fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// Waits until `check` holds.
async fn eventually(mut check: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, wait).await;
    waited.expect("it did not come to pass");
}
