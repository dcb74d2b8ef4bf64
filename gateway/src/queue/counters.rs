//! What a counter is doing, and the seconds it spent in each state.

use jiff::Timestamp;
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::facts::CounterSums;
use zhiban_vocabulary::time::elapsed_s;
use zhiban_vocabulary::{CounterId, StaffId};

use super::model::TicketKey;

/// A counter now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CounterNow {
    pub(super) counter: CounterId,
    /// False while only a call told of it: then any state, also an older one, is news.
    pub(super) heard: bool,
    pub(super) state: CounterState,
    pub(super) since: Timestamp,
    pub(super) staff: Option<StaffId>,
    /// The ticket called to it last, ended or not.
    pub(super) ticket: Option<TicketKey>,
    /// When that ticket was called to it.
    pub(super) ticket_at: Option<Timestamp>,
}

impl CounterNow {
    /// A counter nobody has heard of yet.
    pub(super) fn unseen(counter: CounterId, at: Timestamp) -> Self {
        Self {
            counter,
            heard: false,
            state: CounterState::Closed,
            since: at,
            staff: None,
            ticket: None,
            ticket_at: None,
        }
    }

    /// A counter the close of the day closed.
    pub(super) fn closed(counter: CounterId, at: Timestamp) -> Self {
        Self {
            heard: true,
            ..Self::unseen(counter, at)
        }
    }

    /// The seconds this state adds when it ends at `until`.
    pub(super) fn spent(&self, until: Timestamp) -> CounterSums {
        let seconds = elapsed_s(self.since, until);
        let mut sums = CounterSums::default();
        match self.state {
            CounterState::Open => sums.open_s = seconds,
            CounterState::Busy => sums.busy_s = seconds,
            CounterState::Break => sums.break_s = seconds,
            CounterState::Closed => {}
        }
        sums
    }
}
