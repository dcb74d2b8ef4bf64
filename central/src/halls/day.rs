//! One day of one hall: its curve, queues, counters and air.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;
use zhiban_kernel::sql::{Result, Sql};

use crate::compare::{self, Moment, Period};
use crate::facts::{self, AirSlot, CounterRow, QueueSlot, Tally, first_slot, slot_of};
use crate::stores::Hall;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DayView {
    store: String,
    name: String,
    date: String,
    time_zone: Option<String>,
    slots: Vec<SlotView>,
    queues: Vec<QueueView>,
    counters: Vec<CounterView>,
    climate: Vec<AirView>,
    completeness_bp: Option<u32>,
    #[schema(value_type = Option<String>, format = DateTime)]
    data_through: Option<Timestamp>,
}

/// A quarter hour; its figures are null until it was received.
#[derive(Debug, Serialize, ToSchema)]
struct SlotView {
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    received: bool,
    issued: Option<u64>,
    started: Option<u64>,
    finished: Option<u64>,
    no_show: Option<u64>,
    waiting_p50_s: Option<u32>,
    waiting_p90_s: Option<u32>,
    handling_p50_s: Option<u32>,
    /// Highest version of the facts in it: above 1 it was stated anew.
    version: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct QueueView {
    queue: String,
    name: String,
    issued: u64,
    finished: u64,
    no_show: u64,
    waiting_p50_s: Option<u32>,
    handling_p50_s: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CounterView {
    counter: String,
    staff: Option<String>,
    open_s: u32,
    serving_s: u32,
    busy_s: u32,
    break_s: u32,
    finished: u32,
}

#[derive(Debug, Serialize, ToSchema)]
struct AirView {
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    device: String,
    mean_tenths: Option<i64>,
    in_band_min: u32,
    measured_min: u32,
}

pub(super) fn read_day(sql: &dyn Sql, hall: &Hall, day: i64, moment: Moment) -> Result<DayView> {
    let store = &hall.store;
    let period = Period { from: day, to: day };
    let row = compare::row_of(sql, hall.clone(), moment, period)?;
    let queue_slots = facts::queue_slots(sql, store, day, day)?;
    let stated = facts::hall_slots(sql, store, day)?;
    let mut counters = facts::counter_days(sql, store, day)?;
    // 2 before 10.
    counters.sort_by(|a, b| {
        let key = |row: &CounterRow| (row.counter.chars().count(), row.counter.clone());
        key(a).cmp(&key(b))
    });
    let air = facts::air_slots(sql, store, day, day)?;
    Ok(DayView {
        store: store.to_string(),
        name: hall.name().to_owned(),
        date: facts::day_of(day).to_string(),
        time_zone: hall.profile.as_ref().map(|p| p.time_zone.clone()),
        slots: slots(hall, day, &queue_slots, &stated),
        queues: queues(hall, &queue_slots),
        counters: counters.into_iter().map(CounterView::from).collect(),
        climate: air.into_iter().map(AirView::from).collect(),
        completeness_bp: compare::completeness_bp(row.slots_expected, Some(row.slots_received)),
        data_through: row.data_through,
    })
}

/// All quarter hours of opening time, received or not, and whatever else came.
fn slots(hall: &Hall, day: i64, facts: &[QueueSlot], stated: &[(i64, u32)]) -> Vec<SlotView> {
    let mut all: BTreeMap<i64, (Option<u32>, Option<Tally>)> = BTreeMap::new();
    if let Some(profile) = &hall.profile {
        let zone = hall.zone().unwrap_or(TimeZone::UTC);
        let open = compare::opening(day, &zone, profile.opens, profile.closes);
        let places = (0..=u8::MAX).filter(|place| open.contains(*place));
        all.extend(places.map(|place| (first_slot(day) + i64::from(place), (None, None))));
    }
    for (slot, version) in stated {
        let (seen, tally) = all.entry(*slot).or_default();
        *seen = Some(*version);
        tally.get_or_insert_default();
    }
    for fact in facts {
        let (seen, tally) = all.entry(fact.slot).or_default();
        // Without the hall's own statement the slot is not received, whatever else came.
        *seen = seen.map(|seen| seen.max(fact.version));
        tally.get_or_insert_default().merge(&fact.tally);
    }
    all.into_iter()
        .map(|(slot, (version, tally))| slot_view(slot, version, tally.as_ref()))
        .collect()
}

fn slot_view(slot: i64, version: Option<u32>, tally: Option<&Tally>) -> SlotView {
    SlotView {
        start: slot_of(slot).start(),
        received: version.is_some(),
        issued: tally.map(|t| t.issued),
        started: tally.map(|t| t.started),
        finished: tally.map(|t| t.finished),
        no_show: tally.map(|t| t.no_show),
        waiting_p50_s: tally.and_then(|t| t.waiting.percentile_s(5_000)),
        waiting_p90_s: tally.and_then(|t| t.waiting.percentile_s(9_000)),
        handling_p50_s: tally.and_then(|t| t.handling.percentile_s(5_000)),
        version,
    }
}

fn queues(hall: &Hall, facts: &[QueueSlot]) -> Vec<QueueView> {
    let mut all: BTreeMap<&str, Tally> = BTreeMap::new();
    for fact in facts {
        all.entry(&fact.queue).or_default().merge(&fact.tally);
    }
    let view = |(queue, tally): (&str, Tally)| QueueView {
        queue: queue.to_owned(),
        name: hall.queue_name(queue).to_owned(),
        issued: tally.issued,
        finished: tally.finished,
        no_show: tally.no_show,
        waiting_p50_s: tally.waiting.percentile_s(5_000),
        handling_p50_s: tally.handling.percentile_s(5_000),
    };
    all.into_iter().map(view).collect()
}

impl From<CounterRow> for CounterView {
    fn from(row: CounterRow) -> Self {
        Self {
            counter: row.counter,
            staff: row.staff,
            open_s: row.sums.open_s,
            serving_s: row.sums.serving_s,
            busy_s: row.sums.busy_s,
            break_s: row.sums.break_s,
            finished: row.sums.finished,
        }
    }
}

impl From<AirSlot> for AirView {
    fn from(air: AirSlot) -> Self {
        let samples = i64::from(air.sums.samples);
        Self {
            start: slot_of(air.slot).start(),
            device: air.device,
            mean_tenths: air.sums.temperature_sum_tenths.checked_div(samples),
            in_band_min: air.sums.in_band_min,
            measured_min: air.sums.measured_min,
        }
    }
}
