//! What travels between a hall and the centre (design §7).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::device::DeviceAlarm;
use crate::down::Answered;
use crate::facts::{FactRevision, HallProfile};
use crate::masters::Proposal;
use crate::{DeviceId, StoreId};

/// Version of the protocol, part of every key.
pub const PROTOCOL: u32 = 1;

/// One life of a hall's outbox. A restored backup or a clone starts another, so that reused
/// sequence numbers are never mistaken for ones already received.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Epoch(
    /// Random, below 2^53 so that every JSON reader keeps it exact.
    pub u64,
);

/// The two lines from a hall to the centre. Each has numbers of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// What a person waits for: alarms, answers to a drill-down. Overtakes the other.
    Live,
    /// Facts and records.
    History,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Live, Self::History];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::History => "history",
        }
    }
}

/// One number for each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Marks {
    pub live: u64,
    pub history: u64,
}

impl Marks {
    #[must_use]
    pub const fn of(self, lane: Lane) -> u64 {
        match lane {
            Lane::Live => self.live,
            Lane::History => self.history,
        }
    }

    pub const fn set(&mut self, lane: Lane, mark: u64) {
        match lane {
            Lane::Live => self.live = mark,
            Lane::History => self.history = mark,
        }
    }
}

/// What one item says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum Item {
    Profile(HallProfile),
    Fact(FactRevision),
    Alarm(AlarmNote),
    /// The hall proposes a change of its master data.
    Proposal(Proposal),
    /// Stands in the place of an item the centre refused too often; the hall keeps that one.
    SetAside(SetAside),
}

/// A device of the hall raised an alarm, or it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmNote {
    pub device: DeviceId,
    /// When the hall took it, by the hall's clock.
    pub at: Timestamp,
    #[serde(flatten)]
    pub alarm: DeviceAlarm,
}

/// See [`Item::SetAside`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetAside {
    /// What the centre said last.
    pub reason: String,
}

/// One row of the outbox. The body stays raw so that an item this version cannot read is kept
/// with its bytes instead of stopping the line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    pub seq: u64,
    pub body: Box<RawValue>,
}

/// A run of consecutive envelopes of one lane, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    pub protocol: u32,
    pub store: StoreId,
    pub epoch: Epoch,
    pub lane: Lane,
    pub claims: Claims,
    pub envelopes: Vec<Envelope>,
}

/// What the hall knows of the centre's end of a lane. A centre that has less has lost something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The last number before the epoch: the lane begins after it.
    pub born: u64,
    /// The last number on the centre's disk; up to `born` it was settled in `parent`.
    pub settled: u64,
    /// The epoch before; absent when nothing of it is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Epoch>,
}

/// One for each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claims {
    pub live: Claim,
    pub history: Claim,
}

impl Claims {
    #[must_use]
    pub const fn of(&self, lane: Lane) -> &Claim {
        match lane {
            Lane::Live => &self.live,
            Lane::History => &self.history,
        }
    }
}

/// The centre's answer, sent after its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Everything up to and including `committed` is on the centre's disk.
    Committed {
        epoch: Epoch,
        committed: Marks,
        /// The item that stopped the batch; those before it are committed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<RefusedItem>,
        /// Another box speaks for this store, in another epoch.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        twin: bool,
        /// Number of the last heartbeat the centre heard in this epoch.
        #[serde(default)]
        beat: u64,
    },
    /// Hall and centre do not speak of the same rows; nothing of the message was taken. The hall
    /// goes on in a new epoch.
    Estranged {
        epoch: Epoch,
        #[serde(flatten)]
        cause: Estrangement,
    },
    /// Nothing of the message was taken.
    Refused { reason: String },
    /// The answer to a question was handed on, or nobody waits for it any more.
    Noted,
    /// Nothing of the message was taken; come again after this time.
    Busy { retry_after_ms: u32 },
}

/// An item the centre cannot keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedItem {
    pub seq: u64,
    pub reason: String,
}

/// Why hall and centre do not speak of the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Estrangement {
    /// The centre has something else under numbers of this lane: two boxes with one disk, or a
    /// restored one. Up to `same_to` it has what the hall sent.
    OtherHand { lane: Lane, same_to: u64 },
    /// The hall holds for settled what the centre no longer has: the centre was restored.
    CentreLost { has: Marks },
    /// Another epoch of the hall followed on this one: an old box was put back.
    Over,
}

/// Sent every minute, kept only as the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    pub protocol: u32,
    pub store: StoreId,
    pub epoch: Epoch,
    /// Grows within the epoch, so that one sent again by a stranger says nothing.
    pub number: u64,
    pub claims: Claims,
    /// The hall's clock.
    pub at: Timestamp,
    /// Version of the gateway.
    pub version: String,
    /// Rows waiting in the outbox.
    pub backlog: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_unsent_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveSnapshot>,
}

/// The hall right now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiveSnapshot {
    pub waiting: u32,
    pub in_hall: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_wait_s: Option<u32>,
    pub open_counters: u32,
}

/// Everything a hall sends upward. The kind stands outside (`{"batch": {…}}`) and not beside the
/// fields: a kind inside would make readers copy the message to find it, and raw bodies do not
/// survive that.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upward {
    Batch(Batch),
    Heartbeat(Heartbeat),
    /// Not in the outbox: once nobody waits for it any more, it is worth nothing.
    Answered(Answered),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_reads_back_with_its_bodies_untouched() {
        let text = r#"{"batch":{"protocol":1,"store":"wola","epoch":7,"lane":"history","claims":{"live":{"born":0,"settled":0},"history":{"born":0,"settled":0}},"envelopes":[{"seq":1,"body":{"item": "new"}}]}}"#;
        let Ok(Upward::Batch(batch)) = serde_json::from_str(text) else {
            panic!("was not read");
        };
        assert_eq!(batch.envelopes[0].body.get(), r#"{"item": "new"}"#);
        assert_eq!(serde_json::to_string(&Upward::Batch(batch)).unwrap(), text);
    }
}
