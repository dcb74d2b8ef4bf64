//! Who plays which part of the showroom's hall. Halls have more than ticket machines, callers and
//! pads of one make: here some queues are run by queue systems, one by callers on a serial line,
//! and one counter has a pad that is a web page. Every report keeps exactly one source, so the
//! totals of the hall stay those of the file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, IdError, QueueId, TicketNumber};

use crate::replay::plan::{Door, PlannedDevice};
use crate::replay::{HallPlan, PlannedReport};

/// FQM numbers its tickets from here, without letters.
const FQM_FIRST: usize = 101;
/// Doors of whole queues, the first one's queue the quietest: one that is read every now and then
/// has less to hurry after.
const QUEUE_DOORS: [Door; 4] = [Door::NovoSga, Door::Fqm, Door::Callers, Door::Orchestra];

/// Hands parts of the plan over. A hall with few queues has few of them.
///
/// # Errors
/// [`IdError`] when a made-up id is none, which would be a mistake here.
pub fn recast(plan: &mut HallPlan) -> Result<(), IdError> {
    let queues = by_quiet(plan);
    let some = queues.len().saturating_sub(1);
    let parts: Vec<(QueueId, Door)> = queues.iter().take(some).cloned().zip(QUEUE_DOORS).collect();
    let mut replaced = HashSet::new();
    for (queue, door) in &parts {
        let device = add(plan, *door, queue)?;
        if *door == Door::Fqm {
            renumber(plan, queue)?;
        }
        let takes = Takes::new(plan, *door, queue);
        for report in &mut plan.reports {
            if takes.report(report) {
                name_counter(report, &plan.devices);
                report.device = device;
            }
        }
        replaced.extend(takes.replaces());
    }
    if let Some(busiest) = queues.last() {
        replaced.extend(give_a_pad(plan, busiest));
    }
    wait_for_each_other(plan);
    dismiss(plan, &replaced);
    Ok(())
}

/// The queue a door gives the tickets of.
#[must_use]
pub fn queue_of(plan: &HallPlan, door: Door) -> Option<QueueId> {
    let own = plan
        .reports
        .iter()
        .filter(|report| plan.devices[report.device].door == door);
    let mut issued = own.filter_map(|report| issued(&report.observation));
    issued.next().map(|(_, queue)| queue.clone())
}

/// Counters that speak through a door.
#[must_use]
pub fn counters_of(plan: &HallPlan, door: Door) -> BTreeSet<CounterId> {
    let own = plan
        .reports
        .iter()
        .filter(|report| plan.devices[report.device].door == door);
    let counter = |report: &PlannedReport| match &report.observation {
        Observation::Counter(change) => Some(change.counter.clone()),
        _ => None,
    };
    own.filter_map(counter).collect()
}

/// Queues by the number of their tickets.
fn by_quiet(plan: &HallPlan) -> Vec<QueueId> {
    let mut tickets: BTreeMap<&QueueId, usize> = BTreeMap::new();
    for queue in plan
        .reports
        .iter()
        .filter_map(|report| issued(&report.observation))
    {
        *tickets.entry(queue.1).or_default() += 1;
    }
    let mut queues: Vec<_> = tickets.into_iter().collect();
    queues.sort_by_key(|(_, tickets)| *tickets);
    queues.into_iter().map(|(queue, _)| queue.clone()).collect()
}

fn issued(observation: &Observation) -> Option<(&TicketNumber, &QueueId)> {
    match observation {
        Observation::Ticket(TicketEvent {
            ticket,
            step: TicketStep::Issued { queue, .. },
        }) => Some((ticket, queue)),
        _ => None,
    }
}

fn add(plan: &mut HallPlan, door: Door, queue: &QueueId) -> Result<usize, IdError> {
    let system = |make: &str| {
        (
            DeviceKind::QueueSystem,
            format!("{queue} 业务排队系统（{make}）"),
        )
    };
    let (id, (kind, name)) = match door {
        Door::Orchestra => ("queue-1", system("Qmatic")),
        Door::Fqm => ("queue-2", system("FQM")),
        Door::NovoSga => ("queue-3", system("NovoSGA")),
        Door::Callers | Door::Pad | Door::Mqtt => {
            let name = format!("{queue} 业务呼叫评价一体机");
            ("callers-1", (DeviceKind::Caller, name))
        }
    };
    plan.devices.push(PlannedDevice {
        id: id.parse()?,
        kind,
        name,
        counter: None,
        door,
    });
    Ok(plan.devices.len() - 1)
}

/// FQM gives plain numbers, so whoever speaks of its tickets does, too.
fn renumber(plan: &mut HallPlan, queue: &QueueId) -> Result<(), IdError> {
    let all = plan
        .reports
        .iter()
        .filter_map(|report| issued(&report.observation));
    let own = all.filter(|(_, of)| *of == queue);
    // Over several days the same numbers are given again.
    let own: BTreeSet<TicketNumber> = own.map(|(ticket, _)| ticket.clone()).collect();
    let plain = |(nth, ticket): (usize, TicketNumber)| {
        let number = (FQM_FIRST + nth).to_string().parse()?;
        Ok((ticket, number))
    };
    let numbers = own.into_iter().enumerate().map(plain);
    let numbers: HashMap<TicketNumber, TicketNumber> = numbers.collect::<Result<_, IdError>>()?;
    for report in &mut plan.reports {
        if let Observation::Ticket(event) = &mut report.observation
            && let Some(number) = numbers.get(&event.ticket)
        {
            event.ticket = number.clone();
        }
    }
    Ok(())
}

/// What a door takes of a queue.
struct Takes {
    door: Door,
    queue: QueueId,
    /// Callers and pads of its counters, as indexes of devices.
    caller: Option<usize>,
    pads: Vec<usize>,
}

impl Takes {
    fn new(plan: &HallPlan, door: Door, queue: &QueueId) -> Self {
        let known = plan.hall.queues.iter().position(|known| known.id == *queue);
        let counters = known.map_or(&[][..], |known| &plan.hall.queues[known].counters);
        let index = |is: &dyn Fn(&PlannedDevice) -> bool| plan.devices.iter().position(is);
        let caller = known.map(|known| format!("caller-{}", known + 1));
        let pad = |counter: &CounterId| {
            index(&|device| {
                device.kind == DeviceKind::EvaluationPad && device.counter.as_ref() == Some(counter)
            })
        };
        Self {
            door,
            queue: queue.clone(),
            caller: caller.and_then(|id| index(&|device| device.id.as_str() == id)),
            pads: counters
                .iter()
                .filter_map(|counter| pad(&counter.id))
                .collect(),
        }
    }

    fn report(&self, report: &PlannedReport) -> bool {
        let of_caller = Some(report.device) == self.caller;
        let of_pads = self.pads.contains(&report.device);
        let is_issue = match issued(&report.observation) {
            Some((_, queue)) => *queue == self.queue,
            None => false,
        };
        match (self.door, &report.observation) {
            // It does not know who sits where.
            (Door::NovoSga, Observation::Counter(_)) => false,
            (Door::NovoSga | Door::Orchestra, _) => is_issue || of_caller,
            // It knows neither begin nor end of a service: those are the callers' to say.
            (Door::Fqm, Observation::Ticket(event)) => {
                is_issue || of_caller && matches!(event.step, TicketStep::Called { .. })
            }
            (Door::Callers, _) => of_caller || of_pads,
            (Door::Fqm | Door::Pad | Door::Mqtt, _) => false,
        }
    }

    /// Devices that are not needed any more once they have nothing left to say.
    fn replaces(&self) -> Vec<usize> {
        let pads = match self.door {
            Door::Callers => self.pads.clone(),
            _ => Vec::new(),
        };
        self.caller.into_iter().chain(pads).collect()
    }
}

/// One pad is known by its device; one of many must say where it stands.
fn name_counter(report: &mut PlannedReport, devices: &[PlannedDevice]) {
    if let Observation::Rating(rating) = &mut report.observation {
        rating.counter = devices[report.device].counter.clone();
    }
}

/// The first counter of a queue gets a pad that is a web page, in place of the one it gives.
fn give_a_pad(plan: &mut HallPlan, queue: &QueueId) -> Option<usize> {
    let old = Takes::new(plan, Door::Pad, queue).pads.first().copied()?;
    let pad = &plan.devices[old];
    let counter = pad
        .counter
        .iter()
        .map(ToString::to_string)
        .collect::<String>();
    let new = plan.devices.len();
    plan.devices.push(PlannedDevice {
        name: format!("{counter} 号窗口评价平板"),
        door: Door::Pad,
        ..pad.clone()
    });
    for report in plan
        .reports
        .iter_mut()
        .filter(|report| report.device == old)
    {
        name_counter(report, &plan.devices);
        report.device = new;
    }
    Some(old)
}

/// A begin of service that another device tells than the call waits for it. What the same device
/// tells needs no waiting: it keeps the order.
fn wait_for_each_other(plan: &mut HallPlan) {
    let mut calls: HashMap<TicketNumber, usize> = HashMap::new();
    let devices: Vec<usize> = plan.reports.iter().map(|report| report.device).collect();
    for (index, report) in plan.reports.iter_mut().enumerate() {
        if let Observation::Ticket(event) = &report.observation {
            match event.step {
                TicketStep::Called { .. } => {
                    calls.insert(event.ticket.clone(), index);
                }
                TicketStep::Started { .. } => report.after.extend(calls.get(&event.ticket)),
                _ => {}
            }
        }
        report
            .after
            .retain(|before| devices[*before] != report.device);
    }
}

/// Of these, devices that have nothing left to say are not in the hall.
fn dismiss(plan: &mut HallPlan, replaced: &HashSet<usize>) {
    let speaking: HashSet<usize> = plan.reports.iter().map(|report| report.device).collect();
    let before = std::mem::take(&mut plan.devices);
    let mut places = vec![0; before.len()];
    for (place, device) in before.into_iter().enumerate() {
        places[place] = plan.devices.len();
        if speaking.contains(&place) || !replaced.contains(&place) {
            plan.devices.push(device);
        }
    }
    for report in &mut plan.reports {
        report.device = places[report.device];
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::options::Options;
    use super::super::prepare::prepare;
    use super::*;

    #[test]
    fn every_door_has_a_part_and_no_report_is_lost_or_told_twice() {
        let replay = prepare(&Options::parse_from(["demo", "--halls", "1"])).unwrap();
        let plan = &replay.halls[0];
        let count = |is: fn(&TicketStep) -> bool| {
            let steps = plan
                .reports
                .iter()
                .filter(|report| match &report.observation {
                    Observation::Ticket(event) => is(&event.step),
                    _ => false,
                });
            steps.count() as u64
        };
        assert_eq!(
            count(|step| matches!(step, TicketStep::Issued { .. })),
            plan.file.issued
        );
        assert_eq!(
            count(|step| matches!(step, TicketStep::Called { .. })),
            plan.file.called
        );
        assert_eq!(
            count(|step| matches!(step, TicketStep::Started { .. })),
            plan.file.called
        );
        assert_eq!(
            count(|step| matches!(step, TicketStep::Finished { .. })),
            plan.file.called
        );
        let issues = plan
            .reports
            .iter()
            .filter_map(|report| issued(&report.observation));
        let numbers: Vec<&TicketNumber> = issues.map(|(ticket, _)| ticket).collect();
        let once: HashSet<_> = numbers.iter().collect();
        assert_eq!(once.len(), numbers.len());
        for door in [
            Door::Mqtt,
            Door::Callers,
            Door::Pad,
            Door::Orchestra,
            Door::NovoSga,
            Door::Fqm,
        ] {
            let of_door = |report: &&PlannedReport| plan.devices[report.device].door == door;
            assert!(plan.reports.iter().filter(of_door).count() > 5, "{door:?}");
        }
        let ids: HashSet<_> = plan.devices.iter().map(|device| &device.id).collect();
        assert_eq!(ids.len(), plan.devices.len());
    }
}
