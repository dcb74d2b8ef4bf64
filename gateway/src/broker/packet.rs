//! Packets of a device, read by rumqttd's codecs behind the guard of [`super::frame`].
//!
//! The codecs are not trusted: what they skip is checked here, and a panic of theirs is a
//! malformed packet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{
    self as codec, ConnectProperties, LastWill, LastWillProperties, Protocol, PublishProperties,
    RetainForwardRule,
};

use super::frame::{self, Frame};
use super::refusal::Refusal;

/// Longest topic a device may use, in bytes; the router keeps every topic it has seen.
pub(super) const TOPIC_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Qos {
    AtMostOnce = 0,
    AtLeastOnce = 1,
}

impl From<codec::QoS> for Qos {
    /// QoS 2 is granted as QoS 1.
    fn from(qos: codec::QoS) -> Self {
        match qos {
            codec::QoS::AtMostOnce => Self::AtMostOnce,
            codec::QoS::AtLeastOnce | codec::QoS::ExactlyOnce => Self::AtLeastOnce,
        }
    }
}

/// What a device may send once it is connected.
#[derive(Debug)]
pub(super) enum Packet {
    Publish(Publish),
    PubAck(u16),
    Subscribe {
        packet_id: u16,
        filters: Vec<Wanted>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect {
        with_will: bool,
    },
}

#[derive(Debug)]
pub(super) struct Publish {
    /// `None` where nothing is to be acknowledged: QoS 0 and wills.
    pub(super) packet_id: Option<u16>,
    pub(super) qos: Qos,
    pub(super) again: bool,
    pub(super) retain: bool,
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) properties: Option<PublishProperties>,
}

/// One filter of a SUBSCRIBE.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) filter: String,
    pub(super) qos: Qos,
    pub(super) no_local: bool,
    pub(super) retained: RetainForwardRule,
}

#[derive(Debug)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) client_id: String,
    /// User name and password.
    pub(super) login: Option<(String, String)>,
    pub(super) clean_start: bool,
    /// Seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// Seconds the session outlives the connection; `None` for ever.
    pub(super) session_s: Option<u32>,
    /// QoS 1 messages the device takes at once.
    pub(super) receive_max: u16,
    /// Largest packet the device takes.
    pub(super) packet_bytes_max: usize,
    pub(super) will: Option<Publish>,
}

/// The protocol level a CONNECT asks for.
pub(super) fn version(frame: &Frame) -> Result<Version, Refusal> {
    let body = frame.body();
    let length = usize::from(frame.number_at(0)?);
    let name = body.get(2..2 + length);
    let level = body.get(2 + length).copied();
    match (name, level) {
        (Some(b"MQTT"), Some(4)) => Ok(Version::V4),
        (Some(b"MQTT"), Some(5)) => Ok(Version::V5),
        (Some(b"MQTT" | b"MQIsdp"), Some(level)) => Err(Refusal::ProtocolVersion(level)),
        _ => Err(Refusal::Malformed("not a CONNECT of MQTT")),
    }
}

pub(super) fn read_connect(frame: Frame, version: Version) -> Result<Connect, Refusal> {
    check_connect_flags(&frame, version)?;
    let decoded = decode(frame, version)?;
    let codec::Packet::Connect(connect, properties, will, will_properties, login) = decoded else {
        return Err(Refusal::Malformed("CONNECT"));
    };
    let mut session_s = if connect.clean_session { Some(0) } else { None };
    let (mut receive_max, mut packet_bytes_max) = (u16::MAX, usize::MAX);
    if version == Version::V5 {
        session_s = Some(0);
        if let Some(properties) = &properties {
            session_s = session_seconds(properties);
            (receive_max, packet_bytes_max) = limits(properties)?;
        }
    }
    Ok(Connect {
        version,
        client_id: connect.client_id,
        login: login.map(|login| (login.username, login.password)),
        clean_start: connect.clean_session,
        keep_alive: connect.keep_alive,
        session_s,
        receive_max,
        packet_bytes_max,
        will: will
            .map(|will| read_will(will, will_properties, version))
            .transpose()?,
    })
}

fn session_seconds(properties: &ConnectProperties) -> Option<u32> {
    match properties.session_expiry_interval {
        Some(u32::MAX) => None,
        seconds => Some(seconds.unwrap_or(0)),
    }
}

fn limits(properties: &ConnectProperties) -> Result<(u16, usize), Refusal> {
    if properties.authentication_method.is_some() {
        return Err(Refusal::AuthenticationMethod);
    }
    match (properties.receive_maximum, properties.max_packet_size) {
        (Some(0), _) => Err(Refusal::Malformed("receive maximum of 0")),
        (_, Some(0)) => Err(Refusal::Malformed("maximum packet size of 0")),
        (receive_max, size_max) => Ok((
            receive_max.unwrap_or(u16::MAX),
            size_max.map_or(usize::MAX, |size| size as usize),
        )),
    }
}

/// The codecs read past these.
fn check_connect_flags(frame: &Frame, version: Version) -> Result<(), Refusal> {
    let at_flags = 2 + 4 + 1;
    let flags = frame.body().get(at_flags).copied().unwrap_or(1);
    if flags & 1 != 0 {
        return Err(Refusal::Malformed("reserved flag of CONNECT"));
    }
    let (has_user, has_password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if version == Version::V4 && has_password && !has_user {
        return Err(Refusal::Malformed("password without user name"));
    }
    Ok(())
}

/// A delay of the will is taken as 0: at the earliest is what a hall wants to know it.
fn read_will(
    will: LastWill,
    properties: Option<LastWillProperties>,
    version: Version,
) -> Result<Publish, Refusal> {
    if will.qos == codec::QoS::ExactlyOnce && version == Version::V5 {
        return Err(Refusal::QosNotSupported);
    }
    let properties = properties.map(|properties| PublishProperties {
        payload_format_indicator: properties.payload_format_indicator,
        message_expiry_interval: properties.message_expiry_interval,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data,
        user_properties: properties.user_properties,
        content_type: properties.content_type,
        ..PublishProperties::default()
    });
    Ok(Publish {
        // Nobody is told, and it never comes again: there is no number to know it by.
        packet_id: None,
        qos: will.qos.into(),
        again: false,
        retain: will.retain,
        topic: will.topic,
        payload: will.message,
        properties,
    })
}

pub(super) fn read(frame: Frame, version: Version) -> Result<Packet, Refusal> {
    match frame.kind() {
        frame::PINGREQ if frame.body().is_empty() => Ok(Packet::Ping),
        frame::PUBACK => packet_id_at(&frame, 0).map(Packet::PubAck),
        // The codec refuses the short forms of version 5.
        frame::DISCONNECT => Ok(Packet::Disconnect {
            with_will: frame.body().first().is_some_and(|reason| *reason != 0),
        }),
        frame::PUBLISH => read_publish(frame, version).map(Packet::Publish),
        frame::SUBSCRIBE => read_subscribe(frame, version),
        frame::UNSUBSCRIBE => read_unsubscribe(frame, version),
        _ => Err(Refusal::Malformed("packet with a body it cannot have")),
    }
}

fn packet_id_at(frame: &Frame, at: usize) -> Result<u16, Refusal> {
    match frame.number_at(at)? {
        0 => Err(Refusal::Malformed("packet id 0")),
        id => Ok(id),
    }
}

/// DUP, QoS and packet id are read from the bytes: the codec keeps them to itself.
fn read_publish(frame: Frame, version: Version) -> Result<Publish, Refusal> {
    let flags = frame.first;
    let after_topic = 2 + usize::from(frame.number_at(0)?);
    let (packet_id, qos) = if flags & 0b0110 == 0 {
        (None, Qos::AtMostOnce)
    } else {
        (Some(packet_id_at(&frame, after_topic)?), Qos::AtLeastOnce)
    };
    let codec::Packet::Publish(publish, properties) = decode(frame, version)? else {
        return Err(Refusal::Malformed("PUBLISH"));
    };
    if let Some(properties) = &properties {
        if properties.topic_alias.is_some() {
            return Err(Refusal::TopicAlias);
        }
        if !properties.subscription_identifiers.is_empty() {
            let reason = "subscription identifier from a device";
            return Err(Refusal::Malformed(reason));
        }
    }
    Ok(Publish {
        packet_id,
        qos,
        again: flags & 0b1000 != 0,
        retain: publish.retain,
        topic: publish.topic,
        payload: publish.payload,
        properties,
    })
}

fn read_subscribe(frame: Frame, version: Version) -> Result<Packet, Refusal> {
    let packet_id = packet_id_at(&frame, 0)?;
    let codec::Packet::Subscribe(subscribe, _) = decode(frame, version)? else {
        return Err(Refusal::Malformed("SUBSCRIBE"));
    };
    let wanted = |filter: codec::Filter| Wanted {
        filter: filter.path,
        qos: filter.qos.into(),
        no_local: filter.nolocal,
        retained: filter.retain_forward_rule,
    };
    let filters = subscribe.filters.into_iter().map(wanted).collect();
    Ok(Packet::Subscribe { packet_id, filters })
}

fn read_unsubscribe(frame: Frame, version: Version) -> Result<Packet, Refusal> {
    let packet_id = packet_id_at(&frame, 0)?;
    let codec::Packet::Unsubscribe(unsubscribe, _) = decode(frame, version)? else {
        return Err(Refusal::Malformed("UNSUBSCRIBE"));
    };
    if unsubscribe.filters.is_empty() {
        return Err(Refusal::Malformed("UNSUBSCRIBE without a filter"));
    }
    let filters = unsubscribe.filters;
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn decode(frame: Frame, version: Version) -> Result<codec::Packet, Refusal> {
    let mut bytes = frame.bytes;
    // The guard has held the limit; the codec compares it with the body alone.
    let size_max = bytes.len();
    let read = catch_unwind(AssertUnwindSafe(|| match version {
        Version::V4 => V4.read_mut(&mut bytes, size_max),
        Version::V5 => V5.read_mut(&mut bytes, size_max),
    }));
    match read {
        Ok(Ok(packet)) => Ok(packet),
        Ok(Err(error)) => {
            tracing::debug!(%error, "codec refused a packet");
            Err(Refusal::Malformed("the codec cannot read it"))
        }
        Err(_) => Err(Refusal::Malformed("the codec panicked")),
    }
}
