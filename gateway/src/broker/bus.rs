//! rumqttd's router, used as the hall's fan-out and nothing more, behind one thread that does all
//! that may block.
//!
//! What the router is spared, because it breaks on it: retain flags and wills (it loses them),
//! acknowledged subscriptions (it drops devices that answer out of order), packet ids, topic
//! aliases, unchecked topics and client ids, two links of one client at once. Every link
//! subscribes at QoS 0; [`super::outbox`] does what QoS 1 asks for. Links are only made for
//! devices that subscribe: each costs the router some 150 KiB.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use rumqttd::local::{LinkBuilder, LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, Publish, PublishProperties, QoS,
    RetainForwardRule, Subscribe, Unsubscribe,
};
use rumqttd::{Notification, Router, RouterConfig};
use tokio::sync::{mpsc, oneshot};

use super::packet::Qos;

/// Commands that may wait for the router.
const QUEUE_MAX: usize = 4_096;
/// How long a message waits for room in that queue before it is given up. Reports are safe in
/// the journal by then; only live listeners miss it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the router may take to answer.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// What one filter keeps for slow and absent listeners: 8 segments, the oldest dropped first.
const SEGMENT_BYTES: usize = 128 << 10;
const SEGMENTS: usize = 8;
/// Links beside those of devices: the door's own, and one that only clears.
const LINKS_SPARE: usize = 8;
/// Messages the router hands to a link at once.
const HAND_OUT: u64 = 100;
/// Client id of the link all messages go in by; no device id begins with a dash.
const DOOR_CLIENT: &str = "-door";

/// The router does not answer, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the router does not answer")]
pub(super) struct RouterGone;

/// A message for whoever listens.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) properties: Option<PublishProperties>,
    pub(super) qos: Qos,
}

enum Command {
    Open {
        link: u64,
        client: String,
        resume: bool,
        keep: bool,
        answer: oneshot::Sender<LinkRx>,
    },
    Subscribe {
        link: u64,
        packet_id: u16,
        filters: Vec<String>,
    },
    Unsubscribe {
        link: u64,
        filters: Vec<String>,
    },
    Close {
        link: u64,
    },
    Publish(Box<Passing>),
}

/// Handle to the router's thread.
#[derive(Debug)]
pub(super) struct Bus {
    commands: mpsc::Sender<Command>,
    /// The router let a message wait too long; until it takes one again, none waits.
    stuck: AtomicBool,
}

impl Bus {
    pub(super) fn start(links_max: usize) -> std::io::Result<Self> {
        let config = RouterConfig {
            max_connections: links_max + LINKS_SPARE,
            max_outgoing_packet_count: HAND_OUT,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        };
        let router = Router::new(0, config).spawn();
        let (commands, queue) = mpsc::channel(QUEUE_MAX);
        let connect = move |client: &str, clean: bool| {
            let link = LinkBuilder::new(client, router.clone()).clean_session(clean);
            let (tx, rx, _) = link.build().map_err(|_| RouterGone)?;
            Ok((tx, rx))
        };
        std::thread::Builder::new()
            .name("mqtt-bus".into())
            .spawn(move || {
                if let Err(error) = run(&connect, queue) {
                    tracing::error!(%error, "the MQTT router is gone, listeners get nothing more");
                }
            })?;
        Ok(Self {
            commands,
            stuck: AtomicBool::new(false),
        })
    }

    /// Makes a link for `client`. With `resume` it takes up what an earlier one with `keep` left.
    pub(super) async fn open(
        &self,
        link: u64,
        client: String,
        resume: bool,
        keep: bool,
    ) -> Result<LinkRx, RouterGone> {
        let (answer, opened) = oneshot::channel();
        self.send(Command::Open {
            link,
            client,
            resume,
            keep,
            answer,
        })
        .await?;
        let opened = tokio::time::timeout(ANSWER_TIME_MAX, opened).await;
        opened.map_err(|_| RouterGone)?.map_err(|_| RouterGone)
    }

    /// The router answers on the link, with the same packet id.
    pub(super) async fn subscribe(
        &self,
        link: u64,
        packet_id: u16,
        filters: Vec<String>,
    ) -> Result<(), RouterGone> {
        self.send(Command::Subscribe {
            link,
            packet_id,
            filters,
        })
        .await
    }

    pub(super) async fn unsubscribe(
        &self,
        link: u64,
        filters: Vec<String>,
    ) -> Result<(), RouterGone> {
        self.send(Command::Unsubscribe { link, filters }).await
    }

    /// After this nothing may be done with the link: the router panics over an unknown one.
    pub(super) async fn close(&self, link: u64) {
        if self.send(Command::Close { link }).await.is_err() {
            tracing::debug!("a link could not be closed, the router is gone");
        }
    }

    pub(super) async fn publish(&self, message: Passing) {
        let command = Command::Publish(Box::new(message));
        let patience = if self.stuck.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let sent = self.commands.send_timeout(command, patience).await;
        self.stuck.store(sent.is_err(), Ordering::Relaxed);
        if sent.is_err() {
            metrics::counter!("zhiban_mqtt_not_passed_on_total").increment(1);
        }
    }

    async fn send(&self, command: Command) -> Result<(), RouterGone> {
        let sent = self.commands.send_timeout(command, ANSWER_TIME_MAX).await;
        sent.map_err(|_| RouterGone)
    }
}

/// Runs until the last handle is dropped, or the router is gone.
fn run(
    connect: &impl Fn(&str, bool) -> Result<(LinkTx, LinkRx), RouterGone>,
    mut queue: mpsc::Receiver<Command>,
) -> Result<(), RouterGone> {
    let (mut door, _nothing_comes_by_it) = connect(DOOR_CLIENT, true)?;
    let mut links: HashMap<u64, LinkTx> = HashMap::new();
    while let Some(command) = queue.blocking_recv() {
        match command {
            Command::Publish(message) => send(&mut door, packed(&message))?,
            Command::Open {
                link,
                client,
                resume,
                keep,
                answer,
            } => {
                // A link that cannot be made is no reason to end: its device is told, and the
                // next message shows whether the router is gone.
                let Ok((tx, rx)) = open(connect, &client, resume, keep) else {
                    continue;
                };
                links.insert(link, tx);
                if answer.send(rx).is_err() {
                    end(&mut links, link)?;
                }
            }
            Command::Subscribe {
                link,
                packet_id,
                filters,
            } => with(&mut links, link, || subscription(packet_id, filters))?,
            Command::Unsubscribe { link, filters } => {
                let unsubscribe = Unsubscribe { pkid: 1, filters };
                with(&mut links, link, || Packet::Unsubscribe(unsubscribe, None))?;
            }
            Command::Close { link } => end(&mut links, link)?,
        }
    }
    Ok(())
}

fn open(
    connect: &impl Fn(&str, bool) -> Result<(LinkTx, LinkRx), RouterGone>,
    client: &str,
    resume: bool,
    keep: bool,
) -> Result<(LinkTx, LinkRx), RouterGone> {
    if !resume && keep {
        // Only a clean link makes the router forget what an earlier one left.
        let (mut clean, _rx) = connect(client, true)?;
        send(&mut clean, goodbye())?;
    }
    connect(client, !(keep || resume))
}

fn end(links: &mut HashMap<u64, LinkTx>, link: u64) -> Result<(), RouterGone> {
    with(links, link, goodbye)?;
    links.remove(&link);
    Ok(())
}

fn with(
    links: &mut HashMap<u64, LinkTx>,
    link: u64,
    packet: impl FnOnce() -> Packet,
) -> Result<(), RouterGone> {
    links
        .get_mut(&link)
        .map_or(Ok(()), |link| send(link, packet()))
}

/// The future of `send` never waits: it blocks this thread instead.
fn send(link: &mut LinkTx, packet: Packet) -> Result<(), RouterGone> {
    match link.send(packet).now_or_never() {
        Some(Err(_)) => Err(RouterGone),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn goodbye() -> Packet {
    let reason_code = DisconnectReasonCode::NormalDisconnection;
    Packet::Disconnect(Disconnect { reason_code }, None)
}

fn subscription(packet_id: u16, filters: Vec<String>) -> Packet {
    let filter = |path| Filter {
        path,
        qos: QoS::AtMostOnce,
        nolocal: false,
        preserve_retain: false,
        retain_forward_rule: RetainForwardRule::Never,
    };
    let subscribe = Subscribe {
        pkid: packet_id,
        filters: filters.into_iter().map(filter).collect(),
    };
    Packet::Subscribe(subscribe, None)
}

/// The router gets everything at QoS 0 and copies the packet id through, which is unused there:
/// it carries the QoS of the message, so that a listener gets the lower of the two.
fn packed(message: &Passing) -> Packet {
    let size = 5 + message.topic.len() + message.payload.len();
    let mut bytes = BytesMut::with_capacity(size);
    bytes.put_u8(0x30);
    bytes.put_u16(message.qos as u16);
    bytes.put_u16(u16::try_from(message.topic.len()).unwrap_or(0));
    bytes.put_slice(&message.topic);
    // Copied: a slice of the read buffer would keep the whole buffer alive in the router.
    bytes.put_slice(&message.payload);
    let publish = Publish::deserialize(bytes.freeze());
    Packet::Publish(publish, message.properties.clone())
}

/// What came from the router by a link.
#[derive(Debug)]
pub(super) enum Heard {
    Message(Box<Passing>),
    Subscribed(u16),
    /// The router waits until the link says that it is ready for more.
    Paused,
    Nothing,
}

impl From<Notification> for Heard {
    fn from(notification: Notification) -> Self {
        if matches!(notification, Notification::Unschedule) {
            return Self::Paused;
        }
        match Option::<Packet>::from(notification) {
            Some(Packet::Publish(publish, properties)) => {
                let qos = match publish.serialize().get(1..3) {
                    Some([0, 1]) => Qos::AtLeastOnce,
                    _ => Qos::AtMostOnce,
                };
                Self::Message(Box::new(Passing {
                    topic: publish.topic,
                    payload: publish.payload,
                    properties,
                    qos,
                }))
            }
            Some(Packet::SubAck(suback, _)) => Self::Subscribed(suback.pkid),
            _ => Self::Nothing,
        }
    }
}
