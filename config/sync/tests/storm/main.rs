//! A storm: halls and a centre in a world made from a seed, in which the network loses, doubles,
//! delays and holds back, processes are killed, disks fail, clocks jump, backups are put in and
//! boxes are cloned. The courier and the intake are the ones the programs run.
//!
//! ```text
//! cargo test -p zhiban-sync --test storm                          200 seeds, and the sabotages
//! cargo test --release -p zhiban-sync --test storm -- --seeds 10000 [--first 1]
//! cargo test -p zhiban-sync --test storm -- --seed 17             one seed, aloud
//! ```

mod centre;
mod check;
mod hall;
mod weather;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use world::World;

/// Ways to build the parts wrongly, each of which must be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The hall's disk loses its last transactions in a crash.
    NormalSync,
    /// The centre answers before its disk has it.
    AckBeforeCommit,
    /// The centre takes the same number twice.
    NoDedupKey,
    /// The hall deletes what it sent before the centre said that it has it.
    DeleteBeforeLedger,
    /// The time of a hall's clock decides which statement holds.
    WallClock,
    /// A disk put back in time goes on under its old epoch.
    NoEpoch,
    /// A write that failed is taken for one that did not.
    SwallowedFsync,
    /// A device is answered before the hall's disk has its report.
    AckFromMemory,
}

const SABOTAGES: [Sabotage; 8] = [
    Sabotage::NormalSync,
    Sabotage::AckBeforeCommit,
    Sabotage::NoDedupKey,
    Sabotage::DeleteBeforeLedger,
    Sabotage::WallClock,
    Sabotage::NoEpoch,
    Sabotage::SwallowedFsync,
    Sabotage::AckFromMemory,
];

/// What a storm showed.
struct Outcome {
    violation: Option<String>,
    trace: u64,
    items: u64,
    store_ms: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    // A violation is a panic; it is told below, once.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = number("--seed") {
        return tell_one(seed);
    }
    let first = number("--first").unwrap_or(1);
    let seeds = number("--seeds").unwrap_or(200);
    let calm = weather_many(first, seeds) && same_seed_same_run(first) && catch_sabotages(first);
    if calm {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn storm(seed: u64, sabotage: Option<Sabotage>, aloud: bool) -> Outcome {
    let mut world = World::new(seed, sabotage, aloud);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "unknown".into())
    });
    Outcome {
        violation,
        trace: world.trace.hash,
        items: world.items,
        store_ms: world.now_ms * world.halls.len() as u64,
    }
}

fn tell_one(seed: u64) -> ExitCode {
    let outcome = storm(seed, None, true);
    println!("seed {seed}, trace {:016x}", outcome.trace);
    match outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("VIOLATION {violation}");
            ExitCode::FAILURE
        }
    }
}

fn weather_many(first: u64, seeds: u64) -> bool {
    let (mut items, mut store_ms, mut violations) = (0, 0, 0);
    for seed in first..first + seeds {
        let outcome = storm(seed, None, false);
        items += outcome.items;
        store_ms += outcome.store_ms;
        if let Some(violation) = outcome.violation {
            violations += 1;
            println!("seed {seed}: VIOLATION {violation}");
        }
    }
    let days = store_ms / 86_400_000;
    println!(
        "storm: seeds {first}..{}, {items} items, {days} store-days, {violations} violations",
        first + seeds
    );
    violations == 0
}

fn same_seed_same_run(first: u64) -> bool {
    let same = (first..first + 5)
        .all(|seed| storm(seed, None, false).trace == storm(seed, None, false).trace);
    println!("storm: the same seed gives the same run: {same}");
    same
}

fn catch_sabotages(first: u64) -> bool {
    let mut all = true;
    for sabotage in SABOTAGES {
        let caught = (first..first + 500).find_map(|seed| {
            let violation = storm(seed, Some(sabotage), false).violation?;
            Some((seed, violation))
        });
        match caught {
            Some((seed, violation)) => {
                println!("storm: {sabotage:?} caught by seed {seed}: {violation}");
            }
            None => {
                all = false;
                println!("storm: {sabotage:?} NOT CAUGHT by 500 seeds");
            }
        }
    }
    all
}
