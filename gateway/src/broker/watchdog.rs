//! Proves that the door works by using it: connects through the real listener, publishes, and
//! must get the message back through the router. An open port proves nothing: a router that has
//! died still has one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::{
    Connect, Error, Filter, Login, Packet, Protocol, Publish, QoS, RetainForwardRule, Subscribe,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::health::{Health, Status};
use zhiban_kernel::said::Said;

use super::Shared;
pub(super) use crate::devices::WATCHDOG;

const TOPIC: &str = "te/device/zhiban-watchdog///cmd/probe/1";
const PART: &str = "mqtt";
const EVERY: Duration = Duration::from_secs(10);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Two rounds; when even the watchdog hangs, health fails by its silence.
const SILENCE_MAX: Duration = Duration::from_secs(25);

/// See [`super::Door::watchdog`].
#[derive(Debug)]
pub struct Watchdog {
    shared: Arc<Shared>,
    address: SocketAddr,
    health: Health,
}

#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("answer cannot be read: {0}")]
    Codec(#[from] Error),
    #[error("no answer to {0} within 5 s")]
    Late(&'static str),
}

impl Watchdog {
    pub(super) fn new(shared: Arc<Shared>, listener: SocketAddr, health: Health) -> Self {
        Self {
            shared,
            address: loopback(listener),
            health,
        }
    }

    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.round() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// One probe, and what it says about the door.
    pub(super) async fn round(&self) {
        let started = Instant::now();
        let probed = self.probe().await;
        let took = started.elapsed();
        metrics::gauge!("zhiban_mqtt_probe_seconds").set(took.as_secs_f64());
        metrics::gauge!("zhiban_mqtt_probe_ok").set(if probed.is_ok() { 1.0 } else { 0.0 });
        let (status, detail) = match probed {
            Ok(()) => {
                let ms = took.as_millis();
                let said = Said::new(
                    format!("消息 {ms} ms 后返回"),
                    format!("message came back in {ms} ms"),
                );
                (Status::Ok, said)
            }
            Err(_) if self.shared.gate.is_full_for(self.address.ip()) => {
                let said = Said::new("连接数已满", "no room for another connection");
                (Status::Degraded, said)
            }
            Err(error) => (Status::Failing, error.to_string().into()),
        };
        if status == Status::Failing {
            tracing::error!(detail = detail.en, "the MQTT door does not answer");
        }
        self.health.say(PART, status, detail, SILENCE_MAX);
    }

    async fn probe(&self) -> Result<(), ProbeError> {
        let connect = TcpStream::connect(self.address);
        let mut client = Client {
            stream: within("a connection", connect).await??,
            input: BytesMut::new(),
        };
        client.send(self.login()).await?;
        let is_connack = |packet: &Packet| matches!(packet, Packet::ConnAck(..));
        within("CONNECT", client.wait(is_connack)).await??;
        client.send(subscription()).await?;
        let is_suback = |packet: &Packet| matches!(packet, Packet::SubAck(..));
        within("SUBSCRIBE", client.wait(is_suback)).await??;
        let token = rand::random::<u64>().to_string();
        let publish = Publish::new(TOPIC.to_owned(), token.clone(), false);
        client.send(Packet::Publish(publish, None)).await?;
        let is_mine = |packet: &Packet| matches!(packet, Packet::Publish(publish, _) if publish.payload == token);
        within("PUBLISH", client.wait(is_mine)).await??;
        Ok(client.stream.write_all(&[0xe0, 0]).await?)
    }

    fn login(&self) -> Packet {
        let connect = Connect {
            keep_alive: 30,
            client_id: WATCHDOG.into(),
            clean_session: true,
        };
        let login = Login {
            username: WATCHDOG.into(),
            password: self.shared.watchdog_secret.clone(),
        };
        Packet::Connect(connect, None, None, None, Some(login))
    }
}

fn subscription() -> Packet {
    let filter = Filter {
        path: TOPIC.into(),
        qos: QoS::AtMostOnce,
        nolocal: false,
        preserve_retain: false,
        retain_forward_rule: RetainForwardRule::OnEverySubscribe,
    };
    let filters = vec![filter];
    Packet::Subscribe(Subscribe { pkid: 1, filters }, None)
}

async fn within<T>(what: &'static str, step: impl Future<Output = T>) -> Result<T, ProbeError> {
    let done = tokio::time::timeout(ANSWER_TIME_MAX, step).await;
    done.map_err(|_| ProbeError::Late(what))
}

/// A listener on all addresses is reached by loopback, which is where the watchdog is let in.
fn loopback(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

struct Client {
    stream: TcpStream,
    input: BytesMut,
}

impl Client {
    async fn send(&mut self, packet: Packet) -> Result<(), ProbeError> {
        let mut bytes = BytesMut::new();
        V4.write(packet, &mut bytes)?;
        Ok(self.stream.write_all(&bytes).await?)
    }

    async fn wait(&mut self, wanted: impl Fn(&Packet) -> bool) -> Result<(), ProbeError> {
        loop {
            match V4.read_mut(&mut self.input, 1_024) {
                Ok(packet) if wanted(&packet) => return Ok(()),
                Ok(_) => {}
                Err(Error::InsufficientBytes(_)) => {
                    if self.stream.read_buf(&mut self.input).await? == 0 {
                        let closed = "closed by the door";
                        return Err(std::io::Error::other(closed).into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
