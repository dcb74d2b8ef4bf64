//! The centre of the storm: a disk that keeps what was committed, and the real rules of intake.

use std::collections::{BTreeMap, BTreeSet};

use zhiban_sync::intake::{self, Cursor, Digest, Ledger, Outcome};
use zhiban_vocabulary::envelope::{
    Answer, Batch, Claims, Envelope, Epoch, Estrangement, Lane, Marks,
};

use crate::Sabotage;
use crate::hall::Matter;

/// What the centre has of one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreDisk {
    /// Epochs in the order they were first heard of.
    pub(crate) lives: Vec<Epoch>,
    newest_since_ms: u64,
    newest_heard_ms: u64,
    cursors: BTreeMap<(Epoch, Lane), Cursor>,
    digests: BTreeMap<(Epoch, Lane, u64), Digest>,
    /// By key: what wins, and what it says.
    pub(crate) facts: BTreeMap<u32, (u64, u64)>,
    /// Live events by their own id.
    pub(crate) events: BTreeSet<u64>,
    /// How often each matter was brought into effect, whatever number it had.
    pub(crate) effects: BTreeMap<u64, u32>,
    /// Refusals of each item.
    pub(crate) letters: BTreeMap<u64, u32>,
    pub(crate) aside: u64,
    pub(crate) twin: bool,
}

/// A message from a hall.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Batch(Batch),
    Beat { epoch: Epoch, claims: Claims },
}

impl Message {
    /// The first and last number, or none.
    pub(crate) fn span(&self) -> (u64, u64) {
        let Self::Batch(batch) = self else {
            return (0, 0);
        };
        let seq = |envelope: Option<&Envelope>| envelope.map_or(0, |envelope| envelope.seq);
        (seq(batch.envelopes.first()), seq(batch.envelopes.last()))
    }

    pub(crate) fn brief(&self) -> String {
        let (first, last) = self.span();
        match self {
            Self::Batch(batch) => format!("{:?} {first}..={last} of {:?}", batch.lane, batch.epoch),
            Self::Beat { epoch, claims } => format!("a beat of {epoch:?}, {claims:?}"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Centre {
    pub(crate) stores: BTreeMap<usize, StoreDisk>,
    /// What a crash leaves when the disk does not keep its word (sabotage).
    durable: BTreeMap<usize, StoreDisk>,
    pub(crate) backup: BTreeMap<usize, StoreDisk>,
    pub(crate) up: bool,
    /// Until then this version refuses what a later one reads.
    pub(crate) old_until_ms: u64,
}

impl Centre {
    /// Takes a message and commits. `None`: the database fails, nothing is answered.
    pub(crate) fn receive(
        &mut self,
        store: usize,
        message: &Message,
        now_ms: u64,
        sabotage: Option<Sabotage>,
    ) -> Answer {
        let old = now_ms < self.old_until_ms;
        let disk = self.stores.entry(store).or_default();
        let epoch = match message {
            Message::Batch(batch) => batch.epoch,
            Message::Beat { epoch, .. } => *epoch,
        };
        if !disk.hear(epoch, now_ms) {
            let cause = Estrangement::Over;
            return Answer::Estranged { epoch, cause };
        }
        let mut ledger = Book {
            disk,
            epoch,
            old,
            sabotage,
        };
        let (cause, refused) = match message {
            Message::Batch(batch) => {
                ledger.before(batch);
                match intake::take(&mut ledger, batch) {
                    Ok(Outcome::Taken(taken)) => (None, taken.refused),
                    Ok(Outcome::Estranged(cause)) => (Some(cause), None),
                    Err(never) => match never {},
                }
            }
            Message::Beat { claims, .. } => match intake::compare(&mut ledger, claims) {
                Ok(answer) => (answer.err(), None),
                Err(never) => match never {},
            },
        };
        if let Some(cause) = cause {
            return Answer::Estranged { epoch, cause };
        }
        Answer::Committed {
            epoch,
            committed: disk.marks(epoch),
            refused,
            twin: disk.twin,
            beat: 0,
        }
    }

    /// What is on disk now survives a crash; with an honest disk that is everything.
    pub(crate) fn sync(&mut self) {
        self.durable.clone_from(&self.stores);
    }

    pub(crate) fn crash(&mut self, sabotage: Option<Sabotage>) {
        self.up = false;
        if sabotage == Some(Sabotage::AckBeforeCommit) {
            self.stores.clone_from(&self.durable);
        }
    }
}

impl StoreDisk {
    /// False for an epoch that is over.
    fn hear(&mut self, epoch: Epoch, now_ms: u64) -> bool {
        if !self.lives.contains(&epoch) {
            self.lives.push(epoch);
            self.newest_since_ms = now_ms;
        } else if self.lives.last() != Some(&epoch) {
            if intake::is_over(self.newest_heard_ms, now_ms) {
                return false;
            }
            self.twin |= intake::is_twin(self.newest_since_ms, now_ms);
            return true;
        }
        self.newest_heard_ms = now_ms;
        true
    }

    fn marks(&self, epoch: Epoch) -> Marks {
        let mut marks = Marks::default();
        for lane in Lane::ALL {
            let cursor = self.cursors.get(&(epoch, lane));
            marks.set(lane, cursor.map_or(0, |cursor| cursor.committed));
        }
        marks
    }
}

struct Book<'d> {
    disk: &'d mut StoreDisk,
    epoch: Epoch,
    old: bool,
    sabotage: Option<Sabotage>,
}

impl Book<'_> {
    /// A centre without a unique key takes every batch for a new one.
    fn before(&mut self, batch: &Batch) {
        if self.sabotage == Some(Sabotage::NoDedupKey)
            && let Some(first) = batch.envelopes.first()
        {
            let (committed, kept_from) = (first.seq - 1, first.seq);
            let cursor = Cursor {
                committed,
                kept_from,
            };
            self.disk.cursors.insert((self.epoch, batch.lane), cursor);
        }
    }

    /// The order of statements about one key.
    fn rank(&self, matter: &Matter) -> u64 {
        if self.sabotage == Some(Sabotage::WallClock) {
            return matter.clock_ms;
        }
        let life = self.disk.lives.iter().position(|life| *life == self.epoch);
        (life.unwrap_or(0) as u64 + 1) << 32 | matter.version
    }
}

impl Ledger for Book<'_> {
    type Error = std::convert::Infallible;

    fn cursor(&mut self, lane: Lane) -> Result<Option<Cursor>, Self::Error> {
        Ok(self.disk.cursors.get(&(self.epoch, lane)).copied())
    }

    fn committed_in(&mut self, epoch: Epoch, lane: Lane) -> Result<u64, Self::Error> {
        let cursor = self.disk.cursors.get(&(epoch, lane));
        Ok(cursor.map_or(0, |cursor| cursor.committed))
    }

    fn digest(&mut self, lane: Lane, seq: u64) -> Result<Option<Digest>, Self::Error> {
        Ok(self.disk.digests.get(&(self.epoch, lane, seq)).copied())
    }

    fn keep(
        &mut self,
        lane: Lane,
        envelope: &Envelope,
        digest: Digest,
    ) -> Result<Result<(), String>, Self::Error> {
        let Ok(matter) = serde_json::from_str::<Matter>(envelope.body.get()) else {
            // What stands in the place of an item set aside.
            self.disk.aside += 1;
            self.disk
                .digests
                .insert((self.epoch, lane, envelope.seq), digest);
            return Ok(Ok(()));
        };
        if matter.poison || (matter.novel && self.old) {
            *self.disk.letters.entry(matter.id).or_default() += 1;
            return Ok(Err("cannot be read".into()));
        }
        let before = self
            .disk
            .digests
            .insert((self.epoch, lane, envelope.seq), digest);
        assert!(
            before.is_none() || self.sabotage.is_some(),
            "number {} of {lane:?} was kept twice",
            envelope.seq
        );
        *self.disk.effects.entry(matter.id).or_default() += 1;
        match lane {
            Lane::Live => {
                self.disk.events.insert(matter.id);
            }
            Lane::History => {
                let rank = self.rank(&matter);
                let kept = self.disk.facts.entry(matter.key).or_default();
                if rank > kept.0 {
                    *kept = (rank, matter.value);
                }
            }
        }
        Ok(Ok(()))
    }

    fn advance(&mut self, lane: Lane, cursor: Cursor) -> Result<(), Self::Error> {
        self.disk.cursors.insert((self.epoch, lane), cursor);
        let of = |seq| (self.epoch, lane, seq);
        let forgotten: Vec<_> = self
            .disk
            .digests
            .range(of(0)..of(cursor.kept_from))
            .map(|(key, _)| *key)
            .collect();
        for key in forgotten {
            self.disk.digests.remove(&key);
        }
        Ok(())
    }
}
