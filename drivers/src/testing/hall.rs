//! A gateway in small: a supervisor, and a journal that remembers.

use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::supervise::{DriverStatus, Supervisor, WiredDevice};
use crate::{Delivery, NotDone, Order, Threads, deliveries, find};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::{Observation, Report};
use zhiban_vocabulary::{CounterId, DeviceId, StaffId};

/// Longest any test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Hall {
    pub(crate) supervisor: Arc<Supervisor>,
    journal: Journal,
    shutdown: CancellationToken,
    writer: JoinHandle<()>,
}

#[derive(Clone, Default)]
pub(crate) struct Journal {
    reports: Arc<Mutex<Vec<Report>>>,
    /// How many of the next reports are refused.
    refusals: Arc<Mutex<u32>>,
}

impl Journal {
    async fn write(self, mut incoming: mpsc::Receiver<Delivery>) {
        while let Some(delivery) = incoming.recv().await {
            let answer = self.take(delivery.report);
            let _ = delivery.committed.send(answer);
        }
    }

    fn take(&self, report: Report) -> Result<(), String> {
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err("disk full".into());
        }
        let mut reports = self.reports.lock().unwrap();
        // What comes a second time under its own number counts once, as in the journal.
        let same = |taken: &Report| taken.device == report.device && taken.origin == report.origin;
        if !reports.iter().any(same) {
            reports.push(report);
        }
        Ok(())
    }
}

pub(crate) fn device(name: &str, driver: &str, settings: &str) -> WiredDevice {
    WiredDevice {
        device: name.parse().unwrap(),
        driver: find(driver).unwrap(),
        settings: toml::from_str(settings).unwrap_or_else(|e| panic!("{settings}: {e}")),
    }
}

impl Hall {
    pub(crate) fn open(devices: Vec<WiredDevice>) -> Self {
        // On the test's own runtime, and with it on its clock.
        Self::open_on(Threads::Shared(Handle::current()), devices)
    }

    pub(crate) fn open_on(threads: Threads, devices: Vec<WiredDevice>) -> Self {
        let (sender, receiver) = deliveries();
        let journal = Journal::default();
        let writer = tokio::spawn(journal.clone().write(receiver));
        let shutdown = CancellationToken::new();
        let boot = "boot-1".parse().unwrap();
        let supervisor = Supervisor::start_on(threads, devices, sender, boot, shutdown.clone());
        Self {
            supervisor,
            journal,
            shutdown,
            writer,
        }
    }

    pub(crate) fn refuse(&self, reports: u32) {
        *self.journal.refusals.lock().unwrap() = reports;
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        self.journal.reports.lock().unwrap().clone()
    }

    /// Numbers of a device's reports, as they came.
    pub(crate) fn numbers(&self, device: &str) -> Vec<u64> {
        let reports = self.reports().into_iter();
        let own = reports.filter(|report| report.device == id(device));
        own.map(|report| report.origin.seq).collect()
    }

    /// What a device reported, readable: `22.5 45`, `up`, `down`, `call B016 acknowledged`.
    pub(crate) fn said(&self, device: &str) -> Vec<String> {
        let of = |report: &Report| report.device.as_str() == device;
        let reports = self.reports().into_iter().filter(of);
        reports
            .map(|report| readable(&report.observation))
            .collect()
    }

    pub(crate) fn status(&self, device: &str) -> DriverStatus {
        let statuses = self.supervisor.statuses();
        let of = |status: &DriverStatus| status.device.as_str() == device;
        statuses.into_iter().find(of).unwrap()
    }

    pub(crate) async fn until(&self, what: impl Display, done: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !done(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let statuses = self.supervisor.statuses();
            let names = statuses.iter().map(|status| status.device.as_str());
            let said: Vec<_> = names.map(|name| (name, self.said(name))).collect();
            panic!("{what}: did not come\n{statuses:?}\n{said:?}");
        }
    }

    /// Waits until `device` says `what`, after the first `skip` things it said.
    pub(crate) async fn says(&self, device: &str, skip: usize, what: &str) {
        let said = |hall: &Self| hall.said(device).iter().skip(skip).any(|said| said == what);
        self.until(what, said).await;
    }

    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        self.supervisor.finished().await;
        // The last driver took the last sender along, so the journal ends too.
        let ended = tokio::time::timeout(PATIENCE, self.writer).await;
        ended.unwrap().unwrap();
    }
}

/// An order that does not expire within a test, and its outcome.
pub(crate) fn order(command: Command) -> (Order, oneshot::Receiver<Result<(), NotDone>>) {
    Order::new(command, Instant::now() + 60 * PATIENCE)
}

pub(crate) fn id(device: &str) -> DeviceId {
    device.parse().unwrap()
}

fn readable(observation: &Observation) -> String {
    let tenths = |tenths: i32| f64::from(tenths) / 10.0;
    match observation {
        Observation::Climate(sample) => {
            let humidity = sample
                .humidity
                .map_or_else(|| "-".into(), |h| tenths(h.0).to_string());
            format!("{} {humidity}", tenths(sample.temperature.0))
        }
        Observation::Input(input) => {
            format!("{} {}", input.input, if input.on { "on" } else { "off" })
        }
        Observation::Energy(reading) => format!("{} Wh", reading.energy_wh.unwrap_or_default()),
        Observation::Health(health) => health.status.as_str().to_owned(),
        Observation::ScreenShown(shown) => {
            let acknowledged = match shown.acknowledged {
                Some(true) => "acknowledged",
                Some(false) => "not acknowledged",
                None => "sent",
            };
            format!("{} {acknowledged}", shown.text)
        }
        Observation::Ticket(event) => ticket(event),
        Observation::CounterKey(press) => {
            let staff = press.staff.as_ref().map_or("nobody", StaffId::as_str);
            format!("{} at {} by {staff}", press.key.as_str(), press.counter)
        }
        Observation::Counter(change) => {
            let staff = change.staff.as_ref().map_or("-", StaffId::as_str);
            format!(
                "counter {} {} {staff}",
                change.counter,
                change.state.as_str()
            )
        }
        Observation::Rating(rating) => rated(rating),
        Observation::ScreenText(text) => {
            let verb = if text.speak { "speak" } else { "text" };
            let counter = text.counter.as_ref().map_or("board", CounterId::as_str);
            format!("{verb} {counter}: {}", text.text)
        }
        other => format!("{other:?}"),
    }
}

/// `rated 5 (1) at 3 by 2001`, in parentheses what the pad said.
fn rated(rating: &Rating) -> String {
    let raw = rating.raw.as_deref().unwrap_or("-");
    let counter = rating.counter.as_ref().map_or("-", CounterId::as_str);
    let staff = rating.staff.as_ref().map_or("-", StaffId::as_str);
    let ticket = rating.ticket.iter().map(|ticket| format!(" for {ticket}"));
    let score = rating.score.value();
    let tail: String = ticket.collect();
    format!("rated {score} ({raw}) at {counter} by {staff}{tail}")
}
/// `issued 101 cash`, `called 101 3`, `finished 101`.
fn ticket(event: &TicketEvent) -> String {
    let ticket = &event.ticket;
    match &event.step {
        TicketStep::Issued { queue, class, .. } => match class.as_str() {
            "ordinary" => format!("issued {ticket} {queue}"),
            class => format!("issued {ticket} {queue} {class}"),
        },
        TicketStep::Called { counter, staff } => match staff {
            Some(staff) => format!("called {ticket} {counter} by {staff}"),
            None => format!("called {ticket} {counter}"),
        },
        TicketStep::Recalled { counter } => format!("recalled {ticket} {counter}"),
        TicketStep::Started { counter, .. } => format!("started {ticket} {counter}"),
        TicketStep::Finished { .. } => format!("finished {ticket}"),
        TicketStep::NoShow {} => format!("no-show {ticket}"),
        TicketStep::Transferred { queue, counter } => match counter {
            Some(counter) => format!("transferred {ticket} {queue} at {counter}"),
            None => format!("transferred {ticket} {queue}"),
        },
        TicketStep::Cancelled {} => format!("cancelled {ticket}"),
    }
}
