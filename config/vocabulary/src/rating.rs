//! A customer's answer on an evaluation pad (评价器).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{CounterId, StaffId, TicketNumber};

/// Satisfaction, 5 = best. Drivers of pads that count the other way (1 = best, as the bank
/// device specification does) turn the code around before it gets here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Score(#[schemars(range(min = 1, max = 5))] u8);

impl Score {
    /// `None` outside 1..=5.
    #[must_use]
    pub fn new(value: u8) -> Option<Self> {
        (1..=5).contains(&value).then_some(Self(value))
    }

    #[must_use]
    pub fn value(self) -> u8 {
        self.0
    }

    /// 0 for the worst score, 4 for the best.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0 - 1)
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Unsigned(value.into()),
                &"a score from 1 to 5, 5 = best",
            )
        })
    }
}

/// `rating.given`. A pad normally says only the score; the hall knows its counter, and with it
/// the ticket and the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    pub score: Score,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who served, where the pad is told; the hall knows it by the counter, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffId>,
    /// What the pad itself said, before its scale was turned around; kept for whoever doubts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl Rating {
    /// A score and nothing else.
    #[must_use]
    pub fn of(score: Score) -> Self {
        Self {
            score,
            counter: None,
            ticket: None,
            reason: None,
            staff: None,
            raw: None,
        }
    }
}
