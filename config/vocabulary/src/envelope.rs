//! What travels between a hall and the centre (design §7).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::StoreId;
use crate::facts::{FactRevision, HallProfile};

/// Version of the protocol, part of every key.
pub const PROTOCOL: u32 = 1;

/// One life of a hall's database. A restored backup or a clone starts another, so that reused
/// sequence numbers are never mistaken for ones already received.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Epoch(
    /// Random, below 2^53 so that every JSON reader keeps it exact.
    pub u64,
);

/// What one item says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum Item {
    Profile(HallProfile),
    Fact(FactRevision),
}

/// One row of the outbox. The body stays raw so that an item this version cannot read is kept
/// with its bytes instead of stopping the line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    pub seq: u64,
    pub body: Box<RawValue>,
}

/// A run of consecutive envelopes, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    pub protocol: u32,
    pub store: StoreId,
    pub epoch: Epoch,
    pub envelopes: Vec<Envelope>,
}

/// The centre's answer, sent after its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Everything up to and including `committed` is on the centre's disk.
    Committed { epoch: Epoch, committed: u64 },
    /// Nothing of the message was taken.
    Refused { reason: String },
}

/// Sent every minute in the live lane, kept only as the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    pub store: StoreId,
    pub epoch: Epoch,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_reads_back_with_its_bodies_untouched() {
        let text = r#"{"batch":{"protocol":1,"store":"wola","epoch":7,"envelopes":[{"seq":1,"body":{"item": "new"}}]}}"#;
        let Ok(Upward::Batch(batch)) = serde_json::from_str(text) else {
            panic!("was not read");
        };
        assert_eq!(batch.envelopes[0].body.get(), r#"{"item": "new"}"#);
        assert_eq!(serde_json::to_string(&Upward::Batch(batch)).unwrap(), text);
    }
}
