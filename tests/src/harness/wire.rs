//! MQTT byte by byte, for packets no client library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// A raw connection to the MQTT door.
#[derive(Debug)]
pub struct RawMqtt {
    stream: TcpStream,
}

impl RawMqtt {
    /// # Panics
    /// When nobody listens.
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the door listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream }
    }

    /// Connects as a device with clean session; gives the connection once CONNACK said 0.
    ///
    /// # Panics
    /// When the door refuses.
    pub async fn sign_in(address: &str, device: &str, secret: &str, version: u8) -> Self {
        let mut raw = Self::open(address).await;
        raw.send(&connect(device, device, secret, version)).await;
        let answer = raw.packet().await.expect("CONNACK");
        assert_eq!((answer[0], answer[3]), (0x20, 0), "CONNACK {answer:02x?}");
        raw
    }

    /// Sends bytes; a connection that is already closed is no failure here.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next whole packet, fixed header included; `None` when the door closed.
    ///
    /// # Panics
    /// When neither comes.
    pub async fn packet(&mut self) -> Option<Vec<u8>> {
        let read = timeout(PATIENCE, read_packet(&mut self.stream)).await;
        read.expect("the door answers or closes")
    }

    /// Everything until the door closes.
    ///
    /// # Panics
    /// When it does not.
    pub async fn until_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await;
        // A reset is a close, too.
        let _ = read.expect("the door closes");
        bytes
    }
}

async fn read_packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![stream.read_u8().await.ok()?];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        packet.push(byte);
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift > 21 {
            break;
        }
    }
    let head = packet.len();
    packet.resize(head + length, 0);
    stream.read_exact(&mut packet[head..]).await.ok()?;
    Some(packet)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let more = length >= 0x80;
        let bits = u8::try_from(length & 0x7f).unwrap_or(0);
        packet.push(if more { bits | 0x80 } else { bits });
        length >>= 7;
        if !more {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// CONNECT in protocol level 4 (3.1.1) or 5, clean, keep-alive 30 s.
#[must_use]
pub fn connect(client: &str, user: &str, secret: &str, version: u8) -> Vec<u8> {
    connect_with(client, user, secret, version, 30)
}

/// [`connect`] with another keep-alive.
#[must_use]
pub fn connect_with(client: &str, user: &str, secret: &str, version: u8, alive_s: u16) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([version, 0xc2]);
    body.extend(alive_s.to_be_bytes());
    if version == 5 {
        body.push(0);
    }
    for field in [client, user, secret] {
        text(&mut body, field);
    }
    framed(0x10, &body)
}

/// PUBLISH with QoS 1.
#[must_use]
pub fn publish(topic: &[u8], packet_id: u16, payload: &[u8], version: u8) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 5);
    body.extend(u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend(topic);
    body.extend(packet_id.to_be_bytes());
    if version == 5 {
        body.push(0);
    }
    body.extend(payload);
    framed(0x32, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_one_byte_are_continued() {
        let packet = publish(b"t", 1, &[0; 300], 4);
        assert_eq!(packet[..3], [0x32, 0xb1, 0x02]);
        assert_eq!(packet.len(), 3 + 305);
        assert_eq!(connect("a", "a", "b", 5)[1], 20);
    }
}
