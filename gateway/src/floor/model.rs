//! What the floor page shows. Unknown numbers are null, never zero.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use zhiban_vocabulary::facts::QueueSums;
use zhiban_vocabulary::time::elapsed_s;

use crate::climate::{self, Latest};
use crate::documents::Level;
use crate::queue::{CounterLive, Live, Names, PersonView, QueueLive, TicketLive};

const MEDIAN_BP: u32 = 5_000;
const P90_BP: u32 = 9_000;
/// A reading older than this is no longer shown as now.
const CLIMATE_FRESH_S: u32 = 300;

/// The hall right now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FloorView {
    /// The hall's clock.
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Timestamp,
    pub(super) hall: HallView,
    pub(super) day: String,
    pub(super) totals: TotalsView,
    pub(super) queues: Vec<QueueView>,
    pub(super) counters: Vec<CounterView>,
    pub(super) climate: Vec<ClimateView>,
    pub(super) limits: LimitsView,
    pub(super) freshness: FreshnessView,
}

/// From which waits on a queue is shown as rising and as long today.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsView {
    wait_rising_s: i64,
    wait_long_s: i64,
}

pub(super) fn limits(levels: &[Level]) -> LimitsView {
    /// A wait nothing reaches: JavaScript keeps it exact.
    const MAX_S: i64 = 1 << 31;
    let of = |name| {
        let level = levels.iter().find(|level| level.name == name);
        level.and_then(|level| level.value).unwrap_or(MAX_S)
    };
    LimitsView {
        wait_rising_s: of("wait-rising-s"),
        wait_long_s: of("wait-long-s"),
    }
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct HallView {
    pub(super) store: String,
    pub(super) name: String,
}

/// Numbers of the hall (F-20, F-21); durations in seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotalsView {
    waiting: u32,
    in_hall: u32,
    serving: u32,
    longest_wait_s: Option<u32>,
    longest_wait_ticket: Option<String>,
    issued_today: u32,
    finished_today: u32,
    no_show_today: u32,
    abandoned_today: u32,
    waiting_p50_s: Option<u32>,
    waiting_p90_s: Option<u32>,
    handling_p50_s: Option<u32>,
    /// Mean score times 100, 5 = best.
    rating_mean_x100: Option<u32>,
    rated_today: u32,
}

impl From<&Live> for TotalsView {
    fn from(live: &Live) -> Self {
        let sums = &live.sums;
        Self {
            waiting: live.waiting,
            in_hall: live.in_hall,
            serving: live.serving,
            longest_wait_s: live.longest.as_ref().map(|ticket| ticket.for_s),
            longest_wait_ticket: live.longest.as_ref().map(|ticket| ticket.number.clone()),
            issued_today: sums.issued,
            finished_today: sums.finished,
            no_show_today: sums.no_show,
            abandoned_today: live.abandoned,
            waiting_p50_s: sums.waiting.percentile_s(MEDIAN_BP),
            waiting_p90_s: sums.waiting.percentile_s(P90_BP),
            handling_p50_s: sums.handling.percentile_s(MEDIAN_BP),
            rating_mean_x100: rating_mean_x100(sums),
            rated_today: sums.rated(),
        }
    }
}

fn rating_mean_x100(sums: &QueueSums) -> Option<u32> {
    let points: u32 = (1..)
        .zip(sums.ratings)
        .map(|(score, count): (u32, u32)| score * count)
        .sum();
    (points * 100).checked_div(sums.rated())
}

/// One queue now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueView {
    queue: String,
    name: String,
    waiting: u32,
    called: u32,
    serving: u32,
    longest_wait_s: Option<u32>,
    longest_wait_ticket: Option<String>,
    issued_today: u32,
    finished_today: u32,
    waiting_p50_s: Option<u32>,
    /// Open counters that serve a ticket of this queue.
    open_counters: u32,
}

/// One counter now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CounterView {
    counter: String,
    name: String,
    /// `open`, `busy`, `break` or `closed`
    state: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    staff: Option<PersonView>,
    ticket: Option<CounterTicketView>,
    finished_today: u32,
}

/// The ticket at a counter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CounterTicketView {
    number: String,
    queue: Option<String>,
    /// `called` or `serving`
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl From<TicketLive> for CounterTicketView {
    fn from(ticket: TicketLive) -> Self {
        let TicketLive {
            number,
            queue,
            state,
            since,
            ..
        } = ticket;
        Self {
            number,
            queue,
            state,
            since,
        }
    }
}

/// The air at one sensor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClimateView {
    device: String,
    temperature_tenths: i32,
    humidity_tenths: Option<i32>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    fresh: bool,
    in_band: bool,
}

/// How old all of this is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FreshnessView {
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) last_event: Option<Timestamp>,
    /// Reports the queue has not read yet.
    pub(super) journal_lag: i64,
    /// `null` in a hall that stands alone.
    pub(super) uplink: Option<UplinkView>,
    /// Devices whose clock cannot be right.
    pub(super) clock_suspect_devices: u32,
}

/// The line to the centre.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UplinkView {
    pub(crate) connected: bool,
    pub(crate) backlog: u64,
    pub(crate) oldest_unsent_s: Option<u32>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_ack: Option<Timestamp>,
    pub(crate) problem: Option<String>,
    /// The hall's certificate counts no longer: it comes back with a new code only.
    pub(crate) shut_out: bool,
    /// Another box speaks for this hall.
    pub(crate) twin: bool,
    /// Items the centre refused and nobody sent again.
    pub(crate) set_aside: u64,
}

/// Queues that are configured or have tickets today, by name of the configuration.
pub(super) fn queues(live: &Live, names: &Names) -> Vec<QueueView> {
    let mut all: BTreeMap<&str, &QueueLive> = BTreeMap::new();
    let idle = QueueLive::default();
    for id in names.queues().keys() {
        all.insert(id, &idle);
    }
    for (id, queue) in &live.queues {
        all.insert(id, queue);
    }
    all.into_iter()
        .map(|(id, queue)| queue_view(id, queue, live, names))
        .collect()
}

fn queue_view(id: &str, queue: &QueueLive, live: &Live, names: &Names) -> QueueView {
    let serves = |counter: &&CounterLive| {
        counter
            .ticket
            .as_ref()
            .is_some_and(|ticket| ticket.queue.as_deref() == Some(id))
    };
    QueueView {
        queue: id.to_owned(),
        name: names.queue(id),
        waiting: queue.waiting,
        called: queue.called,
        serving: queue.serving,
        longest_wait_s: queue.longest.as_ref().map(|ticket| ticket.for_s),
        longest_wait_ticket: queue.longest.as_ref().map(|ticket| ticket.number.clone()),
        issued_today: queue.sums.issued,
        finished_today: queue.sums.finished,
        waiting_p50_s: queue.sums.waiting.percentile_s(MEDIAN_BP),
        open_counters: u32::try_from(live.counters.iter().filter(serves).count()).unwrap_or(0),
    }
}

/// Configured counters in their order, then those only the callers know.
pub(super) fn counters(live: Vec<CounterLive>, names: &Names) -> Vec<CounterView> {
    let mut known: BTreeMap<String, CounterLive> = live
        .into_iter()
        .map(|counter| (counter.counter.clone(), counter))
        .collect();
    let mut views = Vec::new();
    for (id, name) in names.counters() {
        views.push(counter_view(id, name, known.remove(id), names));
    }
    for (id, counter) in known {
        views.push(counter_view(&id, &id, Some(counter), names));
    }
    views
}

fn counter_view(id: &str, name: &str, live: Option<CounterLive>, names: &Names) -> CounterView {
    let (counter, name) = (id.to_owned(), name.to_owned());
    let Some(live) = live else {
        let (state, since, staff, ticket) = ("closed", None, None, None);
        return CounterView {
            counter,
            name,
            state,
            since,
            staff,
            ticket,
            finished_today: 0,
        };
    };
    let person = |staff: String| PersonView {
        name: names.staff(&staff),
        staff,
    };
    CounterView {
        counter,
        name,
        state: live.state.as_str(),
        since: Some(live.since),
        staff: live.staff.map(person),
        ticket: live.ticket.map(CounterTicketView::from),
        finished_today: live.finished,
    }
}

pub(super) fn climate(
    latest: Vec<Latest>,
    rule: &climate::Rule,
    now: Timestamp,
) -> Vec<ClimateView> {
    let view = |latest: Latest| ClimateView {
        fresh: elapsed_s(latest.at, now) <= CLIMATE_FRESH_S,
        in_band: rule.holds(latest.temperature_tenths),
        device: latest.device,
        temperature_tenths: latest.temperature_tenths,
        humidity_tenths: latest.humidity_tenths,
        at: latest.at,
    };
    latest.into_iter().map(view).collect()
}
