//! Takes facts in.

use std::collections::BTreeSet;

use zhiban_kernel::sql::{Result, Sql};
use zhiban_kernel::values;
use zhiban_vocabulary::facts::{ClimateSums, CounterSums, Fact, FactRevision, HallSums, QueueSums};
use zhiban_vocabulary::queue::CustomerClass;
use zhiban_vocabulary::time::QuarterHour;
use zhiban_vocabulary::{CounterId, QueueId, StaffId, StoreId};

use super::room::make_room;
use crate::facts::pack;
use crate::facts::slots::{day_number, place, slot_number};

/// Days that can be kept, in days since 1970: those of this century. A box whose clock is far off
/// must not make partitions for all time.
const DAYS: std::ops::RangeInclusive<i64> = 10_957..=47_481;

/// Takes a fact in and notes its day among those whose roll-up changes, or says why it cannot be
/// kept. Of several statements about one key that of the latest life stays, and within it the
/// highest version.
///
/// # Errors
/// When the database refuses.
pub fn apply(
    tx: &dyn Sql,
    store: &StoreId,
    life: u32,
    revision: &FactRevision,
    days: &mut BTreeSet<i64>,
) -> Result<std::result::Result<(), &'static str>> {
    let key = Key {
        store,
        day: day_number(revision.day),
        rank: rank(life, revision.version),
    };
    let slot = match key.slot(&revision.fact) {
        Ok(slot) => slot,
        Err(problem) => return Ok(Err(problem)),
    };
    if days.insert(key.day) {
        make_room(tx, key.day)?;
    }
    match &revision.fact {
        Fact::QueueQuarter {
            queue, class, sums, ..
        } => apply_queue(tx, &key, slot, queue, *class, sums)?,
        Fact::HallQuarter { sums, .. } => apply_hall(tx, &key, slot, sums)?,
        Fact::CounterDay {
            counter,
            staff,
            sums,
        } => apply_counter(tx, &key, counter, staff.as_ref(), sums)?,
        Fact::ClimateQuarter { device, sums, .. } => {
            apply_climate(tx, &key, slot, device.as_str(), sums)?;
        }
    }
    Ok(Ok(()))
}

/// The order of statements about one key, as the tables keep it in `version`.
const fn rank(life: u32, version: u32) -> i64 {
    (life as i64) << 32 | version as i64
}

/// The version within the hall's life.
pub(super) fn version_of(rank: i64) -> u32 {
    u32::try_from(rank & i64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// What the keys of all kinds begin with.
struct Key<'k> {
    store: &'k StoreId,
    day: i64,
    rank: i64,
}

impl Key<'_> {
    /// The number of a fact's slot (0 when it has none), or why it cannot be kept.
    fn slot(&self, fact: &Fact) -> std::result::Result<i64, &'static str> {
        if !DAYS.contains(&self.day) {
            return Err("day is not of this century");
        }
        let (Fact::QueueQuarter { slot, .. }
        | Fact::HallQuarter { slot, .. }
        | Fact::ClimateQuarter { slot, .. }) = fact
        else {
            return Ok(0);
        };
        let number = slot_number(*slot);
        if QuarterHour::containing(slot.start()) != *slot {
            return Err("slot does not begin on a quarter hour");
        }
        match place(self.day, number) {
            Some(_) => Ok(number),
            None => Err("slot is not on its day in any zone"),
        }
    }
}

fn apply_queue(
    tx: &dyn Sql,
    key: &Key<'_>,
    slot: i64,
    queue: &QueueId,
    class: CustomerClass,
    sums: &QueueSums,
) -> Result<()> {
    let ratings = sums.ratings;
    tx.post(
        "insert into facts_queue_quarter values
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
              ?17, ?18, ?19, ?20, ?21)
         on conflict (store, day, slot, queue, class) do update set
             version = excluded.version, issued = excluded.issued, called = excluded.called,
             started = excluded.started, finished = excluded.finished,
             no_show = excluded.no_show, transferred = excluded.transferred,
             cancelled = excluded.cancelled, abandoned = excluded.abandoned,
             waiting = excluded.waiting, handling = excluded.handling,
             rating_1 = excluded.rating_1, rating_2 = excluded.rating_2,
             rating_3 = excluded.rating_3, rating_4 = excluded.rating_4,
             rating_5 = excluded.rating_5
         where excluded.version > facts_queue_quarter.version",
        values![
            key.store.as_str(),
            key.day,
            slot,
            queue.as_str(),
            class.as_str(),
            key.rank,
            sums.issued,
            sums.called,
            sums.started,
            sums.finished,
            sums.no_show,
            sums.transferred,
            sums.cancelled,
            sums.abandoned,
            pack::histogram(&sums.waiting),
            pack::histogram(&sums.handling),
            ratings[0],
            ratings[1],
            ratings[2],
            ratings[3],
            ratings[4],
        ],
    )
}

fn apply_hall(tx: &dyn Sql, key: &Key<'_>, slot: i64, sums: &HallSums) -> Result<()> {
    tx.post(
        "insert into facts_hall_quarter values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (store, day, slot) do update set
             version = excluded.version, waiting_at_end = excluded.waiting_at_end,
             in_hall_at_end = excluded.in_hall_at_end,
             counters_open_at_end = excluded.counters_open_at_end
         where excluded.version > facts_hall_quarter.version",
        values![
            key.store.as_str(),
            key.day,
            slot,
            key.rank,
            sums.waiting_at_end,
            sums.in_hall_at_end,
            sums.counters_open_at_end,
        ],
    )
}

fn apply_counter(
    tx: &dyn Sql,
    key: &Key<'_>,
    counter: &CounterId,
    staff: Option<&StaffId>,
    sums: &CounterSums,
) -> Result<()> {
    let ratings = sums.ratings;
    tx.post(
        "insert into facts_counter_day values
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         on conflict (store, day, counter, staff) do update set
             version = excluded.version, open_s = excluded.open_s, busy_s = excluded.busy_s,
             break_s = excluded.break_s, serving_s = excluded.serving_s,
             finished = excluded.finished, no_show = excluded.no_show,
             rating_1 = excluded.rating_1, rating_2 = excluded.rating_2,
             rating_3 = excluded.rating_3, rating_4 = excluded.rating_4,
             rating_5 = excluded.rating_5
         where excluded.version > facts_counter_day.version",
        values![
            key.store.as_str(),
            key.day,
            counter.as_str(),
            staff.map_or("", StaffId::as_str),
            key.rank,
            sums.open_s,
            sums.busy_s,
            sums.break_s,
            sums.serving_s,
            sums.finished,
            sums.no_show,
            ratings[0],
            ratings[1],
            ratings[2],
            ratings[3],
            ratings[4],
        ],
    )
}

fn apply_climate(
    tx: &dyn Sql,
    key: &Key<'_>,
    slot: i64,
    device: &str,
    sums: &ClimateSums,
) -> Result<()> {
    tx.post(
        "insert into facts_climate_quarter values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         on conflict (store, day, slot, device) do update set
             version = excluded.version, measured_min = excluded.measured_min,
             in_band_min = excluded.in_band_min, samples = excluded.samples,
             temperature_sum_tenths = excluded.temperature_sum_tenths
         where excluded.version > facts_climate_quarter.version",
        values![
            key.store.as_str(),
            key.day,
            slot,
            device,
            key.rank,
            sums.measured_min,
            sums.in_band_min,
            sums.samples,
            sums.temperature_sum_tenths,
        ],
    )
}
