//! One lane at the hall: what was given, sent, taken and settled.
//!
//! ```text
//!   born ≤ settled ≤ verified ≤ sent ≤ given
//! ```
//! Rows up to `settled` may be deleted here. `verified` is as far as every single batch was answered
//! as taken, in order and without a hole; an answer to a later batch alone settles nothing, because
//! the one before it may have met other rows under the same numbers.

use std::collections::BTreeMap;

use zhiban_vocabulary::envelope::{Claim, Epoch, Lane, RefusedItem};

use crate::courier::{Rupture, Ticket};

/// Where a lane stands on the hall's disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineStanding {
    /// The last number settled before the epoch.
    pub born: u64,
    /// What the centre had when the epoch began, and in which epoch it was settled.
    pub claim: u64,
    pub parent: Option<Epoch>,
    /// The last number settled.
    pub settled: u64,
    /// The last number given.
    pub given: u64,
}

impl LineStanding {
    /// Where the lane stands when an epoch follows on `ended`. `kept_from` is the oldest row that
    /// is still here.
    #[must_use]
    pub fn renewed(
        mut self,
        lane: Lane,
        ended: Epoch,
        rupture: Option<Rupture>,
        kept_from: u64,
    ) -> Self {
        match rupture {
            Some(Rupture::CentreLost { has }) => {
                let has = has.of(lane).min(self.settled);
                if has > self.born {
                    self.parent = Some(ended);
                }
                self.claim = has;
                self.settled = self.settled.min(has.max(kept_from.saturating_sub(1)));
            }
            Some(Rupture::OtherHand { lane: of, same_to }) if of == lane => {
                self.settled = self.settled.max(same_to);
                self.claim_settled(ended);
            }
            Some(Rupture::OtherHand { .. } | Rupture::OlderCopy | Rupture::Over) | None => {
                self.claim_settled(ended);
            }
        }
        self.born = self.settled;
        self
    }

    /// An epoch in which nothing was settled leaves nothing to claim.
    fn claim_settled(&mut self, ended: Epoch) {
        if self.settled > self.born {
            (self.claim, self.parent) = (self.settled, Some(ended));
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Line {
    stands: LineStanding,
    verified: u64,
    sent: u64,
    given: u64,
    /// By ticket, which is also the order of their rows.
    flying: BTreeMap<Ticket, Flight>,
    /// The first batch that did not arrive: go back to it as soon as nothing is on its way.
    hole: Option<Ticket>,
    not_before_ms: u64,
    refused: Option<(RefusedItem, u32)>,
    /// A batch was refused as a whole: rows go one by one until one is taken.
    narrow: bool,
}

#[derive(Debug)]
struct Flight {
    first: u64,
    last: u64,
    taken: bool,
}

impl Line {
    pub(crate) fn new(stands: LineStanding) -> Self {
        Self {
            stands,
            verified: stands.settled,
            sent: stands.settled,
            given: stands.given.max(stands.settled),
            ..Self::default()
        }
    }

    /// What the centre must have, or it lost it.
    pub(crate) fn claim(&self) -> Claim {
        let LineStanding {
            born,
            settled,
            parent,
            claim,
            ..
        } = self.stands;
        Claim {
            born,
            settled: if settled > born { settled } else { claim },
            parent,
        }
    }

    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    pub(crate) fn give(&mut self, highest: u64) {
        self.given = self.given.max(highest);
    }

    /// Rows are sent after this one.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Batches whose answer is missing.
    pub(crate) fn awaited(&self) -> usize {
        self.flying.values().filter(|flight| !flight.taken).count()
    }

    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        self.flying.contains_key(&ticket)
    }

    /// When a batch may leave; `None` when there is nothing to send or no room.
    pub(crate) fn sends_at(&self, window: usize) -> Option<u64> {
        let window = if self.is_narrow() { 1 } else { window };
        let free = self.hole.is_none() && self.flying.len() < window && self.sent < self.given;
        free.then_some(self.not_before_ms)
    }

    /// Whether one batch at a time is enough: the centre may refuse it.
    fn is_narrow(&self) -> bool {
        self.narrow || self.refused.is_some()
    }

    /// How many of at most `most` rows the next batch may hold: up to the refused item, which goes
    /// alone.
    pub(crate) fn rows_max(&self, most: u32) -> u32 {
        if self.narrow {
            return 1;
        }
        let Some((item, _)) = &self.refused else {
            return most;
        };
        let before = item.seq.saturating_sub(self.sent + 1);
        u32::try_from(before).unwrap_or(most).clamp(1, most)
    }

    pub(crate) fn depart(&mut self, ticket: Ticket, last: u64) {
        let flight = Flight {
            first: self.sent + 1,
            last,
            taken: false,
        };
        self.sent = last;
        self.give(last);
        self.flying.insert(ticket, flight);
    }

    /// The disk has nothing after `sent`.
    pub(crate) fn found_nothing(&mut self) {
        self.given = self.sent;
    }

    /// A batch was answered. True when the centre took all of it.
    pub(crate) fn answer(&mut self, ticket: Ticket, committed: u64) -> bool {
        let Some(flight) = self.flying.get_mut(&ticket) else {
            return false;
        };
        if committed < flight.last {
            // Something before it is missing there.
            self.lose(ticket);
            return false;
        }
        flight.taken = true;
        self.narrow = false;
        self.verify();
        true
    }

    /// The centre took what stands before `item` and refused it.
    pub(crate) fn refuse(&mut self, ticket: Ticket, item: RefusedItem, committed: u64) {
        // A batch before it that was lost may have met other rows under the same numbers.
        let is_first = self.flying.keys().next() == Some(&ticket);
        let in_order = is_first && self.hole.is_none_or(|hole| ticket < hole);
        if in_order && item.seq > self.verified + 1 {
            self.verified = (item.seq - 1)
                .min(self.sent)
                .min(committed)
                .max(self.verified);
        }
        let again = self.refused.as_ref().filter(|(old, _)| old.seq == item.seq);
        let times = again.map_or(0, |(_, times)| *times) + 1;
        self.refused = Some((item, times));
        self.lose(ticket);
    }

    /// The centre refused a batch without saying which item.
    pub(crate) fn refuse_whole(&mut self, ticket: Ticket, reason: &str) {
        let alone = self
            .flying
            .get(&ticket)
            .filter(|flight| flight.first == flight.last);
        match alone.map(|flight| flight.first) {
            Some(seq) => {
                let reason = reason.to_owned();
                self.refuse(ticket, RefusedItem { seq, reason }, seq - 1);
            }
            None => {
                self.narrow = true;
                self.lose(ticket);
            }
        }
    }

    /// How far the centre has the same rows, when a batch met others after `same_to`. What it says
    /// counts only if every batch before it was taken.
    pub(crate) fn same_to(&self, ticket: Ticket, same_to: u64) -> u64 {
        if self.flying.keys().next() == Some(&ticket) && self.hole.is_none() {
            same_to.clamp(self.verified, self.sent)
        } else {
            self.verified
        }
    }

    pub(crate) fn lose(&mut self, ticket: Ticket) {
        if self.flying.remove(&ticket).is_some() {
            self.hole = Some(self.hole.map_or(ticket, |hole| hole.min(ticket)));
        }
        self.verify();
    }

    pub(crate) fn wait_until(&mut self, ms: u64) {
        self.not_before_ms = ms;
    }

    /// The refused item and how often, until it is set aside.
    pub(crate) fn refused(&self) -> Option<&(RefusedItem, u32)> {
        self.refused.as_ref()
    }

    pub(crate) fn forget_refused(&mut self) {
        self.refused = None;
        self.not_before_ms = 0;
    }

    /// How far the line is verified and that is not on disk yet.
    pub(crate) fn to_settle(&self) -> Option<u64> {
        (self.verified > self.stands.settled).then_some(self.verified)
    }

    pub(crate) fn settle(&mut self, upto: u64) {
        self.stands.settled = self.stands.settled.max(upto);
        if self
            .refused
            .as_ref()
            .is_some_and(|(item, _)| item.seq <= upto)
        {
            self.refused = None;
        }
    }

    fn verify(&mut self) {
        while let Some(first) = self.flying.first_entry() {
            let in_order = self.hole.is_none_or(|hole| *first.key() < hole);
            if !(first.get().taken && in_order) {
                break;
            }
            self.verified = first.remove().last;
        }
        if self.hole.is_some() && self.awaited() == 0 {
            self.flying.clear();
            self.hole = None;
            self.sent = self.verified;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiban_vocabulary::envelope::Marks;

    fn line(settled: u64, given: u64) -> Line {
        Line::new(LineStanding {
            settled,
            given,
            ..LineStanding::default()
        })
    }

    fn refusal(seq: u64) -> RefusedItem {
        let reason = "why".into();
        RefusedItem { seq, reason }
    }

    #[test]
    fn rows_are_settled_in_order_and_without_a_hole() {
        let mut line = line(10, 40);
        line.depart(Ticket(1), 20);
        line.depart(Ticket(2), 30);
        line.answer(Ticket(2), 30);
        assert_eq!(line.to_settle(), None, "the first batch was not answered");
        line.answer(Ticket(1), 30);
        assert_eq!(line.to_settle(), Some(30));
        line.settle(30);
        assert_eq!((line.to_settle(), line.sent()), (None, 30));
    }

    #[test]
    fn a_lost_batch_takes_the_line_back_to_what_was_verified() {
        let mut line = line(10, 40);
        for (ticket, last) in [(1, 20), (2, 30), (3, 40)] {
            line.depart(Ticket(ticket), last);
        }
        line.lose(Ticket(2));
        assert_eq!(line.sends_at(9), None, "two are still on their way");
        line.answer(Ticket(3), 40);
        line.answer(Ticket(1), 40);
        // The third is sent again and passed over there.
        assert_eq!((line.sent(), line.to_settle()), (20, Some(20)));
        assert_eq!(line.sends_at(9), Some(0));
    }

    #[test]
    fn a_hole_at_the_centre_is_a_lost_batch() {
        let mut line = line(10, 40);
        line.depart(Ticket(1), 20);
        line.depart(Ticket(2), 30);
        line.answer(Ticket(1), 20);
        assert!(!line.answer(Ticket(2), 20));
        assert_eq!((line.sent(), line.to_settle()), (20, Some(20)));
    }

    #[test]
    fn refusals_of_one_item_are_counted_and_what_stands_before_it_is_settled() {
        let mut line = line(0, 40);
        for ticket in 1..=2 {
            line.depart(Ticket(ticket), 20);
            line.refuse(Ticket(ticket), refusal(7), 6);
        }
        assert_eq!(
            line.refused().map(|(item, times)| (item.seq, *times)),
            Some((7, 2))
        );
        assert_eq!((line.sent(), line.to_settle()), (6, Some(6)));
        line.depart(Ticket(3), 20);
        line.refuse(Ticket(3), refusal(9), 8);
        assert_eq!(
            line.refused().map(|(_, times)| *times),
            Some(1),
            "another item"
        );
    }

    #[test]
    fn what_stands_before_a_refused_item_is_not_settled_across_a_hole() {
        let mut line = line(23, 28);
        line.depart(Ticket(1), 27);
        line.depart(Ticket(2), 28);
        line.refuse(Ticket(1), refusal(27), 26);
        // Another box gave the centre a 27 of its own meanwhile.
        line.refuse(Ticket(2), refusal(28), 27);
        assert_eq!(line.to_settle(), Some(26));
        assert_eq!(line.sent(), 26);
    }

    #[test]
    fn rows_before_a_refused_item_go_together_and_the_item_alone() {
        let mut line = line(0, 40);
        line.depart(Ticket(1), 10);
        line.depart(Ticket(2), 20);
        line.lose(Ticket(1));
        line.refuse(Ticket(2), refusal(15), 14);
        assert_eq!((line.sent(), line.rows_max(500)), (0, 14));
        line.depart(Ticket(3), 14);
        line.answer(Ticket(3), 14);
        assert_eq!((line.sent(), line.rows_max(500)), (14, 1));
    }

    #[test]
    fn an_epoch_claims_what_was_settled_in_the_last_one_that_settled_something() {
        let stands = LineStanding {
            settled: 10,
            given: 30,
            ..LineStanding::default()
        };
        let (lane, first) = (Lane::History, Epoch(1));
        let second = stands.renewed(lane, first, None, 1);
        assert_eq!(
            (second.born, second.claim, second.parent),
            (10, 10, Some(first))
        );
        let third = second.renewed(lane, Epoch(2), None, 1);
        assert_eq!(
            (third.claim, third.parent),
            (10, Some(first)),
            "2 settled nothing"
        );
        let same_to = 15;
        let other = third.renewed(
            lane,
            Epoch(3),
            Some(Rupture::OtherHand { lane, same_to }),
            1,
        );
        assert_eq!(
            (other.born, other.claim, other.parent),
            (15, 15, Some(Epoch(3)))
        );
        let has = Marks {
            live: 0,
            history: 4,
        };
        let lost = Some(Rupture::CentreLost { has });
        let back = other.renewed(lane, Epoch(4), lost, 1);
        assert_eq!(
            (back.born, back.settled, back.claim, back.parent),
            (4, 4, 4, Some(Epoch(3)))
        );
        assert_eq!(
            other.renewed(lane, Epoch(4), lost, 9).born,
            8,
            "4 to 8 are gone"
        );
    }

    #[test]
    fn a_window_is_full_and_an_empty_line_is_quiet() {
        let mut line = line(0, 40);
        line.depart(Ticket(1), 20);
        assert_eq!(line.sends_at(1), None);
        assert_eq!(line.sends_at(2), Some(0));
        line.depart(Ticket(2), 40);
        assert_eq!(line.sends_at(9), None);
        line.give(41);
        assert_eq!(line.sends_at(9), Some(0));
    }
}
