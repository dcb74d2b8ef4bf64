//! A hall with an outbox in memory.

use std::sync::Arc;

use serde_json::json;
use zhiban_gateway::federation::Member;
use zhiban_sync::courier::{Cargo, LineStanding, Standing, Step};
use zhiban_sync::seal::Purpose;
use zhiban_sync::wire::pack;
use zhiban_sync::{Courier, Limits};
use zhiban_vocabulary::envelope::{
    Answer, Batch, Envelope, Epoch, Heartbeat, Lane, PROTOCOL, Upward,
};
use zhiban_vocabulary::topics;

/// What to do, for the line.
pub(crate) enum Wish {
    /// Send this, and say what was answered.
    Send(Vec<u8>),
    Wait {
        until_ms: u64,
    },
}

pub(crate) struct Hall {
    member: Arc<Member>,
    courier: Courier,
    given: u64,
    settled: u64,
    beats: u64,
    ticket: Option<zhiban_sync::courier::Ticket>,
    /// Messages nobody answered.
    pub(crate) in_vain: u32,
}

impl Hall {
    pub(crate) fn new(member: Arc<Member>, seed: u64) -> Self {
        let epoch = Epoch(seed + 1);
        let nothing = LineStanding::default();
        let standing = Standing {
            epoch,
            live: nothing,
            history: nothing,
        };
        let mut hall = Self {
            member,
            courier: Courier::new(Limits::default(), standing, seed),
            given: 0,
            settled: 0,
            beats: 0,
            ticket: None,
            in_vain: 0,
        };
        hall.state(1);
        hall
    }

    /// States so many facts more.
    pub(crate) fn state(&mut self, facts: u64) {
        self.given += facts;
        self.courier.given(Lane::History, self.given);
    }

    pub(crate) fn key(&self) -> String {
        topics::up(&self.member.store)
    }

    pub(crate) fn is_level(&self) -> bool {
        self.settled == self.given
    }

    pub(crate) fn wish(&mut self, now_ms: u64) -> Wish {
        loop {
            match self.courier.next(now_ms) {
                Step::Settle { lane, upto } => {
                    if lane == Lane::History {
                        self.settled = upto;
                    }
                    self.courier.settled(lane, upto);
                }
                Step::Beat => {
                    self.beats += 1;
                    let message = self.beat();
                    self.ticket = Some(self.courier.beat_departs(now_ms));
                    return Wish::Send(self.seal(&message));
                }
                Step::Send(cargo) => {
                    let last = self.given.min(cargo.after + u64::from(cargo.rows_max));
                    let message = self.batch(&cargo, last);
                    self.ticket = Some(self.courier.departs(cargo.lane, last, now_ms));
                    return Wish::Send(self.seal(&message));
                }
                Step::Wait { until_ms } => return Wish::Wait { until_ms },
                other => panic!("{}: {other:?}", self.member.store),
            }
        }
    }

    pub(crate) fn hear(&mut self, answer: Option<&Answer>, now_ms: u64) {
        let ticket = self.ticket.take().expect("something is on its way");
        match answer {
            Some(answer) => self.courier.answered(ticket, answer, now_ms),
            None => {
                self.in_vain += 1;
                self.courier.lost(ticket, now_ms);
            }
        }
    }

    fn seal(&self, message: &Upward) -> Vec<u8> {
        let text = serde_json::to_vec(message).unwrap();
        self.member
            .key
            .seal(Purpose::Up, &self.member.store, &pack(&text))
    }

    fn batch(&self, cargo: &Cargo, last: u64) -> Upward {
        let envelope = |seq| Envelope {
            seq,
            body: serde_json::value::to_raw_value(&fact(seq)).unwrap(),
        };
        Upward::Batch(Batch {
            protocol: PROTOCOL,
            store: self.member.store.clone(),
            epoch: cargo.epoch,
            lane: cargo.lane,
            claims: cargo.claims,
            envelopes: (cargo.after + 1..=last).map(envelope).collect(),
        })
    }

    fn beat(&self) -> Upward {
        Upward::Heartbeat(Heartbeat {
            protocol: PROTOCOL,
            store: self.member.store.clone(),
            epoch: self.courier.epoch(),
            number: self.beats,
            claims: self.courier.claims(),
            at: zhiban_tests::harness::clock::real_now(),
            version: "0.0.0".into(),
            backlog: self.given - self.settled,
            oldest_unsent_s: None,
            live: None,
        })
    }
}

/// Two queues, quarter hour after quarter hour.
fn fact(seq: u64) -> serde_json::Value {
    let start: jiff::Timestamp = "2026-03-01T16:00:00Z".parse().unwrap();
    let nth = i64::try_from(seq).unwrap();
    let slot = start + jiff::SignedDuration::from_mins(15 * (nth % 90));
    json!({
        "item": "fact", "version": 1, "day": "2026-03-02", "fact": "queue-quarter",
        "slot": slot.to_string(), "queue": format!("Q{}", nth / 90), "class": "ordinary",
        "issued": 7, "called": 7, "started": 6, "finished": 6, "no_show": 1,
        "waiting": {"sum_s": 2_100, "buckets": [[20, 3], [24, 4]]},
        "handling": {"sum_s": 1_800, "buckets": [[18, 6]]}, "ratings": [0, 0, 1, 2, 3],
    })
}
