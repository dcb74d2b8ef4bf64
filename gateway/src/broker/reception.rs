//! A connection of a device that is not known yet: it may ask to join, and hear the answer.
//!
//! It never comes near the router or the journal: `provision/request` in, `provision/response`
//! out, on this connection alone, so that nobody hears the credential of another.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::answer::{self, Message, reason};
use super::frame::{self, Stage};
use super::line::Line;
use super::packet::{self, Connect, Packet, Publish, Qos, Version};
use super::refusal::Refusal;
use crate::joining::{Answer, Ask, Pass, REQUEST_TOPIC, RESPONSE_TOPIC};

/// A person needs some minutes; a device that waits longer connects again.
const STAY_MAX: Duration = Duration::from_secs(15 * 60);
/// Packets an unknown device may send.
const PACKETS_MAX: u32 = 200;
/// Largest packet of one.
const PACKET_BYTES_MAX: usize = 4_096;

struct Reception<S> {
    shared: Arc<Shared>,
    line: Line<S>,
    version: Version,
    address: IpAddr,
    listens: bool,
    pass: Pass,
    asked: Option<Ask>,
    /// Falls when another connection asks with the same token: the answer is for one of them.
    leave: CancellationToken,
    packets: u32,
}

/// Serves the connection to its end.
pub(super) async fn serve<S>(
    shared: Arc<Shared>,
    line: Line<S>,
    connect: Connect,
    pass: Pass,
    address: IpAddr,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut reception = Reception {
        shared,
        line,
        version: connect.version,
        address,
        listens: false,
        pass,
        asked: None,
        leave: CancellationToken::new(),
        packets: 0,
    };
    let size_max = u32::try_from(PACKET_BYTES_MAX).unwrap_or(u32::MAX);
    answer::connack(
        &mut reception.line.output,
        connect.version,
        false,
        size_max,
        None,
    );
    let served = tokio::select! {
        () = shutdown.cancelled() => Err(Refusal::ShuttingDown),
        served = tokio::time::timeout(STAY_MAX, reception.run()) => {
            served.unwrap_or(Err(Refusal::Silent(STAY_MAX.as_secs())))
        }
    };
    reception.leave.cancel();
    if let Err(refusal) = served {
        reception.shared.refuse(&refusal, None, address);
        answer::disconnect(
            &mut reception.line.output,
            reception.version,
            refusal.reason(),
        );
    }
    reception.line.part().await;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Reception<S> {
    async fn run(&mut self) -> Result<(), Refusal> {
        let mut decisions = self.shared.joining.decisions();
        loop {
            while let Some(packet) = self.next_packet()? {
                if !self.handle(packet).await? {
                    return Ok(());
                }
            }
            if self.flush().await.is_err() {
                return Ok(());
            }
            self.line.make_room(false);
            tokio::select! {
                read = self.line.reader.read_buf(&mut self.line.input) => {
                    if matches!(read, Ok(0) | Err(_)) {
                        return Ok(());
                    }
                }
                () = self.leave.cancelled() => return Err(Refusal::TakenOver),
                changed = decisions.changed(), if self.asked.is_some() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.answer(false).await;
                }
            }
        }
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, Refusal> {
        let frame = frame::next(&mut self.line.input, Stage::Connected, PACKET_BYTES_MAX)?;
        let packet = frame
            .map(|frame| packet::read(frame, self.version))
            .transpose()?;
        self.packets += u32::from(packet.is_some());
        if self.packets > PACKETS_MAX {
            return Err(Refusal::Malformed("too many packets of an unknown device"));
        }
        Ok(packet)
    }

    /// False when the device leaves.
    async fn handle(&mut self, packet: Packet) -> Result<bool, Refusal> {
        let out = &mut self.line.output;
        match packet {
            Packet::Subscribe { packet_id, filters } => {
                let code = |filter: &str| match filter {
                    RESPONSE_TOPIC => reason::OK,
                    _ => reason::NOT_AUTHORIZED,
                };
                let codes: Vec<u8> = filters.iter().map(|wanted| code(&wanted.filter)).collect();
                self.listens |= codes.contains(&reason::OK);
                answer::suback(out, self.version, packet_id, &codes);
                // It may have asked before it listened.
                if self.asked.is_some() {
                    self.answer(true).await;
                }
            }
            Packet::Unsubscribe { packet_id, filters } => {
                let codes = vec![reason::NO_SUBSCRIPTION; filters.len()];
                answer::unsuback(out, self.version, packet_id, &codes);
            }
            Packet::Publish(publish) => self.take(publish).await,
            Packet::Ping => answer::pong(out),
            Packet::PubAck(_) => {}
            Packet::Disconnect { .. } => return Ok(false),
        }
        Ok(true)
    }

    async fn take(&mut self, publish: Publish) {
        let is_request = &publish.topic[..] == REQUEST_TOPIC.as_bytes();
        let code = if is_request {
            reason::OK
        } else {
            reason::NOT_AUTHORIZED
        };
        if is_request {
            match Ask::read(&publish.payload) {
                Ok(ask) => {
                    let place = self.shared.joining.take_place(&ask);
                    std::mem::replace(&mut self.leave, place).cancel();
                    self.asked = Some(ask);
                    self.answer(true).await;
                }
                Err(problem) => self.say(&Answer::Refused { reason: problem }),
            }
        }
        if let Some(packet_id) = publish.packet_id {
            answer::puback(&mut self.line.output, self.version, packet_id, code);
        }
    }

    /// Says how the request stands, if anyone listens: a credential is made only to be heard. That it
    /// still waits is said only `again` when the device wants to know.
    async fn answer(&mut self, again: bool) {
        let Some(ask) = self.asked.clone().filter(|_| self.listens) else {
            return;
        };
        let answer = match self.shared.joining.ask(ask, self.address, &self.pass).await {
            Ok(answer) => answer,
            Err(error) => Answer::Refused {
                reason: error.to_string(),
            },
        };
        if answer.is_final() {
            self.asked = None;
        }
        if again || answer.is_final() {
            self.say(&answer);
        }
    }

    fn say(&mut self, answer: &Answer) {
        let message = Message {
            topic: Bytes::from_static(RESPONSE_TOPIC.as_bytes()),
            payload: serde_json::to_vec(answer).unwrap_or_default().into(),
            properties: None,
            qos: Qos::AtMostOnce,
            retain: false,
        };
        answer::publish(&mut self.line.output, self.version, &message, None, false);
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.line
            .writer
            .write_all_buf(&mut self.line.output)
            .await?;
        self.line.writer.flush().await
    }
}
