//! The hall's end of the line.
//!
//! Whoever drives it asks [`Courier::next`], does the one step it names, says how it ended, and
//! asks again. A step that could not be done (a disk that is full) is simply named again.
//!
//! ```text
//!   silent --answer--> talking          one message at a time until the centre answered once,
//!   talking --no answer--> silent       then live rows first, history in what room is left
//! ```

use std::collections::BTreeMap;

use zhiban_vocabulary::envelope::{Answer, Claims, Epoch, Estrangement, Lane, Marks, RefusedItem};

use crate::backoff::Backoff;
use crate::line::Line;
pub use crate::line::LineStanding;

/// How much may be under way, and how long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Batches of history on their way at once; live rows have half as many beside them.
    pub window: usize,
    pub rows_max: u32,
    /// A batch is about this long at least and at most: as much as the line carries in
    /// `answer_goal_ms`.
    pub bytes_min: usize,
    pub bytes_max: usize,
    pub answer_goal_ms: u64,
    pub retry_first_ms: u64,
    pub retry_max_ms: u64,
    pub beat_every_ms: u64,
    /// An item refused so often is set aside.
    pub tries_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 4,
            rows_max: 500,
            bytes_min: 8 << 10,
            bytes_max: 512 << 10,
            answer_goal_ms: 1_000,
            retry_first_ms: 500,
            retry_max_ms: 30_000,
            beat_every_ms: 60_000,
            tries_max: 3,
        }
    }
}

/// A message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// Where the outbox stands on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub epoch: Epoch,
    pub live: LineStanding,
    pub history: LineStanding,
}

impl Standing {
    #[must_use]
    pub const fn of(&self, lane: Lane) -> &LineStanding {
        match lane {
            Lane::Live => &self.live,
            Lane::History => &self.history,
        }
    }

    pub const fn of_mut(&mut self, lane: Lane) -> &mut LineStanding {
        match lane {
            Lane::Live => &mut self.live,
            Lane::History => &mut self.history,
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The rows up to here are on the centre's disk: keep the number; then [`Courier::settled`].
    Settle { lane: Lane, upto: u64 },
    /// Keep the item in the dead letters and put an [`SetAside`] under its number, in one
    /// transaction; then [`Courier::set_aside`].
    ///
    /// [`SetAside`]: zhiban_vocabulary::envelope::Item::SetAside
    SetAside { lane: Lane, item: RefusedItem },
    /// Start a new epoch, durably; then [`Courier::begun`].
    Begin(Rupture),
    /// Send a heartbeat; [`Courier::beat_departs`].
    Beat,
    /// Read rows and send them; [`Courier::departs`] or [`Courier::found_nothing`].
    Send(Cargo),
    /// Nothing to do before this time or the next event.
    Wait { until_ms: u64 },
}

/// The next batch of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cargo {
    pub lane: Lane,
    /// Rows with a higher number, oldest first; at least one, however large.
    pub after: u64,
    pub rows_max: u32,
    pub bytes_max: usize,
    pub epoch: Epoch,
    pub claims: Claims,
}

/// Why the numbers of hall and centre cannot be of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rupture {
    /// The centre has rows this hall never made: an older copy is running.
    OlderCopy,
    /// The centre has other rows under our numbers. Settle this lane up to `same_to` first.
    OtherHand { lane: Lane, same_to: u64 },
    /// Another box spoke for the hall since: an old one was put back.
    Over,
    /// The centre lost rows it had: go back to what it has.
    CentreLost { has: Marks },
}

impl Rupture {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OlderCopy => "the centre has rows this hall never made: an older copy is running",
            Self::OtherHand { .. } => {
                "the centre has other rows under the same numbers: another box has our disk"
            }
            Self::Over => "another box spoke for this hall in between",
            Self::CentreLost { .. } => "the centre has lost rows it had",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Courier {
    limits: Limits,
    backoff: Backoff,
    /// Between one rupture and the next.
    ruptures: Backoff,
    epoch: Epoch,
    live: Line,
    history: Line,
    next_ticket: u64,
    beat: Beat,
    rupture: Option<Rupture>,
    /// Whether the centre answered since the last failure.
    talking: bool,
    resume_ms: u64,
    bytes: usize,
    /// When each message left whose answer is missing.
    departed: BTreeMap<Ticket, u64>,
}

#[derive(Debug, Default)]
struct Beat {
    due_ms: u64,
    flying: Option<Ticket>,
}

impl Courier {
    /// A courier that knows nothing of the centre yet. Couriers with the same `seed` wait the
    /// same times.
    #[must_use]
    pub fn new(limits: Limits, standing: Standing, seed: u64) -> Self {
        let mut courier = Self {
            limits,
            backoff: Backoff::new(limits.retry_first_ms, limits.retry_max_ms, seed),
            ruptures: Backoff::new(limits.retry_first_ms, limits.retry_max_ms, !seed),
            epoch: standing.epoch,
            live: Line::default(),
            history: Line::default(),
            next_ticket: 1,
            beat: Beat::default(),
            rupture: None,
            talking: false,
            resume_ms: 0,
            bytes: (limits.bytes_max / 4).max(limits.bytes_min),
            departed: BTreeMap::new(),
        };
        courier.stand(standing);
        courier
    }

    fn stand(&mut self, standing: Standing) {
        self.epoch = standing.epoch;
        self.live = Line::new(standing.live);
        self.history = Line::new(standing.history);
        self.beat.flying = None;
        self.departed.clear();
    }

    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What a heartbeat says of the lanes.
    #[must_use]
    pub fn claims(&self) -> Claims {
        Claims {
            live: self.live.claim(),
            history: self.history.claim(),
        }
    }

    /// The next step at `now`.
    #[must_use]
    pub fn next(&self, now_ms: u64) -> Step {
        if let Some(rupture) = self.rupture {
            return Step::Begin(rupture);
        }
        if let Some(step) = Lane::ALL.iter().find_map(|lane| self.on_disk(*lane)) {
            return step;
        }
        if !self.has_room() {
            // Somebody answers or is given up; until then there is nothing to wait for.
            return Step::Wait { until_ms: u64::MAX };
        }
        if self.resume_ms > now_ms {
            let until_ms = self.resume_ms;
            return Step::Wait { until_ms };
        }
        let mut wake_ms = u64::MAX;
        if self.beat.flying.is_none() {
            if self.beat.due_ms <= now_ms {
                return Step::Beat;
            }
            wake_ms = self.beat.due_ms;
        }
        for lane in Lane::ALL {
            match self.line(lane).sends_at(self.window(lane)) {
                Some(at_ms) if at_ms <= now_ms => return Step::Send(self.cargo(lane)),
                Some(at_ms) => wake_ms = wake_ms.min(at_ms),
                None => {}
            }
        }
        Step::Wait { until_ms: wake_ms }
    }

    fn on_disk(&self, lane: Lane) -> Option<Step> {
        let line = self.line(lane);
        if let Some(upto) = line.to_settle() {
            return Some(Step::Settle { lane, upto });
        }
        let (item, times) = line.refused()?;
        let item = item.clone();
        (*times >= self.limits.tries_max).then_some(Step::SetAside { lane, item })
    }

    /// Until the centre answered once, one message at a time asks whether it is there.
    fn has_room(&self) -> bool {
        self.talking || self.departed.is_empty()
    }

    fn window(&self, lane: Lane) -> usize {
        match lane {
            Lane::Live => (self.limits.window / 2).max(1),
            Lane::History => self.limits.window,
        }
    }

    fn cargo(&self, lane: Lane) -> Cargo {
        let line = self.line(lane);
        Cargo {
            lane,
            after: line.sent(),
            rows_max: line.rows_max(self.limits.rows_max),
            bytes_max: self.bytes,
            epoch: self.epoch,
            claims: self.claims(),
        }
    }

    fn line(&self, lane: Lane) -> &Line {
        match lane {
            Lane::Live => &self.live,
            Lane::History => &self.history,
        }
    }

    fn line_mut(&mut self, lane: Lane) -> &mut Line {
        match lane {
            Lane::Live => &mut self.live,
            Lane::History => &mut self.history,
        }
    }

    /// Rows up to `highest` are in the outbox.
    pub fn given(&mut self, lane: Lane, highest: u64) {
        self.line_mut(lane).give(highest);
    }

    /// [`Step::Settle`] is on disk.
    pub fn settled(&mut self, lane: Lane, upto: u64) {
        self.line_mut(lane).settle(upto);
    }

    /// [`Step::SetAside`] is on disk.
    pub fn set_aside(&mut self, lane: Lane) {
        self.line_mut(lane).forget_refused();
    }

    /// [`Step::Begin`] is on disk. One after the other, they come slower and slower.
    pub fn begun(&mut self, standing: Standing, now_ms: u64) {
        self.rupture = None;
        self.stand(standing);
        self.talking = false;
        self.resume_ms = now_ms + self.ruptures.fail();
        self.beat.due_ms = self.resume_ms;
    }

    /// A heartbeat leaves.
    pub fn beat_departs(&mut self, now_ms: u64) -> Ticket {
        let ticket = self.ticket(now_ms);
        self.beat.flying = Some(ticket);
        self.beat.due_ms = now_ms + self.backoff.jittered(self.limits.beat_every_ms);
        ticket
    }

    /// A batch of `lane` leaves; `last` is the number of its last row.
    pub fn departs(&mut self, lane: Lane, last: u64, now_ms: u64) -> Ticket {
        let ticket = self.ticket(now_ms);
        self.line_mut(lane).depart(ticket, last);
        ticket
    }

    /// There is no row to send in `lane`.
    pub fn found_nothing(&mut self, lane: Lane) {
        self.line_mut(lane).found_nothing();
    }

    fn ticket(&mut self, now_ms: u64) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.departed.insert(ticket, now_ms);
        ticket
    }

    /// The centre answered.
    pub fn answered(&mut self, ticket: Ticket, answer: &Answer, now_ms: u64) {
        match answer {
            Answer::Committed {
                epoch,
                committed,
                refused,
                ..
            } if *epoch == self.epoch => {
                let Some(left_ms) = self.departed.remove(&ticket) else {
                    return;
                };
                self.heard();
                if self.lane_of(ticket).is_some() {
                    self.adapt(now_ms.saturating_sub(left_ms));
                }
                self.committed(ticket, *committed, refused.as_ref(), now_ms);
            }
            Answer::Estranged { epoch, cause } if *epoch == self.epoch => {
                if self.departed.remove(&ticket).is_some() {
                    self.rupture = Some(self.estranged(ticket, *cause));
                }
            }
            Answer::Refused { reason } if self.lane_of(ticket).is_some() => {
                self.departed.remove(&ticket);
                let pause_ms = self.backoff.jittered(self.limits.retry_first_ms);
                if let Some(lane) = self.lane_of(ticket) {
                    let line = self.line_mut(lane);
                    line.refuse_whole(ticket, reason);
                    line.wait_until(now_ms + pause_ms);
                }
            }
            Answer::Busy { retry_after_ms } if self.departed.contains_key(&ticket) => {
                let pause_ms = u64::from(*retry_after_ms).min(self.limits.retry_max_ms);
                let pause_ms = self.backoff.jittered(pause_ms);
                self.give_up(ticket, now_ms + pause_ms);
            }
            // An answer to an epoch that is over says nothing of this one.
            Answer::Committed { .. }
            | Answer::Estranged { .. }
            | Answer::Refused { .. }
            | Answer::Noted
            | Answer::Busy { .. } => {
                self.lost(ticket, now_ms);
            }
        }
    }

    fn committed(
        &mut self,
        ticket: Ticket,
        committed: Marks,
        refused: Option<&RefusedItem>,
        now_ms: u64,
    ) {
        if self.beat.flying == Some(ticket) {
            self.beat.flying = None;
        }
        let beyond = |lane: Lane| committed.of(lane) > self.line(lane).given();
        if Lane::ALL.into_iter().any(beyond) {
            self.rupture = Some(Rupture::OlderCopy);
            return;
        }
        let Some(lane) = self.lane_of(ticket) else {
            return;
        };
        match refused {
            Some(item) => {
                let pause_ms = self.backoff.jittered(self.limits.retry_first_ms);
                let line = self.line_mut(lane);
                line.refuse(ticket, item.clone(), committed.of(lane));
                line.wait_until(now_ms + pause_ms);
            }
            None => {
                let pause_ms = self.backoff.jittered(self.limits.retry_first_ms);
                let line = self.line_mut(lane);
                if !line.answer(ticket, committed.of(lane)) {
                    line.wait_until(now_ms + pause_ms);
                }
            }
        }
    }

    fn lane_of(&self, ticket: Ticket) -> Option<Lane> {
        let owns = |lane: &Lane| self.line(*lane).owns(ticket);
        Lane::ALL.into_iter().find(owns)
    }

    fn estranged(&self, ticket: Ticket, cause: Estrangement) -> Rupture {
        match cause {
            Estrangement::OtherHand { lane, same_to } => {
                let same_to = self.line(lane).same_to(ticket, same_to);
                Rupture::OtherHand { lane, same_to }
            }
            Estrangement::CentreLost { has } => Rupture::CentreLost { has },
            Estrangement::Over => Rupture::Over,
        }
    }

    /// No answer came in time, or one that says that nothing was taken.
    pub fn lost(&mut self, ticket: Ticket, now_ms: u64) {
        if !self.departed.contains_key(&ticket) {
            return;
        }
        // What is lost together is one failure.
        let resume_ms = if self.talking || self.resume_ms <= now_ms {
            now_ms + self.backoff.fail()
        } else {
            self.resume_ms
        };
        self.bytes = (self.bytes / 2).max(self.limits.bytes_min);
        self.give_up(ticket, resume_ms);
    }

    fn give_up(&mut self, ticket: Ticket, resume_ms: u64) {
        self.departed.remove(&ticket);
        self.talking = false;
        self.resume_ms = resume_ms;
        if self.beat.flying == Some(ticket) {
            self.beat.flying = None;
        }
        // The smallest message asks whether somebody is there again.
        self.beat.due_ms = self.beat.due_ms.min(resume_ms);
        if let Some(lane) = self.lane_of(ticket) {
            self.line_mut(lane).lose(ticket);
        }
    }

    fn heard(&mut self) {
        self.talking = true;
        self.resume_ms = 0;
        self.backoff.succeed();
        self.ruptures.succeed();
    }

    /// Makes batches as long as the line carries in the time aimed at.
    fn adapt(&mut self, took_ms: u64) {
        if took_ms <= self.limits.answer_goal_ms / 2 {
            self.bytes = (self.bytes * 2).min(self.limits.bytes_max);
        } else if took_ms > self.limits.answer_goal_ms {
            self.bytes = (self.bytes / 2).max(self.limits.bytes_min);
        }
    }
}

#[cfg(test)]
mod tests;
