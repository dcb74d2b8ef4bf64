//! The roll-up by hall and day.

use rusqlite::{Connection, Error, Result, Row, params};
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
    let mut days = Vec::new();
    each_day(connection, store, from, to, |row, line| {
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

/// As [`hall_days`], added up on the way: thousands of halls are read like this at once.
///
/// # Errors
/// When the database refuses.
pub fn hall_period(
    connection: &Connection,
    store: &StoreId,
    from: i64,
    to: i64,
) -> Result<HallPeriod> {
    let mut period = HallPeriod::default();
    each_day(connection, store, from, to, |row, line| {
        add_day(period.tally.get_or_insert_default(), row)?;
        period.days.push(line);
        Ok(())
    })?;
    Ok(period)
}

fn each_day(
    connection: &Connection,
    store: &StoreId,
    from: i64,
    to: i64,
    mut each: impl FnMut(&Row<'_>, DayLine) -> Result<()>,
) -> Result<()> {
    let sql = format!(
        "select day, {TICKETS}, climate_measured_min, climate_in_band_min, slots, issued_slots
         from facts_hall_day where store = ?1 and day between ?2 and ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![store.as_str(), from, to])?;
    while let Some(row) = rows.next()? {
        let mut issued = Vec::new();
        pack::unpack(row.get_ref(19)?.as_blob()?, |place, count| {
            issued.push((place, count));
        });
        let slots = SlotSet::from_bytes(row.get_ref(18)?.as_blob()?);
        let line = DayLine {
            day: row.get(0)?,
            slots: slots.ok_or(Error::InvalidQuery)?,
            issued,
        };
        each(row, line)?;
    }
    Ok(())
}

fn add_day(tally: &mut Tally, row: &Row<'_>) -> Result<()> {
    add_tickets(tally, row, 1)?;
    tally.climate_measured_min += row.get::<_, u64>(16)?;
    tally.climate_in_band_min += row.get::<_, u64>(17)?;
    Ok(())
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
