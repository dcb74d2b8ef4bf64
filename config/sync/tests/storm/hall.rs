//! A hall of the storm: a disk with transactions, a process that comes and goes, and the real
//! courier.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use zhiban_sync::courier::{Cargo, LineStanding, Rupture, Standing, Ticket};
use zhiban_sync::{Courier, Limits, Step};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::{Batch, Envelope, Epoch, Lane, PROTOCOL, RefusedItem};

use crate::Sabotage;
use crate::centre::Message;

/// What an item of the storm says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Matter {
    /// Never given twice in a run.
    pub(crate) id: u64,
    pub(crate) key: u32,
    pub(crate) version: u64,
    pub(crate) value: u64,
    /// The hall's wall clock, which jumps.
    pub(crate) clock_ms: u64,
    /// The centre can never keep it.
    pub(crate) poison: bool,
    /// An older centre cannot keep it.
    pub(crate) novel: bool,
}

/// Everything a hall has on disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) stands: Standing,
    pub(crate) outbox: BTreeMap<(Lane, u64), Row>,
    pub(crate) letters: Vec<(Lane, Matter)>,
    /// By key: what holds now.
    pub(crate) facts: BTreeMap<u32, Matter>,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) matter: Option<Matter>,
    body: String,
}

/// What was acknowledged to the hall's devices and not lost with a disk: lane, and whether it is
/// poison.
pub(crate) type Accepted = BTreeMap<u64, (Lane, bool)>;

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) run: u64,
    pub(crate) courier: Courier,
    pub(crate) wake_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Hall {
    pub(crate) store: usize,
    pub(crate) disk: Disk,
    pub(crate) backup: Option<(Disk, Accepted)>,
    /// The disk as it was some transactions ago, for one that does not keep its word (sabotage).
    stale: Option<Disk>,
    /// Acknowledged and not yet on disk (sabotage).
    memory: Vec<(Lane, Matter)>,
    pub(crate) process: Option<Process>,
    pub(crate) full_until_ms: u64,
    pub(crate) clock_jump_ms: i64,
    /// Facts stated since the disk last went back in time.
    pub(crate) stated: BTreeSet<u32>,
    pub(crate) accepted: Accepted,
    /// Sends since the last answer, to see that nobody hammers.
    pub(crate) unanswered: u32,
}

impl Disk {
    fn new(epoch: Epoch) -> Self {
        let (live, history) = (LineStanding::default(), LineStanding::default());
        Self {
            stands: Standing {
                epoch,
                live,
                history,
            },
            outbox: BTreeMap::new(),
            letters: Vec::new(),
            facts: BTreeMap::new(),
        }
    }

    /// States what holds, in the transaction that changes it.
    fn state(&mut self, lane: Lane, matter: Matter) {
        let line = self.stands.of_mut(lane);
        line.given += 1;
        let seq = line.given;
        let body = serde_json::to_string(&matter).expect("plain fields");
        if lane == Lane::History {
            self.facts.insert(matter.key, matter.clone());
        }
        let matter = Some(matter);
        self.outbox.insert((lane, seq), Row { matter, body });
    }

    /// Rows the centre does not have yet.
    pub(crate) fn waiting(&self) -> u64 {
        let lines = [self.stands.live, self.stands.history];
        lines.iter().map(|line| line.given - line.settled).sum()
    }

    /// Starts another life.
    pub(crate) fn renew(&mut self, epoch: Epoch, rupture: Option<Rupture>) {
        let ended = self.stands.epoch;
        for lane in Lane::ALL {
            let line = self.stands.of_mut(lane);
            *line = line.renewed(lane, ended, rupture, 1);
        }
        self.stands.epoch = epoch;
    }

    /// The rows stay for weeks, in case the centre loses them.
    fn settle(&mut self, lane: Lane, upto: u64) -> Vec<Row> {
        let line = self.stands.of_mut(lane);
        let settled = line.settled;
        if upto <= settled {
            return Vec::new();
        }
        line.settled = upto;
        let rows = self.outbox.range((lane, settled + 1)..=(lane, upto));
        rows.map(|(_, row)| row.clone()).collect()
    }

    fn set_aside(&mut self, lane: Lane, item: &RefusedItem) {
        let Some(row) = self.outbox.get_mut(&(lane, item.seq)) else {
            return;
        };
        self.letters
            .extend(row.matter.take().map(|matter| (lane, matter)));
        row.body = r#"{"item":"set-aside"}"#.into();
    }

    fn begin(&mut self, rupture: Rupture, epoch: Epoch) -> Vec<Row> {
        let mut gone = Vec::new();
        if let Rupture::OtherHand { lane, same_to } = rupture {
            gone = self.settle(lane, same_to);
        }
        self.renew(epoch, Some(rupture));
        gone
    }

    /// The next rows of a lane, as many as the cargo allows.
    fn rows(&self, cargo: &Cargo) -> Vec<Envelope> {
        let mut size = 0;
        let rows = self
            .outbox
            .range((cargo.lane, cargo.after + 1)..=(cargo.lane, u64::MAX));
        rows.take(cargo.rows_max as usize)
            .take_while(|(_, row)| {
                size += row.body.len();
                size <= cargo.bytes_max || size == row.body.len()
            })
            .map(|((_, seq), row)| Envelope {
                seq: *seq,
                body: serde_json::value::RawValue::from_string(row.body.clone()).expect("is JSON"),
            })
            .collect()
    }
}

/// What a hall did in answer to [`Hall::step`].
pub(crate) enum Deed {
    Sent(Ticket, Message),
    /// It holds these rows for taken.
    Settled(Vec<Row>),
    Other,
    /// It waits until this time.
    Waits(u64),
}

impl Hall {
    pub(crate) fn new(store: usize, epoch: Epoch) -> Self {
        Self {
            store,
            disk: Disk::new(epoch),
            backup: None,
            stale: None,
            memory: Vec::new(),
            process: None,
            full_until_ms: 0,
            clock_jump_ms: 0,
            stated: BTreeSet::new(),
            accepted: Accepted::new(),
            unanswered: 0,
        }
    }

    /// A device's report: on disk, then acknowledged. A disk that fails refuses it.
    pub(crate) fn accept(
        &mut self,
        lane: Lane,
        matter: Matter,
        now_ms: u64,
        sabotage: Option<Sabotage>,
    ) {
        let fails = now_ms < self.full_until_ms;
        if fails && sabotage != Some(Sabotage::SwallowedFsync) {
            return;
        }
        self.accepted.insert(matter.id, (lane, matter.poison));
        if fails {
            return;
        }
        if sabotage == Some(Sabotage::AckFromMemory) {
            self.memory.push((lane, matter));
            return;
        }
        if sabotage == Some(Sabotage::NormalSync) && self.stale.is_none() {
            self.stale = Some(self.disk.clone());
        }
        self.state(lane, matter);
    }

    fn state(&mut self, lane: Lane, matter: Matter) {
        if lane == Lane::History {
            self.stated.insert(matter.key);
        }
        self.disk.state(lane, matter);
        let given = self.disk.stands.of(lane).given;
        if let Some(process) = &mut self.process {
            process.courier.given(lane, given);
        }
    }

    /// A person sends again what an older centre could not keep. A statement that a later one has
    /// replaced is not made again: in a later epoch it would win.
    pub(crate) fn send_again(&mut self) {
        let letters = std::mem::take(&mut self.disk.letters);
        for (lane, matter) in letters {
            let holds = self.disk.facts.get(&matter.key);
            if matter.poison {
                self.disk.letters.push((lane, matter));
            } else if lane == Lane::Live || holds.is_some_and(|now| now.id == matter.id) {
                self.state(lane, matter);
            } else {
                self.accepted.remove(&matter.id);
            }
        }
    }

    pub(crate) fn start(&mut self, run: u64, limits: Limits, seed: u64) {
        let courier = Courier::new(limits, self.disk.stands, seed);
        self.process = Some(Process {
            run,
            courier,
            wake_ms: u64::MAX,
        });
    }

    /// kill -9: what was committed stays, unless the disk lied.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.memory.clear();
        if let Some(stale) = self.stale.take() {
            self.disk = stale;
        }
    }

    /// Time passes and the disk catches up with what it promised.
    pub(crate) fn catch_up(&mut self) {
        self.stale = None;
        for (lane, matter) in std::mem::take(&mut self.memory) {
            self.state(lane, matter);
        }
    }

    /// Puts an older disk in, as a person who restores a backup; the epoch's copy outside the
    /// database differs, so it begins another.
    pub(crate) fn restore(&mut self, epoch: Epoch, sabotage: Option<Sabotage>) {
        let Some((disk, accepted)) = self.backup.clone() else {
            return;
        };
        self.crash();
        (self.disk, self.accepted) = (disk, accepted);
        if sabotage != Some(Sabotage::NoEpoch) {
            self.disk.renew(epoch, None);
        }
        self.stated.clear();
    }

    /// A second box with the same disk.
    pub(crate) fn twin(&self) -> Self {
        let mut twin = Self::new(self.store, self.disk.stands.epoch);
        twin.disk = self.disk.clone();
        twin.accepted = self.accepted.clone();
        twin
    }

    /// Does the next step. `epoch` is the one to begin if it comes to that.
    pub(crate) fn step(&mut self, now_ms: u64, epoch: Epoch, sabotage: Option<Sabotage>) -> Deed {
        let Some(process) = &mut self.process else {
            return Deed::Waits(u64::MAX);
        };
        let courier = &mut process.courier;
        let step = courier.next(now_ms);
        let writes = !matches!(step, Step::Wait { .. } | Step::Send(_));
        if writes && now_ms < self.full_until_ms {
            return Deed::Waits(now_ms + 1_000);
        }
        match step {
            Step::Settle { lane, upto } => {
                let gone = self.disk.settle(lane, upto);
                courier.settled(lane, upto);
                Deed::Settled(gone)
            }
            Step::SetAside { lane, item } => {
                self.disk.set_aside(lane, &item);
                courier.set_aside(lane);
                Deed::Other
            }
            Step::Begin(rupture) => {
                let epoch = match sabotage {
                    Some(Sabotage::NoEpoch) => self.disk.stands.epoch,
                    _ => epoch,
                };
                let gone = self.disk.begin(rupture, epoch);
                courier.begun(self.disk.stands, now_ms);
                Deed::Settled(gone)
            }
            Step::Beat => {
                let (epoch, claims) = (courier.epoch(), courier.claims());
                let ticket = courier.beat_departs(now_ms);
                self.unanswered += 1;
                Deed::Sent(ticket, Message::Beat { epoch, claims })
            }
            Step::Send(cargo) => {
                let envelopes = self.disk.rows(&cargo);
                let Some(last) = envelopes.last().map(|envelope| envelope.seq) else {
                    courier.found_nothing(cargo.lane);
                    return Deed::Other;
                };
                if sabotage == Some(Sabotage::DeleteBeforeLedger) {
                    self.disk.settle(cargo.lane, last);
                }
                let ticket = courier.departs(cargo.lane, last, now_ms);
                self.unanswered += 1;
                let store: StoreId = format!("store-{}", self.store).parse().expect("an id");
                Deed::Sent(
                    ticket,
                    Message::Batch(Batch {
                        protocol: PROTOCOL,
                        store,
                        epoch: cargo.epoch,
                        lane: cargo.lane,
                        claims: cargo.claims,
                        envelopes,
                    }),
                )
            }
            Step::Wait { until_ms } => Deed::Waits(until_ms),
        }
    }
}
