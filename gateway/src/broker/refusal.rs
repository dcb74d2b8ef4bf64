//! Why the door refuses or ends a connection: one word for metrics, one sentence for the log, one
//! code for the device.

use super::packet::Version;

/// Why a connection was refused or ended by the door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no room: {0} connections are open")]
    TooManyConnections(usize),
    #[error("no room for this address: it has {0} connections open")]
    TooManyFromAddress(usize),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("no complete CONNECT within 5 s")]
    ConnectTimeout,
    #[error("first packet is of type {0} instead of CONNECT")]
    NotConnect(u8),
    #[error("second CONNECT on one connection")]
    SecondConnect,
    #[error("{0} must not be sent to this server")]
    ForbiddenPacket(&'static str),
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    #[error("packet of {size} bytes, at most {size_max} are taken")]
    TooLarge { size: usize, size_max: usize },
    #[error("MQTT protocol level {0}, only 3.1.1 (4) and 5 are spoken")]
    ProtocolVersion(u8),
    #[error("enhanced authentication is not offered")]
    AuthenticationMethod,
    #[error("client id must be the device id, which is also the user name")]
    ClientId,
    #[error("neither user name and password nor a certificate")]
    NoCredentials,
    #[error("unknown device, wrong password, or a certificate that no longer counts")]
    BadCredentials,
    /// It is who it says, and waits for a person.
    #[error("the device is shut out: {0}")]
    ShutOut(String),
    #[error("will on a topic that is not below te/device/<own id>/")]
    WillTopic,
    #[error("QoS 2 is not offered, at most QoS 1")]
    QosNotSupported,
    #[error("topic aliases are not offered")]
    TopicAlias,
    #[error("nothing was heard for {0} s")]
    Silent(u64),
    #[error("does not read what it is sent")]
    DoesNotRead,
    #[error("the same device connected again")]
    TakenOver,
    #[error("the earlier connection of this device does not end")]
    SeatTaken,
    #[error("the device was suspended, retired or given a new secret")]
    Expelled,
    #[error("gateway is stopping")]
    ShuttingDown,
    #[error("reports cannot be stored")]
    StoreFailing,
}

impl Refusal {
    /// Label of the metric; one of a fixed set.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooManyConnections(_) => "too-many-connections",
            Self::TooManyFromAddress(_) => "too-many-from-address",
            Self::Tls(_) => "tls",
            Self::ConnectTimeout => "connect-timeout",
            Self::NotConnect(_) => "not-connect",
            Self::SecondConnect => "second-connect",
            Self::ForbiddenPacket(_) => "forbidden-packet",
            Self::Malformed(_) => "malformed",
            Self::TooLarge { .. } => "too-large",
            Self::ProtocolVersion(_) => "protocol-version",
            Self::AuthenticationMethod => "authentication-method",
            Self::ClientId => "client-id",
            Self::NoCredentials => "no-credentials",
            Self::BadCredentials => "bad-credentials",
            Self::ShutOut(_) => "shut-out",
            Self::WillTopic => "will-topic",
            Self::QosNotSupported => "qos-2",
            Self::TopicAlias => "topic-alias",
            Self::Silent(_) => "silent",
            Self::DoesNotRead => "does-not-read",
            Self::TakenOver => "taken-over",
            Self::SeatTaken => "seat-taken",
            Self::Expelled => "expelled",
            Self::ShuttingDown => "shutting-down",
            Self::StoreFailing => "store-failing",
        }
    }

    /// MQTT 5 reason code, for CONNACK and DISCONNECT alike.
    #[must_use]
    pub(super) fn reason(&self) -> u8 {
        match self {
            Self::Malformed(_) => 0x81,
            Self::NotConnect(_)
            | Self::SecondConnect
            | Self::ForbiddenPacket(_)
            // Nothing can be said without TLS.
            | Self::Tls(_)
            | Self::ConnectTimeout => 0x82,
            Self::ProtocolVersion(_) => 0x84,
            Self::ClientId => 0x85,
            Self::BadCredentials => 0x86,
            Self::NoCredentials | Self::ShutOut(_) | Self::WillTopic => 0x87,
            Self::SeatTaken => 0x89,
            Self::ShuttingDown => 0x8b,
            Self::AuthenticationMethod => 0x8c,
            Self::Silent(_) => 0x8d,
            Self::TakenOver => 0x8e,
            Self::TopicAlias => 0x94,
            Self::TooLarge { .. } => 0x95,
            Self::DoesNotRead
            | Self::StoreFailing
            | Self::TooManyConnections(_)
            | Self::TooManyFromAddress(_) => 0x97,
            Self::Expelled => 0x98,
            Self::QosNotSupported => 0x9b,
        }
    }

    /// Code of a CONNACK in `version`; `None` where that version closes without an answer.
    #[must_use]
    pub(super) fn connack_code(&self, version: Version) -> Option<u8> {
        if version == Version::V5 {
            return Some(self.reason());
        }
        match self {
            Self::ProtocolVersion(_) => Some(1),
            Self::ClientId => Some(2),
            Self::SeatTaken | Self::ShuttingDown | Self::StoreFailing => Some(3),
            Self::BadCredentials => Some(4),
            Self::NoCredentials | Self::ShutOut(_) | Self::WillTopic => Some(5),
            _ => None,
        }
    }
}
