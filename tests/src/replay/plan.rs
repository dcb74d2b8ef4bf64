//! Everything the devices of one hall will say, in order, with its time and with what must be on
//! the gateway's disk before it is said.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use zhiban_vocabulary::counter::{CounterChange, CounterState};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::queue::{CustomerClass, TicketEvent, TicketStep};
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::time::BusinessDay;
use zhiban_vocabulary::{CounterId, DeviceId, IdError, TicketNumber};

use super::day::{DayMs, QueueDay, reconstruct};
use super::halls::{HallGroups, HallQueue, hours};
use super::records::{Gid, Records, Row};
use super::totals::{Totals, totals};
use super::{Hall, invent};

/// A hall must have closed by then, so that its last reports are in before its day is closed.
const CLOSES_LATEST: Time = jiff::civil::time(22, 0, 0, 0);

/// Why records cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(
        "{hall}: records at {found}: a replay needs halls that are closed from {CLOSES_LATEST} to 00:30"
    )]
    OpenAtNight { hall: String, found: Time },
    #[error(transparent)]
    BadId(#[from] IdError),
    #[error("{hall}: {date} {time} does not exist in {zone}")]
    NoSuchTime {
        hall: String,
        date: Date,
        time: Time,
        zone: String,
    },
}

/// A device of the hall that has a part in its recorded days.
#[derive(Debug, Clone)]
pub struct PlannedDevice {
    pub id: DeviceId,
    pub kind: DeviceKind,
    pub name: String,
    pub counter: Option<CounterId>,
    pub door: Door,
}

/// How a planned device comes to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Mqtt,
    /// Callers and pads of some counters on one serial line.
    Callers,
    /// A pad page that posts its answers.
    Pad,
    /// Queue systems, which post or are read.
    Orchestra,
    NovoSga,
    Fqm,
}

/// One thing one device will say.
#[derive(Debug, Clone)]
pub struct PlannedReport {
    pub at: Timestamp,
    /// Index into [`HallPlan::devices`].
    pub device: usize,
    pub observation: Observation,
    /// Indexes of earlier reports of other devices without which this one makes no sense: no call
    /// before the ticket is known, no next call before the answer on the pad.
    pub after: Vec<usize>,
}

/// The whole replay of one hall.
#[derive(Debug, Clone)]
pub struct HallPlan {
    pub hall: Hall,
    pub opens: Time,
    pub closes: Time,
    pub day_closes: Time,
    pub devices: Vec<PlannedDevice>,
    /// In the order of time.
    pub reports: Vec<PlannedReport>,
    /// Straight from the file, never from `reports`.
    pub file: Totals,
}

/// Plans one hall over `dates`.
///
/// # Errors
/// [`PlanError`]
pub fn plan(
    records: &Records,
    groups: &HallGroups,
    dates: &[Date],
    zone: &TimeZone,
    seed: u64,
) -> Result<HallPlan, PlanError> {
    let mut days: BTreeMap<(Date, Gid), QueueDay> = BTreeMap::new();
    let mut file = Totals::default();
    let mut first_day = Totals::default();
    for date in dates {
        let looks = looks(records, groups, *date);
        for (gid, _, _) in &groups.queues {
            let Some(rows) = records.days.get(&(*date, *gid)) else {
                continue;
            };
            let sum = totals(rows);
            file = file.plus(sum);
            if *date == dates[0] {
                first_day = first_day.plus(sum);
            }
            let mut rng = StdRng::seed_from_u64(seed_of(seed, *gid, *date));
            days.insert((*date, *gid), reconstruct(rows, &looks, &mut rng));
        }
    }
    let most = |gid: Gid| {
        let own = days.iter().filter(|((_, of), _)| *of == gid);
        own.map(|(_, day)| day.counters).max().unwrap_or(0)
    };
    let counters: Vec<usize> = groups.queues.iter().map(|(gid, _, _)| most(*gid)).collect();
    let hall = groups.with_counters(&counters, first_day.issued)?;
    let (opens, closes) = opening(&hall, &days)?;
    let mut writer = Writer::new(&hall, zone)?;
    for ((date, gid), day) in &days {
        let mut rng = StdRng::seed_from_u64(!seed_of(seed, *gid, *date));
        writer.day(*date, *gid, day, &mut rng)?;
    }
    let (devices, reports) = writer.finish();
    // Late enough for a replay in a hurry to have said everything.
    let day_closes = closes
        .saturating_add(SignedDuration::from_mins(90))
        .min(Time::MAX);
    Ok(HallPlan {
        hall,
        opens,
        closes,
        day_closes,
        devices,
        reports,
        file,
    })
}

/// The times at which the feed looked at the hall on that day.
fn looks(records: &Records, groups: &HallGroups, date: Date) -> Vec<Time> {
    let rows = groups
        .queues
        .iter()
        .filter_map(|(gid, _, _)| records.days.get(&(date, *gid)));
    let mut looks: Vec<Time> = rows.flatten().map(|row: &Row| row.time).collect();
    looks.sort_unstable();
    looks.dedup();
    looks
}

fn seed_of(seed: u64, gid: Gid, date: Date) -> u64 {
    let day = i64::from(date.year()) * 512 + i64::from(date.day_of_year());
    let mixed = (u64::from(gid) << 32) ^ day.unsigned_abs();
    seed ^ mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Opening hours that hold everything that happens.
fn opening(hall: &Hall, days: &BTreeMap<(Date, Gid), QueueDay>) -> Result<(Time, Time), PlanError> {
    let spans = days.values().filter_map(QueueDay::span);
    let (first, last) = spans
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        .unwrap_or((8 * 3_600_000, 16 * 3_600_000));
    let time = |at: DayMs| Time::MIN.saturating_add(SignedDuration::from_millis(at));
    let (opens, closes) = hours(time(first), time(last));
    let night = |found| PlanError::OpenAtNight {
        hall: hall.name.clone(),
        found,
    };
    if closes > CLOSES_LATEST {
        return Err(night(time(last)));
    }
    if time(first) < jiff::civil::time(0, 30, 0, 0) {
        return Err(night(time(first)));
    }
    Ok((opens, closes))
}

/// Collects the reports of a hall.
struct Writer<'h> {
    hall: &'h Hall,
    zone: &'h TimeZone,
    devices: Vec<PlannedDevice>,
    callers: BTreeMap<Gid, usize>,
    pads: BTreeMap<CounterId, usize>,
    reports: Vec<PlannedReport>,
}

const MACHINE: usize = 0;

impl<'h> Writer<'h> {
    fn new(hall: &'h Hall, zone: &'h TimeZone) -> Result<Self, PlanError> {
        let mut devices = vec![PlannedDevice {
            id: "tm-1".parse()?,
            kind: DeviceKind::TicketMachine,
            name: "取号机".into(),
            counter: None,
            door: Door::Mqtt,
        }];
        let mut callers = BTreeMap::new();
        let mut pads = BTreeMap::new();
        for queue in &hall.queues {
            callers.insert(queue.gid, devices.len());
            devices.push(PlannedDevice {
                id: format!("caller-{}", callers.len()).parse()?,
                kind: DeviceKind::Caller,
                name: format!("{} 业务呼叫器", queue.id),
                counter: None,
                door: Door::Mqtt,
            });
        }
        for counter in hall.counters() {
            pads.insert(counter.id.clone(), devices.len());
            devices.push(PlannedDevice {
                id: format!("pad-{}", counter.id).parse()?,
                kind: DeviceKind::EvaluationPad,
                name: format!("{} 号窗口评价器", counter.id),
                counter: Some(counter.id.clone()),
                door: Door::Mqtt,
            });
        }
        Ok(Self {
            hall,
            zone,
            devices,
            callers,
            pads,
            reports: Vec::new(),
        })
    }

    fn day(
        &mut self,
        date: Date,
        gid: Gid,
        day: &QueueDay,
        rng: &mut StdRng,
    ) -> Result<(), PlanError> {
        let Some(queue) = self.hall.queues.iter().find(|queue| queue.gid == gid) else {
            return Ok(());
        };
        let caller = self.callers[&gid];
        for change in &day.changes {
            let counter = &queue.counters[change.counter];
            let state = if change.open {
                CounterState::Open
            } else {
                CounterState::Closed
            };
            let observation = Observation::Counter(CounterChange {
                counter: counter.id.clone(),
                state,
                staff: Some(counter.staff.clone()),
            });
            self.say(date, change.at, caller, observation, Vec::new())?;
        }
        // The last answer on each pad, which the next call of that counter waits for.
        let mut answers: BTreeMap<usize, usize> = BTreeMap::new();
        for (nth, ticket) in day.tickets.iter().enumerate() {
            let number = ticket_number(queue, nth + 1)?;
            let issued = TicketStep::Issued {
                queue: queue.id.clone(),
                class: CustomerClass::Ordinary,
                service: None,
            };
            let issued = self.ticket(date, ticket.issued, MACHINE, &number, issued, Vec::new())?;
            let Some(service) = &ticket.service else {
                continue;
            };
            let counter = &queue.counters[service.counter];
            let (id, staff) = (&counter.id, Some(counter.staff.clone()));
            let after = answers
                .remove(&service.counter)
                .into_iter()
                .chain([issued])
                .collect();
            let called = TicketStep::Called {
                counter: id.clone(),
                staff: staff.clone(),
            };
            self.ticket(date, service.called, caller, &number, called, after)?;
            let started = TicketStep::Started {
                counter: id.clone(),
                staff,
            };
            self.ticket(date, service.started, caller, &number, started, Vec::new())?;
            let ended = TicketStep::Finished { service: None };
            let ended = self.ticket(date, service.ended, caller, &number, ended, Vec::new())?;
            if let Some(score) = invent::rating(rng) {
                let rating = Observation::Rating(Rating::of(score));
                let pad = self.pads[id];
                // Before the counter can have called again (day.rs leaves at least 750 ms).
                let answer = self.say(date, service.ended + 500, pad, rating, vec![ended])?;
                answers.insert(service.counter, answer);
            }
        }
        Ok(())
    }

    fn ticket(
        &mut self,
        date: Date,
        at: DayMs,
        device: usize,
        ticket: &TicketNumber,
        step: TicketStep,
        after: Vec<usize>,
    ) -> Result<usize, PlanError> {
        let event = TicketEvent {
            ticket: ticket.clone(),
            step,
        };
        self.say(date, at, device, Observation::Ticket(event), after)
    }

    fn say(
        &mut self,
        date: Date,
        at: DayMs,
        device: usize,
        observation: Observation,
        after: Vec<usize>,
    ) -> Result<usize, PlanError> {
        // Wall clock, so that a day on which the clocks are changed is not an hour off.
        let time = Time::MIN.saturating_add(SignedDuration::from_millis(at));
        let at = BusinessDay(date).at(time, self.zone);
        if at == Timestamp::MAX {
            let zone = format!("{:?}", self.zone);
            return Err(PlanError::NoSuchTime {
                hall: self.hall.name.clone(),
                date,
                time,
                zone,
            });
        }
        self.reports.push(PlannedReport {
            at,
            device,
            observation,
            after,
        });
        Ok(self.reports.len() - 1)
    }

    /// Puts the reports in order of time and renames what they wait for accordingly.
    fn finish(mut self) -> (Vec<PlannedDevice>, Vec<PlannedReport>) {
        let mut order: Vec<usize> = (0..self.reports.len()).collect();
        order.sort_by_key(|index| self.reports[*index].at);
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = new;
        }
        for report in &mut self.reports {
            for index in &mut report.after {
                *index = place[*index];
            }
        }
        self.reports.sort_by_key(|report| report.at);
        (self.devices, self.reports)
    }
}

fn ticket_number(queue: &HallQueue, nth: usize) -> Result<TicketNumber, IdError> {
    let joint = if queue.id.as_str().ends_with(|c: char| c.is_ascii_digit()) {
        "-"
    } else {
        ""
    };
    format!("{}{joint}{nth:03}", queue.id).parse()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use zhiban_vocabulary::report::Kind;

    use super::super::halls::halls_of;
    use super::*;

    fn extract() -> Records {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/warsaw");
        Records::read(&data.join("queue_changes.csv.gz"), &data.join("groups.csv")).unwrap()
    }

    #[test]
    fn the_reports_of_a_hall_add_up_to_its_records() {
        let records = extract();
        let dates = [jiff::civil::date(2020, 1, 2), jiff::civil::date(2020, 1, 3)];
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let halls = halls_of(&records, &dates);
        assert_eq!(halls.len(), 20);
        for groups in &halls {
            let plan = plan(&records, groups, &dates, &zone, 7).unwrap();
            let mut kinds: HashMap<Kind, u64> = HashMap::new();
            for report in &plan.reports {
                *kinds.entry(report.observation.kind()).or_default() += 1;
            }
            let count = |kind| kinds.get(&kind).copied().unwrap_or(0);
            assert_eq!(
                count(Kind::TicketIssued),
                plan.file.issued,
                "{}",
                groups.key
            );
            assert_eq!(
                count(Kind::TicketCalled),
                plan.file.called,
                "{}",
                groups.key
            );
            assert_eq!(
                count(Kind::TicketStarted),
                plan.file.called,
                "{}",
                groups.key
            );
            assert_eq!(
                count(Kind::TicketFinished),
                plan.file.called,
                "{}",
                groups.key
            );
            assert!(plan.reports.is_sorted_by_key(|report| report.at));
            for (index, report) in plan.reports.iter().enumerate() {
                assert!(
                    report.after.iter().all(|before| *before < index),
                    "{report:?}"
                );
            }
            let again = super::plan(&records, groups, &dates, &zone, 7).unwrap();
            assert_eq!(
                format!("{:?}", plan.reports),
                format!("{:?}", again.reports)
            );
        }
    }

    #[test]
    fn a_number_is_given_once_in_a_hall_and_a_day() {
        let records = extract();
        let dates = [jiff::civil::date(2020, 1, 2)];
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for groups in &halls_of(&records, &dates) {
            let plan = plan(&records, groups, &dates, &zone, 1).unwrap();
            let mut numbers = std::collections::HashSet::new();
            for report in &plan.reports {
                if let Observation::Ticket(event) = &report.observation
                    && matches!(event.step, TicketStep::Issued { .. })
                {
                    assert!(
                        numbers.insert(event.ticket.clone()),
                        "{} twice",
                        event.ticket
                    );
                }
            }
        }
    }

    #[test]
    fn a_hall_open_at_night_is_refused() {
        let mut records = Records::default();
        let row = |hour| Row {
            time: jiff::civil::time(hour, 0, 0, 0),
            open: 1,
            waiting: 1,
            number: None,
            service_min: 1,
        };
        let date = jiff::civil::date(2020, 1, 2);
        records.days.insert((date, 1), vec![row(8), row(22)]);
        let zone = TimeZone::UTC;
        let error = plan(&records, &halls_of(&records, &[date])[0], &[date], &zone, 1).unwrap_err();
        assert!(
            error.to_string().starts_with("gid-1: records at 22:00"),
            "{error}"
        );
    }
}
