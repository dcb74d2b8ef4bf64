//! A ticket and its way through the hall.
//!
//! ```text
//!   waiting --called--> called --started--> serving --finished--> finished
//!      ^                  |  \                 |
//!      |                  |   no-show <--------|-- (called again: back to called)
//!      +---- transferred -+--------------------+
//!   any open state --cancelled--> cancelled (not while serving)
//!   any open state --day closed--> abandoned
//! ```

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zhiban_vocabulary::queue::CustomerClass;
use zhiban_vocabulary::rating::Score;
use zhiban_vocabulary::time::{BusinessDay, elapsed_s};
use zhiban_vocabulary::{CounterId, QueueId, ServiceId, StaffId, TicketNumber};

/// Numbers are given anew each day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketKey {
    pub day: BusinessDay,
    pub number: TicketNumber,
}

/// Where a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Waiting,
    Called,
    Serving,
    Finished,
    NoShow,
    Cancelled,
    Abandoned,
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Called => "called",
            Self::Serving => "serving",
            Self::Finished => "finished",
            Self::NoShow => "no-show",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
        }
    }

    /// The customer is in the hall (F-20).
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Called | Self::Serving)
    }
}

/// How a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Finished,
    NoShow,
    Transferred,
    Cancelled,
    Abandoned,
}

/// What was odd about an event. The event is kept; the flag says how it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Came before, or without, the issue of the ticket.
    IssueMissing,
    /// The issue came after later steps.
    IssueLate,
    /// The number was issued a second time on the day; not counted.
    IssuedTwice,
    /// Begun, recalled or passed over without a call; taken as called now.
    CallMissing,
    /// Finished without a begin; the call is taken as the begin.
    StartMissing,
    StartedTwice,
    /// Called, recalled, passed over or cancelled while being served; not counted.
    WhileServing,
    /// The ticket had ended; not counted.
    AfterEnd,
    /// A no-show came after all and was called again; or a ticket abandoned at the close of the
    /// day turns out to have gone on before it.
    Reactivated,
    /// Ended by the next call at the same counter (F-21).
    EndImplied,
    /// Earlier than the step before it; lengths are taken as zero.
    TimeReversed,
    /// A second rating of one ticket; the first counts.
    RatedTwice,
}

impl Flag {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IssueMissing => "issue-missing",
            Self::IssueLate => "issue-late",
            Self::IssuedTwice => "issued-twice",
            Self::CallMissing => "call-missing",
            Self::StartMissing => "start-missing",
            Self::StartedTwice => "started-twice",
            Self::WhileServing => "while-serving",
            Self::AfterEnd => "after-end",
            Self::Reactivated => "reactivated",
            Self::EndImplied => "end-implied",
            Self::TimeReversed => "time-reversed",
            Self::RatedTwice => "rated-twice",
        }
    }
}

/// One stay in one queue and what came of it; a transfer starts the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leg {
    /// Absent while the issue has not been seen.
    pub queue: Option<QueueId>,
    pub service: Option<ServiceId>,
    /// Issue, or transfer into this queue.
    pub waiting_since: Option<Timestamp>,
    pub called_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub counter: Option<CounterId>,
    pub staff: Option<StaffId>,
    pub outcome: Option<Outcome>,
}

impl Leg {
    #[must_use]
    pub fn state(&self) -> State {
        match self.outcome {
            Some(Outcome::Finished) => State::Finished,
            Some(Outcome::NoShow) => State::NoShow,
            Some(Outcome::Cancelled) => State::Cancelled,
            Some(Outcome::Abandoned) => State::Abandoned,
            // A transferred leg is never the last one.
            Some(Outcome::Transferred) | None if self.started_at.is_some() => State::Serving,
            Some(Outcome::Transferred) | None if self.called_at.is_some() => State::Called,
            Some(Outcome::Transferred) | None => State::Waiting,
        }
    }

    /// Seconds from issue to begin (F-21); `None` until both are known.
    #[must_use]
    pub fn waiting_s(&self) -> Option<u32> {
        Some(elapsed_s(self.waiting_since?, self.started_at?))
    }

    /// Seconds from begin to end (F-21), of services that were finished.
    #[must_use]
    pub fn handling_s(&self) -> Option<u32> {
        let finished = self.outcome == Some(Outcome::Finished);
        finished.then_some(elapsed_s(self.started_at?, self.ended_at?))
    }

    pub(super) fn last_time(&self) -> Option<Timestamp> {
        self.waiting_since
            .max(self.called_at)
            .max(self.started_at)
            .max(self.ended_at)
    }
}

/// A rating bound to a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRating {
    pub score: Score,
    pub at: Timestamp,
    /// The leg that was rated, counted from 0.
    pub leg: usize,
}

/// A ticket as the events seen so far make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub class: CustomerClass,
    /// Never empty.
    pub legs: Vec<Leg>,
    /// Calls and recalls.
    pub calls: u32,
    pub flags: BTreeSet<Flag>,
    pub rating: Option<TicketRating>,
}

impl Ticket {
    /// A ticket of which nothing is known yet.
    pub(super) fn unseen() -> Self {
        Self {
            class: CustomerClass::default(),
            legs: vec![Leg::default()],
            calls: 0,
            flags: BTreeSet::new(),
            rating: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.leg().state()
    }

    /// The leg it is on, or ended with.
    #[must_use]
    pub fn leg(&self) -> &Leg {
        self.legs.last().expect("a ticket has at least one leg")
    }

    pub(super) fn leg_mut(&mut self) -> &mut Leg {
        self.legs.last_mut().expect("a ticket has at least one leg")
    }

    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.legs.first().and_then(|leg| leg.waiting_since)
    }
}
