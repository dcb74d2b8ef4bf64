//! All SQL of facts.

use rusqlite::{Connection, Error, Result, Row, params};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::facts::{ClimateSums, CounterSums, Fact, FactRevision, HallSums, QueueSums};
use zhiban_vocabulary::queue::CustomerClass;
use zhiban_vocabulary::time::QuarterHour;
use zhiban_vocabulary::{CounterId, QueueId, StaffId};

use super::model::{COUNTS, CounterRow, HallDay, QueueSlot, Tally};
use super::pack;
use super::slots::{SlotSet, day_number, place, slot_number};

/// What became of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is in effect now: roll up this day.
    Changed { day: i64 },
    /// The same or a later version is there already.
    Old,
    /// It cannot be kept, and why.
    Unusable(&'static str),
}

/// Takes a fact in; of several statements about one key the highest version stays.
///
/// # Errors
/// When the database refuses.
pub fn apply(tx: &Connection, store: &StoreId, revision: &FactRevision) -> Result<Applied> {
    let day = day_number(revision.day);
    let key = Key {
        store,
        day,
        version: revision.version,
    };
    let rows = match &revision.fact {
        Fact::QueueQuarter {
            slot,
            queue,
            class,
            sums,
        } => match key.slot(*slot) {
            Ok(slot) => apply_queue(tx, &key, slot, queue, *class, sums)?,
            Err(problem) => return Ok(Applied::Unusable(problem)),
        },
        Fact::HallQuarter { slot, sums } => match key.slot(*slot) {
            Ok(slot) => apply_hall(tx, &key, slot, sums)?,
            Err(problem) => return Ok(Applied::Unusable(problem)),
        },
        Fact::CounterDay {
            counter,
            staff,
            sums,
        } => apply_counter(tx, &key, counter, staff.as_ref(), sums)?,
        Fact::ClimateQuarter { slot, device, sums } => match key.slot(*slot) {
            Ok(slot) => apply_climate(tx, &key, slot, device.as_str(), sums)?,
            Err(problem) => return Ok(Applied::Unusable(problem)),
        },
    };
    Ok(if rows > 0 {
        Applied::Changed { day }
    } else {
        Applied::Old
    })
}

/// What the keys of all kinds begin with.
struct Key<'k> {
    store: &'k StoreId,
    day: i64,
    version: u32,
}

impl Key<'_> {
    fn slot(&self, slot: QuarterHour) -> std::result::Result<i64, &'static str> {
        let number = slot_number(slot);
        if QuarterHour::containing(slot.start()) != slot {
            return Err("slot does not begin on a quarter hour");
        }
        match place(self.day, number) {
            Some(_) => Ok(number),
            None => Err("slot is not on its day in any zone"),
        }
    }
}

fn apply_queue(
    tx: &Connection,
    key: &Key<'_>,
    slot: i64,
    queue: &QueueId,
    class: CustomerClass,
    sums: &QueueSums,
) -> Result<usize> {
    let ratings = sums.ratings;
    tx.prepare_cached(
        "insert into facts_queue_quarter values
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
              ?17, ?18, ?19, ?20, ?21)
         on conflict do update set
             version = excluded.version, issued = excluded.issued, called = excluded.called,
             started = excluded.started, finished = excluded.finished,
             no_show = excluded.no_show, transferred = excluded.transferred,
             cancelled = excluded.cancelled, abandoned = excluded.abandoned,
             waiting = excluded.waiting, handling = excluded.handling,
             rating_1 = excluded.rating_1, rating_2 = excluded.rating_2,
             rating_3 = excluded.rating_3, rating_4 = excluded.rating_4,
             rating_5 = excluded.rating_5
         where excluded.version > version",
    )?
    .execute(params![
        key.store.as_str(),
        key.day,
        slot,
        queue.as_str(),
        class.as_str(),
        key.version,
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
    ])
}

fn apply_hall(tx: &Connection, key: &Key<'_>, slot: i64, sums: &HallSums) -> Result<usize> {
    tx.prepare_cached(
        "insert into facts_hall_quarter values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict do update set
             version = excluded.version, waiting_at_end = excluded.waiting_at_end,
             in_hall_at_end = excluded.in_hall_at_end,
             counters_open_at_end = excluded.counters_open_at_end
         where excluded.version > version",
    )?
    .execute(params![
        key.store.as_str(),
        key.day,
        slot,
        key.version,
        sums.waiting_at_end,
        sums.in_hall_at_end,
        sums.counters_open_at_end,
    ])
}

fn apply_counter(
    tx: &Connection,
    key: &Key<'_>,
    counter: &CounterId,
    staff: Option<&StaffId>,
    sums: &CounterSums,
) -> Result<usize> {
    let ratings = sums.ratings;
    tx.prepare_cached(
        "insert into facts_counter_day values
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         on conflict do update set
             version = excluded.version, open_s = excluded.open_s, busy_s = excluded.busy_s,
             break_s = excluded.break_s, serving_s = excluded.serving_s,
             finished = excluded.finished, no_show = excluded.no_show,
             rating_1 = excluded.rating_1, rating_2 = excluded.rating_2,
             rating_3 = excluded.rating_3, rating_4 = excluded.rating_4,
             rating_5 = excluded.rating_5
         where excluded.version > version",
    )?
    .execute(params![
        key.store.as_str(),
        key.day,
        counter.as_str(),
        staff.map_or("", StaffId::as_str),
        key.version,
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
    ])
}

fn apply_climate(
    tx: &Connection,
    key: &Key<'_>,
    slot: i64,
    device: &str,
    sums: &ClimateSums,
) -> Result<usize> {
    tx.prepare_cached(
        "insert into facts_climate_quarter values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         on conflict do update set
             version = excluded.version, measured_min = excluded.measured_min,
             in_band_min = excluded.in_band_min, samples = excluded.samples,
             temperature_sum_tenths = excluded.temperature_sum_tenths
         where excluded.version > version",
    )?
    .execute(params![
        key.store.as_str(),
        key.day,
        slot,
        device,
        key.version,
        sums.measured_min,
        sums.in_band_min,
        sums.samples,
        sums.temperature_sum_tenths,
    ])
}

const TICKETS: &str = "issued, called, started, finished, no_show, transferred, cancelled, \
    abandoned, waiting, handling, rating_1, rating_2, rating_3, rating_4, rating_5";

/// Reads the columns [`TICKETS`], which begin at `first`, into a sum.
fn add_tickets(tally: &mut Tally, row: &Row<'_>, first: usize) -> Result<()> {
    for (at, own) in tally.counts_mut().into_iter().enumerate() {
        *own += row.get::<_, u64>(first + at)?;
    }
    let histograms = first + COUNTS;
    let waiting = row.get_ref(histograms)?.as_blob()?;
    let handling = row.get_ref(histograms + 1)?.as_blob()?;
    tally
        .waiting
        .merge_packed(waiting)
        .and_then(|()| tally.handling.merge_packed(handling))
        .ok_or(Error::InvalidQuery)?;
    for (at, own) in tally.ratings.iter_mut().enumerate() {
        *own += row.get::<_, u64>(histograms + 2 + at)?;
    }
    Ok(())
}

/// Makes the roll-up of one hall and day anew from its facts, in the transaction that changed
/// them. Anew rather than by difference: it cannot drift.
///
/// # Errors
/// When the database refuses.
pub fn roll_up(tx: &Connection, store: &StoreId, day: i64) -> Result<()> {
    let mut tally = Tally::default();
    let mut issued = std::collections::BTreeMap::<u8, u32>::new();
    let sql =
        format!("select slot, {TICKETS} from facts_queue_quarter where store = ?1 and day = ?2");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query(params![store.as_str(), day])?;
    while let Some(row) = rows.next()? {
        add_tickets(&mut tally, row, 1)?;
        let in_slot: u32 = row.get(1)?;
        if let Some(place) = place(day, row.get(0)?)
            && in_slot > 0
        {
            let sum = issued.entry(place).or_default();
            *sum = sum.saturating_add(in_slot);
        }
    }
    let (measured_min, in_band_min) = tx
        .prepare_cached(
            "select coalesce(sum(measured_min), 0), coalesce(sum(in_band_min), 0)
             from facts_climate_quarter where store = ?1 and day = ?2",
        )?
        .query_row(params![store.as_str(), day], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    tally.climate_measured_min = measured_min;
    tally.climate_in_band_min = in_band_min;
    let mut slots = SlotSet::default();
    let stated = hall_slots(tx, store, day)?;
    let places = stated.iter().filter_map(|(slot, _)| place(day, *slot));
    places.for_each(|place| slots.insert(place));
    save_hall_day(
        tx,
        store,
        &HallDay {
            day,
            tally,
            slots,
            issued: issued.into_iter().collect(),
        },
    )
}

fn save_hall_day(tx: &Connection, store: &StoreId, hall_day: &HallDay) -> Result<()> {
    let tally = &hall_day.tally;
    let (counts, ratings) = (tally.counts(), tally.ratings);
    tx.prepare_cached(
        "insert or replace into facts_hall_day values
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
              ?18, ?19, ?20, ?21)",
    )?
    .execute(params![
        store.as_str(),
        hall_day.day,
        counts[0],
        counts[1],
        counts[2],
        counts[3],
        counts[4],
        counts[5],
        counts[6],
        counts[7],
        tally.waiting.packed(),
        tally.handling.packed(),
        ratings[0],
        ratings[1],
        ratings[2],
        ratings[3],
        ratings[4],
        tally.climate_measured_min,
        tally.climate_in_band_min,
        hall_day.slots.to_bytes(),
        pack::parts(0, hall_day.issued.iter().copied()),
    ])?;
    Ok(())
}

/// The roll-ups of a hall from day `from` to day `to`, both included.
///
/// # Errors
/// When the database refuses.
pub fn hall_days(
    connection: &Connection,
    store: &StoreId,
    from: i64,
    to: i64,
) -> Result<Vec<HallDay>> {
    let sql = format!(
        "select day, {TICKETS}, climate_measured_min, climate_in_band_min, slots, issued_slots
         from facts_hall_day where store = ?1 and day between ?2 and ?3"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![store.as_str(), from, to], |row| {
            let mut tally = Tally::default();
            add_tickets(&mut tally, row, 1)?;
            tally.climate_measured_min = row.get(16)?;
            tally.climate_in_band_min = row.get(17)?;
            let slots = SlotSet::from_bytes(row.get_ref(18)?.as_blob()?);
            let mut issued = Vec::new();
            pack::unpack(row.get_ref(19)?.as_blob()?, |place, count| {
                issued.push((place, count));
            });
            Ok(HallDay {
                day: row.get(0)?,
                tally,
                slots: slots.ok_or(Error::InvalidQuery)?,
                issued,
            })
        })?
        .collect()
}

/// The first day a hall has facts of.
///
/// # Errors
/// When the database refuses.
pub fn first_day(connection: &Connection, store: &StoreId) -> Result<Option<i64>> {
    connection
        .prepare_cached("select min(day) from facts_hall_day where store = ?1")?
        .query_row([store.as_str()], |row| row.get(0))
}

/// The quarter hours a hall has stated on a day, with their versions.
///
/// # Errors
/// When the database refuses.
pub fn hall_slots(connection: &Connection, store: &StoreId, day: i64) -> Result<Vec<(i64, u32)>> {
    connection
        .prepare_cached(
            "select slot, version from facts_hall_quarter where store = ?1 and day = ?2",
        )?
        .query_map(params![store.as_str(), day], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

/// All ticket facts of a hall from day `from` to day `to`, in the order of their slots.
///
/// # Errors
/// When the database refuses.
pub fn queue_slots(
    connection: &Connection,
    store: &StoreId,
    from: i64,
    to: i64,
) -> Result<Vec<QueueSlot>> {
    let sql = format!(
        "select slot, queue, version, {TICKETS} from facts_queue_quarter
         where store = ?1 and day between ?2 and ?3 order by day, slot, queue, class"
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![store.as_str(), from, to], |row| {
            let mut tally = Tally::default();
            add_tickets(&mut tally, row, 3)?;
            Ok(QueueSlot {
                slot: row.get(0)?,
                queue: row.get(1)?,
                version: row.get(2)?,
                tally,
            })
        })?
        .collect()
}

/// Counters and people of a hall on a day.
///
/// # Errors
/// When the database refuses.
pub fn counter_days(connection: &Connection, store: &StoreId, day: i64) -> Result<Vec<CounterRow>> {
    connection
        .prepare_cached(
            "select counter, staff, open_s, busy_s, break_s, serving_s, finished, no_show,
                    rating_1, rating_2, rating_3, rating_4, rating_5
             from facts_counter_day where store = ?1 and day = ?2",
        )?
        .query_map(params![store.as_str(), day], |row| {
            let staff: String = row.get(1)?;
            let sums = CounterSums {
                open_s: row.get(2)?,
                busy_s: row.get(3)?,
                break_s: row.get(4)?,
                serving_s: row.get(5)?,
                finished: row.get(6)?,
                no_show: row.get(7)?,
                ratings: [
                    row.get(8)?,
                    row.get(9)?,
                    row.get(10)?,
                    row.get(11)?,
                    row.get(12)?,
                ],
            };
            Ok(CounterRow {
                counter: row.get(0)?,
                staff: (!staff.is_empty()).then_some(staff),
                sums,
            })
        })?
        .collect()
}

/// One quarter hour of one air sensor.
#[derive(Debug, Clone)]
pub struct AirSlot {
    pub slot: i64,
    pub device: String,
    pub sums: ClimateSums,
}

/// Air of a hall from day `from` to day `to`, in the order of the slots.
///
/// # Errors
/// When the database refuses.
pub fn air_slots(
    connection: &Connection,
    store: &StoreId,
    from: i64,
    to: i64,
) -> Result<Vec<AirSlot>> {
    connection
        .prepare_cached(
            "select slot, device, measured_min, in_band_min, samples, temperature_sum_tenths
             from facts_climate_quarter
             where store = ?1 and day between ?2 and ?3 order by day, slot, device",
        )?
        .query_map(params![store.as_str(), from, to], |row| {
            Ok(AirSlot {
                slot: row.get(0)?,
                device: row.get(1)?,
                sums: ClimateSums {
                    measured_min: row.get(2)?,
                    in_band_min: row.get(3)?,
                    samples: row.get(4)?,
                    temperature_sum_tenths: row.get(5)?,
                },
            })
        })?
        .collect()
}
