//! Facts: additive sums with fixed keys, the only numbers that leave a hall (design §6).
//!
//! A fact is stated whole each time; `version` grows with every restatement and the highest wins.

use jiff::civil::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::histogram::DurationHistogram;
use crate::queue::CustomerClass;
use crate::rating::Score;
use crate::time::{BusinessDay, QuarterHour};
use crate::{CounterId, DeviceId, QueueId, StaffId};

/// One statement about one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactRevision {
    /// 1 for the first statement.
    pub version: u32,
    /// The hall's business day the fact belongs to.
    pub day: BusinessDay,
    #[serde(flatten)]
    pub fact: Fact,
}

/// All kinds of fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// Tickets per quarter hour, queue and customer class.
    QueueQuarter {
        slot: QuarterHour,
        queue: QueueId,
        class: CustomerClass,
        #[serde(flatten)]
        sums: QueueSums,
    },
    /// The hall watched this quarter hour to its end. Stated for every quarter hour in opening
    /// hours, also when nothing happened: its absence is what makes missing data visible.
    HallQuarter {
        slot: QuarterHour,
        #[serde(flatten)]
        sums: HallSums,
    },
    /// One counter and the person at it over a day.
    CounterDay {
        counter: CounterId,
        /// Absent for time nobody was signed on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<StaffId>,
        #[serde(flatten)]
        sums: CounterSums,
    },
    /// Air per quarter hour and sensor (F-32).
    ClimateQuarter {
        slot: QuarterHour,
        device: DeviceId,
        #[serde(flatten)]
        sums: ClimateSums,
    },
}

/// Sums of tickets. Each counts at the time its event happened, so a ticket issued at 08:14 and
/// started at 08:16 is in two slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QueueSums {
    /// Tickets taken from the machine; a transfer is not a new ticket.
    pub issued: u32,
    /// First calls; recalls are not counted.
    pub called: u32,
    pub started: u32,
    pub finished: u32,
    pub no_show: u32,
    pub transferred: u32,
    pub cancelled: u32,
    /// Still open when the day closed.
    pub abandoned: u32,
    /// Issue (or transfer) to begin, at the begin (F-21).
    pub waiting: DurationHistogram,
    /// Begin to end, at the end (F-21).
    pub handling: DurationHistogram,
    /// Ratings by score, worst first.
    pub ratings: [u32; 5],
}

impl QueueSums {
    fn counts(&mut self) -> [&mut u32; 8] {
        [
            &mut self.issued,
            &mut self.called,
            &mut self.started,
            &mut self.finished,
            &mut self.no_show,
            &mut self.transferred,
            &mut self.cancelled,
            &mut self.abandoned,
        ]
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        for (own, more) in self.counts().into_iter().zip(other.counts()) {
            *own += *more;
        }
        for (own, more) in self.ratings.iter_mut().zip(other.ratings) {
            *own += more;
        }
        self.waiting.merge(&other.waiting);
        self.handling.merge(&other.handling);
    }

    /// Takes away what was merged before, saturating at zero.
    pub fn unmerge(&mut self, other: &Self) {
        let mut other = other.clone();
        for (own, less) in self.counts().into_iter().zip(other.counts()) {
            *own = own.saturating_sub(*less);
        }
        for (own, less) in self.ratings.iter_mut().zip(other.ratings) {
            *own = own.saturating_sub(less);
        }
        self.waiting.unmerge(&other.waiting);
        self.handling.unmerge(&other.handling);
    }

    pub fn rate(&mut self, score: Score) {
        self.ratings[score.index()] += 1;
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Tickets somebody rated.
    #[must_use]
    pub fn rated(&self) -> u32 {
        self.ratings.iter().sum()
    }
}

/// State of the hall over a quarter hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HallSums {
    /// Waiting at the end of the slot (F-20).
    pub waiting_at_end: u32,
    /// In the hall at the end of the slot (F-20).
    pub in_hall_at_end: u32,
    /// Counters open at the end of the slot.
    pub counters_open_at_end: u32,
}

/// Sums of one counter and person over a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CounterSums {
    /// Seconds in state open, serving or not.
    pub open_s: u32,
    pub busy_s: u32,
    pub break_s: u32,
    /// Seconds from begin to end of tickets finished or transferred here.
    pub serving_s: u32,
    pub finished: u32,
    pub no_show: u32,
    pub ratings: [u32; 5],
}

impl CounterSums {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Sums of air samples over a quarter hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClimateSums {
    /// Minutes of opening time with at least one sample, in steps of 5.
    pub measured_min: u32,
    /// Of these, minutes with a 5-minute mean inside the band.
    pub in_band_min: u32,
    pub samples: u32,
    /// Sum of the temperatures in tenths of a degree Celsius.
    pub temperature_sum_tenths: i64,
}

/// What the centre must know of a hall to read its facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HallProfile {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Grade (等级), such as `A`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// IANA name, such as `Asia/Shanghai`.
    pub time_zone: String,
    #[schemars(with = "String")]
    pub opens: Time,
    #[schemars(with = "String")]
    pub closes: Time,
    /// Queue id to readable name.
    pub queues: Vec<(QueueId, String)>,
}
