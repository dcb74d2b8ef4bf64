//! What doors hand in, what followers get, and how a device's clock is judged.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::report::{self, Kind, Malformed, Observation, Origin};

/// How far ahead of ours a device's clock may be.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);
/// From what age on a report is history and never changes a live value.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// No device buffers longer; an older time means a clock that was never set.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 400);

/// Which way something came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Mqtt,
    Http,
    Wired,
    /// The hall about itself.
    Hall,
}

impl Door {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Http => "http",
            Self::Wired => "wired",
            Self::Hall => "hall",
        }
    }
}

/// How MQTT delivered a report that carries no number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redelivery {
    pub packet_id: u16,
    /// Which of the reports one message made, from 0.
    pub part: u16,
    /// The device says that it sent this before.
    pub again: bool,
}

/// One report as a door hands it in.
#[derive(Debug, Clone)]
pub struct Submission {
    pub door: Door,
    /// Bound to the connection, never read from the payload.
    pub device: DeviceId,
    /// As the device called it; may be a kind nobody knows.
    pub kind: String,
    pub payload: Bytes,
    /// Where it was addressed, for the dead letter.
    pub topic: Option<String>,
    pub redelivery: Option<Redelivery>,
}

/// What became of a submission. In every case it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Journal id.
    Committed(i64),
    /// It had come before.
    Duplicate,
    /// Kept with its bytes, for the reason given.
    DeadLettered { code: &'static str, reason: String },
}

/// What could not be taken as a report.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub door: Door,
    pub device: Option<DeviceId>,
    pub topic: Option<String>,
    pub code: &'static str,
    pub reason: String,
    pub payload: Bytes,
    /// Size of the whole payload in bytes, where `payload` is only its beginning.
    pub size: usize,
}

/// Trust in the time of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFlag {
    Ok,
    /// History: counts, but never overwrites a live value.
    Late,
    /// The device's clock cannot be right; our time of arrival is used.
    Suspect,
}

impl ClockFlag {
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Ok => 0,
            Self::Late => 1,
            Self::Suspect => 2,
        }
    }

    #[must_use]
    pub fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Late,
            _ => Self::Suspect,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Late => "late",
            Self::Suspect => "suspect",
        }
    }
}

/// The time a report is booked at, and how far its device's clock is trusted.
pub(super) fn judge_time(device_time: Option<Timestamp>, now: Timestamp) -> (Timestamp, ClockFlag) {
    let Some(time) = device_time else {
        return (now, ClockFlag::Ok);
    };
    let age = now.duration_since(time);
    if age < -AHEAD_MAX || age > AGE_MAX {
        (now, ClockFlag::Suspect)
    } else if age > LATE_AFTER {
        (time, ClockFlag::Late)
    } else {
        (time, ClockFlag::Ok)
    }
}

/// A submission read and ready for the writer thread.
pub(super) enum Prepared {
    Report(Numbered),
    Dead(Box<DeadLetter>),
}

pub(super) struct Numbered {
    pub(super) door: Door,
    pub(super) device: DeviceId,
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
    pub(super) topic: Option<String>,
    pub(super) identity: Identity,
    pub(super) time: Timestamp,
    pub(super) clock: ClockFlag,
}

/// By what a report is known again.
pub(super) enum Identity {
    Numbered(Origin),
    Packet {
        redelivery: Redelivery,
        digest: [u8; 32],
        /// The payload carries its time, so two of the same bytes are one report.
        is_timed: bool,
    },
    /// Delivered at most once by its door; nothing to compare with.
    None,
}

impl Prepared {
    pub(super) fn new(mut submission: Submission, now: Timestamp) -> Self {
        let refused = |error: &Malformed, submission: &Submission| {
            Self::Dead(Box::new(letter(
                submission,
                error.code(),
                error.to_string(),
            )))
        };
        let parsed = match report::parse(&submission.kind, &submission.payload) {
            Ok(parsed) => parsed,
            Err(error) => return refused(&error, &submission),
        };
        let kind = parsed.observation.kind();
        if kind.is_internal() && submission.door != Door::Hall {
            return refused(&Malformed::UnknownKind(kind.as_str().into()), &submission);
        }
        if kind.is_private() {
            let (time, origin) = (parsed.time, parsed.origin.as_ref());
            submission.payload = report::compose(&parsed.observation, time, origin).into();
        }
        let identity = match (parsed.origin, submission.redelivery) {
            (Some(origin), _) => Identity::Numbered(origin),
            (None, Some(redelivery)) => Identity::Packet {
                redelivery,
                digest: digest_of(kind, redelivery.packet_id, &submission.payload),
                is_timed: parsed.time.is_some(),
            },
            (None, None) => Identity::None,
        };
        let (time, clock) = judge_time(parsed.time, now);
        Self::Report(Numbered {
            door: submission.door,
            device: submission.device,
            kind,
            payload: submission.payload,
            topic: submission.topic,
            identity,
            time,
            clock,
        })
    }
}

fn digest_of(kind: Kind, packet_id: u16, payload: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(kind.as_str());
    hasher.update([0]);
    hasher.update(packet_id.to_be_bytes());
    hasher.update(payload);
    hasher.finalize().into()
}

fn letter(submission: &Submission, code: &'static str, reason: String) -> DeadLetter {
    DeadLetter {
        door: submission.door,
        device: Some(submission.device.clone()),
        topic: submission
            .topic
            .clone()
            .or_else(|| Some(submission.kind.clone())),
        code,
        reason,
        payload: submission.payload.clone(),
        size: submission.payload.len(),
    }
}

/// One report of the journal as a follower gets it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: i64,
    pub received: Timestamp,
    pub device: DeviceId,
    pub time: Timestamp,
    pub clock: ClockFlag,
    pub observation: Observation,
}
