//! The roll-up by hall and day.

use std::collections::HashMap;

use zhiban_kernel::sql::{Result, Row, Sql, damaged};
use zhiban_kernel::values;
use zhiban_vocabulary::StoreId;

use super::read::{TICKETS, add_tickets, hall_slots};
use crate::facts::model::{DayLine, HallDay, Tally};
use crate::facts::pack;
use crate::facts::slots::{SlotSet, place};

/// Makes the roll-up of one hall and day anew from its facts, in the transaction that changed
/// them. Anew rather than by difference: it cannot drift.
///
/// # Errors
/// When the database refuses.
pub fn roll_up(tx: &dyn Sql, store: &StoreId, day: i64) -> Result<()> {
    let mut tally = Tally::default();
    let mut issued = std::collections::BTreeMap::<u8, u32>::new();
    let query =
        format!("select slot, {TICKETS} from facts_queue_quarter where store = ?1 and day = ?2");
    tx.each(&query, values![store.as_str(), day], &mut |row| {
        add_tickets(&mut tally, row, 1)?;
        let in_slot: u32 = row.get(1)?;
        if let Some(place) = place(day, row.get(0)?)
            && in_slot > 0
        {
            let sum = issued.entry(place).or_default();
            *sum = sum.saturating_add(in_slot);
        }
        Ok(())
    })?;
    (tally.climate_measured_min, tally.climate_in_band_min) = tx.one(
        "select cast(coalesce(sum(measured_min), 0) as bigint),
                cast(coalesce(sum(in_band_min), 0) as bigint)
         from facts_climate_quarter where store = ?1 and day = ?2",
        values![store.as_str(), day],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
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

fn save_hall_day(tx: &dyn Sql, store: &StoreId, hall_day: &HallDay) -> Result<()> {
    let tally = &hall_day.tally;
    let (counts, ratings) = (tally.counts(), tally.ratings);
    tx.post(
        "insert into facts_hall_day values
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
              ?18, ?19, ?20, ?21)
         on conflict (store, day) do update set
             issued = excluded.issued, called = excluded.called, started = excluded.started,
             finished = excluded.finished, no_show = excluded.no_show,
             transferred = excluded.transferred, cancelled = excluded.cancelled,
             abandoned = excluded.abandoned, waiting = excluded.waiting,
             handling = excluded.handling,
             rating_1 = excluded.rating_1, rating_2 = excluded.rating_2,
             rating_3 = excluded.rating_3, rating_4 = excluded.rating_4,
             rating_5 = excluded.rating_5,
             climate_measured_min = excluded.climate_measured_min,
             climate_in_band_min = excluded.climate_in_band_min,
             slots = excluded.slots, issued_slots = excluded.issued_slots",
        values![
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
        ],
    )
}

/// The roll-ups of a hall from day `from` to day `to`, both included.
///
/// # Errors
/// When the database refuses.
pub fn hall_days(sql: &dyn Sql, store: &StoreId, from: i64, to: i64) -> Result<Vec<HallDay>> {
    let mut days = Vec::new();
    each_day(sql, store, from, to, &mut |row, line| {
        let mut tally = Tally::default();
        add_day(&mut tally, row)?;
        days.push(HallDay {
            day: line.day,
            tally,
            slots: line.slots,
            issued: line.issued,
        });
        Ok(())
    })?;
    Ok(days)
}

/// A hall over a period: one sum, and what is still told day by day.
#[derive(Debug, Clone, Default)]
pub struct HallPeriod {
    /// Absent when nothing was received.
    pub tally: Option<Tally>,
    pub days: Vec<DayLine>,
}

impl HallPeriod {
    fn add(&mut self, row: &dyn Row, line: DayLine) -> Result<()> {
        add_day(self.tally.get_or_insert_default(), row)?;
        self.days.push(line);
        Ok(())
    }
}

/// As [`hall_days`], added up on the way.
///
/// # Errors
/// When the database refuses.
pub fn hall_period(sql: &dyn Sql, store: &StoreId, from: i64, to: i64) -> Result<HallPeriod> {
    let mut period = HallPeriod::default();
    each_day(sql, store, from, to, &mut |row, line| period.add(row, line))?;
    Ok(period)
}

/// As [`hall_period`], of all halls that have sent something, in one query.
///
/// # Errors
/// When the database refuses.
pub fn all_periods(sql: &dyn Sql, from: i64, to: i64) -> Result<HashMap<String, HallPeriod>> {
    // SQLite seeks each hall's days, PostgreSQL reads the partitions of these months.
    let query = format!(
        "{HALL_DAY}, h.store from stores_store s join facts_hall_day h on h.store = s.store
         where h.day between ?1 and ?2 order by s.store, h.day"
    );
    let mut all = HashMap::<String, HallPeriod>::new();
    sql.each(&query, values![from, to], &mut |row| {
        let (store, line) = (row.get::<&str>(STORE)?, read_line(row)?);
        match all.get_mut(store) {
            Some(period) => period.add(row, line),
            None => all.entry(store.to_owned()).or_default().add(row, line),
        }
    })?;
    Ok(all)
}

const HALL_DAY: &str = "select day, issued, called, started, finished, no_show, transferred, \
    cancelled, abandoned, waiting, handling, rating_1, rating_2, rating_3, rating_4, rating_5, \
    climate_measured_min, climate_in_band_min, slots, issued_slots";
const SLOTS: usize = 18;
const ISSUED_SLOTS: usize = 19;
const STORE: usize = 20;

fn each_day(
    sql: &dyn Sql,
    store: &StoreId,
    from: i64,
    to: i64,
    each: &mut dyn FnMut(&dyn Row, DayLine) -> Result<()>,
) -> Result<()> {
    let query = format!(
        "{HALL_DAY} from facts_hall_day
         where store = ?1 and day between ?2 and ?3 order by day"
    );
    sql.each(&query, values![store.as_str(), from, to], &mut |row| {
        each(row, read_line(row)?)
    })
}

fn read_line(row: &dyn Row) -> Result<DayLine> {
    let mut issued = Vec::new();
    pack::unpack(row.get(ISSUED_SLOTS)?, |place, count| {
        issued.push((place, count));
    });
    let slots = SlotSet::from_bytes(row.get(SLOTS)?);
    Ok(DayLine {
        day: row.get(0)?,
        slots: slots.ok_or_else(|| damaged(SLOTS, "no set of quarter hours"))?,
        issued,
    })
}

fn add_day(tally: &mut Tally, row: &dyn Row) -> Result<()> {
    add_tickets(tally, row, 1)?;
    tally.climate_measured_min += row.get::<u64>(16)?;
    tally.climate_in_band_min += row.get::<u64>(17)?;
    Ok(())
}
