//! Packets to a device.
//!
//! Small answers are written by hand: rumqttd's codecs give some of them a wrong length (v5
//! DISCONNECT) or panic on a code of the other version (v4 CONNACK).

use bytes::{BufMut, Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Packet, Protocol, Publish, PublishProperties};

use super::packet::{Qos, Version};
use super::refusal::Refusal;

/// Reason codes of single answers, MQTT 5.
pub(super) mod reason {
    pub(in super::super) const OK: u8 = 0x00;
    pub(in super::super) const NO_SUBSCRIPTION: u8 = 0x11;
    pub(in super::super) const UNSPECIFIED: u8 = 0x80;
    pub(in super::super) const NOT_AUTHORIZED: u8 = 0x87;
    pub(in super::super) const FILTER_INVALID: u8 = 0x8f;
    pub(in super::super) const TOPIC_NAME_INVALID: u8 = 0x90;
    pub(in super::super) const QUOTA: u8 = 0x97;
    pub(in super::super) const PAYLOAD_INVALID: u8 = 0x99;
    pub(in super::super) const NO_SHARED: u8 = 0x9e;
}

/// QoS 1 messages of one device that may wait for their PUBACK.
pub(super) const RECEIVE_MAX: u16 = 1_024;

/// Longest text in an answer, so that its packet stays below 128 bytes.
const REASON_BYTES_MAX: usize = 120;

/// A message on its way to a device.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) properties: Option<PublishProperties>,
    pub(super) qos: Qos,
    pub(super) retain: bool,
}

pub(super) fn connack(
    out: &mut BytesMut,
    version: Version,
    session_present: bool,
    packet_bytes_max: u32,
    keep_alive_s: Option<u16>,
) {
    let flags = u8::from(session_present);
    if version == Version::V4 {
        out.put_slice(&[0x20, 2, flags, 0]);
        return;
    }
    let mut properties = BytesMut::with_capacity(24);
    properties.put_u8(0x21);
    properties.put_u16(RECEIVE_MAX);
    // Maximum QoS 1, retain yes, wildcards yes, subscription identifiers no, shared no.
    properties.put_slice(&[0x24, 1, 0x25, 1, 0x28, 1, 0x29, 0, 0x2a, 0]);
    properties.put_u8(0x27);
    properties.put_u32(packet_bytes_max);
    if let Some(seconds) = keep_alive_s {
        properties.put_u8(0x13);
        properties.put_u16(seconds);
    }
    let length = length_of(&properties);
    out.put_slice(&[0x20, length + 3, flags, 0, length]);
    out.put_slice(&properties);
}

pub(super) fn connack_refused(out: &mut BytesMut, version: Version, refusal: &Refusal) {
    match (version, refusal.connack_code(version)) {
        (_, None) => {}
        (Version::V4, Some(code)) => out.put_slice(&[0x20, 2, 0, code]),
        (Version::V5, Some(code)) => {
            let properties = match refusal {
                Refusal::ShutOut(why) => reason_string(why),
                _ => BytesMut::new(),
            };
            let length = length_of(&properties);
            out.put_slice(&[0x20, length + 3, 0, code, length]);
            out.put_slice(&properties);
        }
    }
}

/// Words for whoever stands before the device. Cut, so that lengths stay one byte each.
fn reason_string(text: &str) -> BytesMut {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text.as_bytes()[..end];
    let mut properties = BytesMut::with_capacity(text.len() + 3);
    properties.put_u8(0x1f);
    properties.put_u16(u16::try_from(text.len()).unwrap_or(0));
    properties.put_slice(text);
    properties
}

pub(super) fn puback(out: &mut BytesMut, version: Version, packet_id: u16, reason: u8) {
    let [high, low] = packet_id.to_be_bytes();
    // 3.1.1 has only the positive answer; the dead letter tells the rest.
    if version == Version::V4 || reason == reason::OK {
        out.put_slice(&[0x40, 2, high, low]);
    } else {
        out.put_slice(&[0x40, 3, high, low, reason]);
    }
}

pub(super) fn suback(out: &mut BytesMut, version: Version, packet_id: u16, codes: &[u8]) {
    let failure = |code: u8| if code < 0x80 { code } else { 0x80 };
    out.put_u8(0x90);
    let properties = usize::from(version == Version::V5);
    put_length(out, 2 + properties + codes.len());
    out.put_u16(packet_id);
    match version {
        Version::V4 => out.extend(codes.iter().map(|code| failure(*code))),
        Version::V5 => {
            out.put_u8(0);
            out.put_slice(codes);
        }
    }
}

pub(super) fn unsuback(out: &mut BytesMut, version: Version, packet_id: u16, codes: &[u8]) {
    out.put_u8(0xb0);
    match version {
        Version::V4 => {
            put_length(out, 2);
            out.put_u16(packet_id);
        }
        Version::V5 => {
            put_length(out, 3 + codes.len());
            out.put_u16(packet_id);
            out.put_u8(0);
            out.put_slice(codes);
        }
    }
}

pub(super) fn pong(out: &mut BytesMut) {
    out.put_slice(&[0xd0, 0]);
}

/// Version 3.1.1 has no DISCONNECT to a client: it is simply closed.
pub(super) fn disconnect(out: &mut BytesMut, version: Version, reason: u8) {
    if version == Version::V5 {
        out.put_slice(&[0xe0, 1, reason]);
    }
}

/// Writes a message; `packet_id` is `None` for QoS 0.
pub(super) fn publish(
    out: &mut BytesMut,
    version: Version,
    message: &Message,
    packet_id: Option<u16>,
    again: bool,
) {
    let publish = packed(message, packet_id, again);
    let written = match version {
        Version::V4 => V4.write(Packet::Publish(publish, None), out),
        Version::V5 => V5.write(Packet::Publish(publish, message.properties.clone()), out),
    };
    if let Err(error) = written {
        tracing::error!(%error, "a message could not be written");
    }
}

/// The codec's own fields are closed; its packed form is the way in.
fn packed(message: &Message, packet_id: Option<u16>, again: bool) -> Publish {
    let Some(packet_id) = packet_id else {
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        return Publish::new(topic, payload, message.retain);
    };
    let mut bytes = BytesMut::with_capacity(5 + message.topic.len() + message.payload.len());
    bytes.put_u8(0x32 | u8::from(message.retain) | (u8::from(again) << 3));
    bytes.put_u16(packet_id);
    bytes.put_u16(u16::try_from(message.topic.len()).unwrap_or(0));
    bytes.put_slice(&message.topic);
    bytes.put_slice(&message.payload);
    Publish::deserialize(bytes.freeze())
}

fn put_length(out: &mut BytesMut, mut length: usize) {
    while length >= 0x80 {
        // Masked to seven bits.
        out.put_u8(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    out.put_u8(u8::try_from(length).unwrap_or(0));
}

fn length_of(properties: &[u8]) -> u8 {
    u8::try_from(properties.len()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect: &[u8], write: impl FnOnce(&mut BytesMut)) {
        let mut out = BytesMut::new();
        write(&mut out);
        assert_eq!(&out[..], expect);
    }

    #[test]
    fn each_version_gets_its_own_form() {
        use Version::{V4, V5};
        check(&[0x40, 2, 1, 2], |out| puback(out, V4, 258, 0x87));
        check(&[0x40, 3, 1, 2, 0x87], |out| puback(out, V5, 258, 0x87));
        check(&[0x90, 4, 0, 7, 1, 0x80], |out| {
            suback(out, V4, 7, &[1, 0x87]);
        });
        check(&[0x90, 5, 0, 7, 0, 1, 0x87], |out| {
            suback(out, V5, 7, &[1, 0x87]);
        });
        check(&[0xb0, 2, 0, 7], |out| unsuback(out, V4, 7, &[0]));
        check(&[0xb0, 4, 0, 7, 0, 0x11], |out| {
            unsuback(out, V5, 7, &[0x11]);
        });
        check(&[], |out| disconnect(out, V4, 0x8e));
        check(&[0xe0, 1, 0x8e], |out| disconnect(out, V5, 0x8e));
        check(&[0x20, 2, 0, 4], |out| {
            connack_refused(out, V4, &Refusal::BadCredentials);
        });
        check(&[0x20, 3, 0, 0x86, 0], |out| {
            connack_refused(out, V5, &Refusal::BadCredentials);
        });
    }

    #[test]
    fn a_message_carries_its_number_and_flags() {
        let message = Message {
            topic: "a/b".into(),
            payload: "x".into(),
            properties: None,
            qos: Qos::AtLeastOnce,
            retain: true,
        };
        let expect = [0x3b, 8, 0, 3, b'a', b'/', b'b', 0x80, 1, b'x'];
        check(&expect, |out| {
            publish(out, Version::V4, &message, Some(0x8001), true);
        });
        let expect = [0x31, 7, 0, 3, b'a', b'/', b'b', 0, b'x'];
        check(&expect, |out| {
            publish(out, Version::V5, &message, None, false);
        });
    }
}
