//! Reads single facts.

use zhiban_kernel::sql::{Result, Row, Sql, damaged};
use zhiban_kernel::values;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::facts::{ClimateSums, CounterSums};

use super::apply::version_of;
use crate::facts::model::{COUNTS, CounterRow, QueueSlot, Tally};

/// The columns that make a sum of tickets.
pub(super) const TICKETS: &str = "issued, called, started, finished, no_show, transferred, cancelled, \
    abandoned, waiting, handling, rating_1, rating_2, rating_3, rating_4, rating_5";

/// Reads the columns [`TICKETS`], which begin at `first`, into a sum.
pub(super) fn add_tickets(tally: &mut Tally, row: &dyn Row, first: usize) -> Result<()> {
    for (at, own) in tally.counts_mut().into_iter().enumerate() {
        *own += row.get::<u64>(first + at)?;
    }
    let histograms = first + COUNTS;
    let (waiting, handling) = (row.get(histograms)?, row.get(histograms + 1)?);
    tally
        .waiting
        .merge_packed(waiting)
        .and_then(|()| tally.handling.merge_packed(handling))
        .ok_or_else(|| damaged(histograms, "no histogram"))?;
    for (at, own) in tally.ratings.iter_mut().enumerate() {
        *own += row.get::<u64>(histograms + 2 + at)?;
    }
    Ok(())
}

/// The quarter hours a hall has stated on a day, with their versions.
///
/// # Errors
/// When the database refuses.
pub fn hall_slots(sql: &dyn Sql, store: &StoreId, day: i64) -> Result<Vec<(i64, u32)>> {
    sql.all(
        "select slot, version from facts_hall_quarter where store = ?1 and day = ?2 order by slot",
        values![store.as_str(), day],
        |row| Ok((row.get(0)?, version_of(row.get(1)?))),
    )
}

/// All ticket facts of a hall from day `from` to day `to`, in the order of their slots.
///
/// # Errors
/// When the database refuses.
pub fn queue_slots(sql: &dyn Sql, store: &StoreId, from: i64, to: i64) -> Result<Vec<QueueSlot>> {
    let query = format!(
        "select slot, queue, version, {TICKETS} from facts_queue_quarter
         where store = ?1 and day between ?2 and ?3 order by day, slot, queue, class"
    );
    sql.all(&query, values![store.as_str(), from, to], |row| {
        let mut tally = Tally::default();
        add_tickets(&mut tally, row, 3)?;
        Ok(QueueSlot {
            slot: row.get(0)?,
            queue: row.get(1)?,
            version: version_of(row.get(2)?),
            tally,
        })
    })
}

/// Counters and people of a hall on a day.
///
/// # Errors
/// When the database refuses.
pub fn counter_days(sql: &dyn Sql, store: &StoreId, day: i64) -> Result<Vec<CounterRow>> {
    sql.all(
        "select counter, staff, open_s, busy_s, break_s, serving_s, finished, no_show,
                rating_1, rating_2, rating_3, rating_4, rating_5
         from facts_counter_day where store = ?1 and day = ?2 order by counter, staff",
        values![store.as_str(), day],
        |row| {
            let staff: &str = row.get(1)?;
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
                staff: (!staff.is_empty()).then(|| staff.to_owned()),
                sums,
            })
        },
    )
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
pub fn air_slots(sql: &dyn Sql, store: &StoreId, from: i64, to: i64) -> Result<Vec<AirSlot>> {
    sql.all(
        "select slot, device, measured_min, in_band_min, samples, temperature_sum_tenths
         from facts_climate_quarter
         where store = ?1 and day between ?2 and ?3 order by day, slot, device",
        values![store.as_str(), from, to],
        |row| {
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
        },
    )
}
