use std::collections::BTreeMap;

use serde_json::value::RawValue;
use zhiban_vocabulary::envelope::{Epoch, PROTOCOL};

use super::*;

/// A disk for one store and epoch.
#[derive(Default)]
struct Memory {
    cursors: BTreeMap<Lane, Cursor>,
    digests: BTreeMap<(Lane, u64), Digest>,
    effects: Vec<String>,
    before: (u64, u64),
}

impl Ledger for Memory {
    type Error = String;

    fn cursor(&mut self, lane: Lane) -> Result<Option<Cursor>, String> {
        Ok(self.cursors.get(&lane).copied())
    }

    fn committed_in(&mut self, epoch: Epoch, _: Lane) -> Result<u64, String> {
        Ok(if epoch.0 == self.before.0 {
            self.before.1
        } else {
            0
        })
    }

    fn digest(&mut self, lane: Lane, seq: u64) -> Result<Option<Digest>, String> {
        Ok(self.digests.get(&(lane, seq)).copied())
    }

    fn keep(
        &mut self,
        lane: Lane,
        envelope: &Envelope,
        digest: Digest,
    ) -> Result<Result<(), String>, String> {
        let text = envelope.body.get();
        if text.contains("poison") {
            return Ok(Err("poison".into()));
        }
        match self.digests.insert((lane, envelope.seq), digest) {
            Some(_) => Err("had it already".into()),
            None => {
                self.effects.push(text.into());
                Ok(Ok(()))
            }
        }
    }

    fn advance(&mut self, lane: Lane, cursor: Cursor) -> Result<(), String> {
        self.cursors.insert(lane, cursor);
        self.digests
            .retain(|(of, seq), _| *of != lane || *seq >= cursor.kept_from);
        Ok(())
    }
}

fn batch(first: u64, items: &[&str]) -> Batch {
    let envelope = |(seq, text): (u64, &&str)| Envelope {
        seq,
        body: RawValue::from_string(format!("{text:?}")).unwrap(),
    };
    Batch {
        protocol: PROTOCOL,
        store: "wola".parse().unwrap(),
        epoch: Epoch(7),
        lane: Lane::History,
        claims: Claims::default(),
        envelopes: (first..).zip(items).map(envelope).collect(),
    }
}

fn taken(memory: &mut Memory, batch: &Batch) -> Taken {
    match take(memory, batch) {
        Ok(Outcome::Taken(taken)) => taken,
        other => panic!("{other:?}"),
    }
}

fn estranged(memory: &mut Memory, batch: &Batch) -> Estrangement {
    match take(memory, batch) {
        Ok(Outcome::Estranged(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_sent_twice_has_one_effect() {
    let mut memory = Memory::default();
    let first = taken(&mut memory, &batch(1, &["a", "b"]));
    let again = taken(&mut memory, &batch(1, &["a", "b", "c"]));
    assert_eq!((first.new, first.duplicates), (2, 0));
    assert_eq!((again.new, again.duplicates, again.committed), (1, 2, 3));
    assert_eq!(memory.effects, ["\"a\"", "\"b\"", "\"c\""]);
}

#[test]
fn a_gap_takes_nothing_and_tells_where_the_line_stands() {
    let mut memory = Memory::default();
    taken(&mut memory, &batch(1, &["a"]));
    let gap = taken(&mut memory, &batch(3, &["c"]));
    assert_eq!((gap.new, gap.committed), (0, 1));
}

#[test]
fn other_contents_under_a_number_take_nothing() {
    let mut memory = Memory::default();
    taken(&mut memory, &batch(1, &["a", "b", "c"]));
    let (lane, same_to) = (Lane::History, 1);
    let other = estranged(&mut memory, &batch(1, &["a", "x", "c", "d"]));
    assert_eq!(other, Estrangement::OtherHand { lane, same_to });
    assert_eq!(memory.effects.len(), 3);
}

#[test]
fn numbers_older_than_any_hall_sends_again_are_another_life() {
    let mut memory = Memory::default();
    let many = vec!["a"; 3_000];
    taken(&mut memory, &batch(1, &many));
    taken(&mut memory, &batch(3_001, &many));
    let kept = u64::try_from(memory.digests.len()).unwrap();
    assert_eq!(kept, ITEMS_KEPT);
    let (lane, same_to) = (Lane::History, 999);
    let other = estranged(&mut memory, &batch(1_000, &["a"]));
    assert_eq!(other, Estrangement::OtherHand { lane, same_to });
    assert_eq!(taken(&mut memory, &batch(1_001, &["a"])).duplicates, 1);
}

#[test]
fn a_refused_item_stops_the_batch_and_keeps_what_stands_before_it() {
    let mut memory = Memory::default();
    let stopped = taken(&mut memory, &batch(1, &["a", "poison", "c"]));
    assert_eq!((stopped.new, stopped.committed), (1, 1));
    assert_eq!(stopped.refused.map(|item| item.seq), Some(2));
    let aside = taken(&mut memory, &batch(2, &["set aside", "c"]));
    assert_eq!((aside.committed, aside.refused), (3, None));
}

fn claim(born: u64, settled: u64, parent: Option<u64>) -> Claim {
    Claim {
        born,
        settled,
        parent: parent.map(Epoch),
    }
}

#[test]
fn an_epoch_begins_where_the_one_before_ended() {
    let mut memory = Memory {
        before: (6, 520),
        ..Memory::default()
    };
    let mut begins = batch(501, &["a"]);
    begins.claims.history = claim(500, 500, Some(6));
    assert_eq!(taken(&mut memory, &begins).committed, 501);
}

#[test]
fn a_hall_that_was_told_more_than_is_here_learns_that_the_centre_lost_it() {
    let lost = |history| Estrangement::CentreLost {
        has: Marks { live: 0, history },
    };
    let mut memory = Memory::default();
    taken(&mut memory, &batch(1, &["a"]));
    let mut later = batch(5, &["e"]);
    later.claims.history = claim(0, 4, None);
    assert_eq!(estranged(&mut memory, &later), lost(1));
    // An epoch that is new here, after numbers that never came or not all.
    later.claims.history = claim(4, 4, Some(6));
    assert_eq!(estranged(&mut Memory::default(), &later), lost(0));
    let mut restored = Memory {
        before: (6, 3),
        ..Memory::default()
    };
    assert_eq!(estranged(&mut restored, &later), lost(3));
    // What another box settled under the same numbers does not count.
    let mut twin = Memory {
        before: (99, 40),
        ..Memory::default()
    };
    assert_eq!(estranged(&mut twin, &later), lost(0));
    // Once the hall claims no more, it is taken.
    later.claims.history = claim(4, 0, None);
    assert_eq!(taken(&mut restored, &later).committed, 5);
}

#[test]
fn a_heartbeat_learns_how_far_the_lanes_are_or_what_is_wrong() {
    let mut memory = Memory::default();
    taken(&mut memory, &batch(1, &["a", "b"]));
    let claims = |settled| Claims {
        live: claim(0, 0, None),
        history: claim(0, settled, None),
    };
    let marks = |history| Marks { live: 0, history };
    assert_eq!(compare(&mut memory, &claims(2)).unwrap(), Ok(marks(2)));
    let lost = Estrangement::CentreLost { has: marks(2) };
    assert_eq!(compare(&mut memory, &claims(3)).unwrap(), Err(lost));
}
