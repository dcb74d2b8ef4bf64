//! Those who say the reports of a planned device: over MQTT, or through one of the other doors.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rumqttc::ConnectReturnCode;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zhiban_drivers::ff68::{CallersSimulator, Press};
use zhiban_drivers::fqm::FqmSimulator;
use zhiban_drivers::http_pad::{PadAnswer, PadSimulator};
use zhiban_drivers::novosga::{AttendanceStep, NovoSgaSimulator};
use zhiban_drivers::qmatic::{OrchestraSimulator, VisitStep};
use zhiban_drivers::simulator::Port;
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::queue::TicketStep;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, StaffId, TicketNumber};

use crate::harness::MqttDevice;

/// Reports on their way at once. The panel of a NovoSGA shows ten calls, and one that has left it
/// before it was read is lost.
const OPEN_MAX: usize = 8;
const POST_AGAIN: Duration = Duration::from_millis(500);

/// Says the reports of one device.
#[derive(Debug)]
pub enum Voice {
    Mqtt(MqttDevice),
    Other(Other),
}

impl Voice {
    /// Whether another report may be given to it now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        match self {
            Self::Mqtt(device) => device.has_room(),
            Self::Other(other) => other.open < OPEN_MAX,
        }
    }

    /// Says a report; [`Self::acknowledged`] gives `token` back when the gateway has it.
    pub fn report(&mut self, token: usize, at: Timestamp, observation: &Observation) {
        match self {
            Self::Mqtt(device) => device.report(token, at, observation),
            Self::Other(other) => {
                other.open += 1;
                let said = (token, at, observation.clone());
                // There is room, as was asked before.
                let _ = other.say.try_send(said);
            }
        }
    }

    /// The next report that was taken. May be dropped and called again at any time.
    ///
    /// # Errors
    /// The gateway refuses this device; nothing more will come.
    pub async fn acknowledged(&mut self) -> Result<usize, ConnectReturnCode> {
        match self {
            Self::Mqtt(device) => device.acknowledged().await,
            Self::Other(other) => {
                let Some(token) = other.taken.recv().await else {
                    return Err(ConnectReturnCode::ServiceUnavailable);
                };
                other.open -= 1;
                Ok(token)
            }
        }
    }

    /// Times a connection was lost, or could not be made.
    #[must_use]
    pub fn reconnects(&self) -> u32 {
        match self {
            Self::Mqtt(device) => device.reconnects(),
            Self::Other(_) => 0,
        }
    }
}

type Said = (usize, Timestamp, Observation);

/// A voice that is no MQTT device.
#[derive(Debug)]
pub struct Other {
    say: mpsc::Sender<Said>,
    taken: mpsc::Receiver<usize>,
    open: usize,
    _tasks: JoinSet<()>,
}

impl Other {
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn new(stage: Stage) -> Self {
        let (say, said) = mpsc::channel(OPEN_MAX);
        let (told, tell) = mpsc::channel(OPEN_MAX);
        let (take, taken) = mpsc::channel(OPEN_MAX);
        let stage = Arc::new(stage);
        let mut tasks = JoinSet::new();
        tasks.spawn(speak(Arc::clone(&stage), said, told));
        tasks.spawn(listen(stage, tell, take));
        Self {
            say,
            taken,
            open: 0,
            _tasks: tasks,
        }
    }
}

async fn speak(
    stage: Arc<Stage>,
    mut said: mpsc::Receiver<Said>,
    told: mpsc::Sender<(usize, u64)>,
) {
    let mut memory = Memory::default();
    while let Some((token, at, observation)) = said.recv().await {
        let change = stage.say(&mut memory, at, &observation).await;
        if told.send((token, change)).await.is_err() {
            return;
        }
    }
}

async fn listen(
    stage: Arc<Stage>,
    mut tell: mpsc::Receiver<(usize, u64)>,
    take: mpsc::Sender<usize>,
) {
    while let Some((token, change)) = tell.recv().await {
        stage.until_read(change).await;
        if take.send(token).await.is_err() {
            return;
        }
    }
}

/// Through which simulated device a voice is heard.
#[derive(Debug)]
pub enum Stage {
    /// With the address of each counter.
    Callers(Arc<Port<CallersSimulator>>, HashMap<CounterId, u8>),
    Pad(PadSimulator),
    Orchestra(OrchestraSimulator),
    NovoSga(Arc<Port<NovoSgaSimulator>>),
    Fqm(Arc<Port<FqmSimulator>>),
}

/// What a voice must know of tickets it spoke of.
#[derive(Debug, Default)]
struct Memory {
    counters: HashMap<TicketNumber, CounterId>,
    visits: HashMap<TicketNumber, u64>,
    visit: u64,
}

impl Memory {
    /// Where a ticket is, from what is said of it now or was before.
    fn counter(&mut self, ticket: &TicketNumber, step: &TicketStep) -> Option<CounterId> {
        if let TicketStep::Called { counter, .. } | TicketStep::Started { counter, .. } = step {
            self.counters.insert(ticket.clone(), counter.clone());
        }
        self.counters.get(ticket).cloned()
    }

    fn visit(&mut self, ticket: &TicketNumber, step: &TicketStep) -> u64 {
        if matches!(step, TicketStep::Issued { .. }) {
            self.visit += 1;
            self.visits.insert(ticket.clone(), self.visit);
        }
        self.visits.get(ticket).copied().unwrap_or(0)
    }
}

impl Stage {
    /// Resolves when it is said; a queue system that is read gives the number of the change.
    async fn say(&self, memory: &mut Memory, at: Timestamp, observation: &Observation) -> u64 {
        match self {
            Self::Callers(line, addresses) => {
                press(line, addresses, memory, observation).await;
                0
            }
            Self::Pad(pad) => {
                rate(pad, observation).await;
                0
            }
            Self::Orchestra(orchestra) => {
                while post(orchestra, memory, at, observation).await.is_err() {
                    sleep(POST_AGAIN).await;
                }
                0
            }
            Self::NovoSga(sga) => attend(sga, at, observation),
            Self::Fqm(fqm) => pull(fqm, at, observation),
        }
    }

    async fn until_read(&self, change: u64) {
        match self {
            Self::NovoSga(sga) => sga.until_read(change).await,
            Self::Fqm(fqm) => fqm.until_read(change).await,
            _ => {}
        }
    }
}

fn number(counter: &CounterId) -> u64 {
    counter.as_str().parse().unwrap_or(0)
}

async fn press(
    line: &CallersSimulator,
    addresses: &HashMap<CounterId, u8>,
    memory: &mut Memory,
    observation: &Observation,
) {
    let (counter, press) = match observation {
        Observation::Counter(change) => {
            let employee = change.staff.as_ref().map_or("", StaffId::as_str);
            let press = match change.state {
                CounterState::Closed => Press::Logout,
                _ => Press::Login { employee },
            };
            (Some(change.counter.clone()), press)
        }
        Observation::Ticket(event) => {
            let ticket = event.ticket.as_str();
            let press = match &event.step {
                TicketStep::Called { .. } => Press::Call { ticket },
                TicketStep::Started { .. } => Press::Start { ticket },
                TicketStep::Finished { .. } => Press::Finish { ticket },
                _ => return,
            };
            (memory.counter(&event.ticket, &event.step), press)
        }
        Observation::Rating(rating) => {
            let score = rating.score.value();
            (rating.counter.clone(), Press::Rate { score })
        }
        _ => return,
    };
    let address = counter.and_then(|counter| addresses.get(&counter).copied());
    if let Some(address) = address {
        line.press(address, &press).await;
    }
}

async fn rate(pad: &PadSimulator, observation: &Observation) {
    let Observation::Rating(rating) = observation else {
        return;
    };
    let window = rating.counter.as_ref().map_or("", CounterId::as_str);
    let answer = PadAnswer {
        // The first button is 非常满意.
        button: 6 - rating.score.value(),
        window,
        ticket: "",
    };
    while pad.post(&answer).await.is_err() {
        sleep(POST_AGAIN).await;
    }
}

async fn post(
    orchestra: &OrchestraSimulator,
    memory: &mut Memory,
    at: Timestamp,
    observation: &Observation,
) -> anyhow::Result<()> {
    let event = match observation {
        Observation::Counter(change) => {
            let user = change.staff.as_ref().map(StaffId::as_str);
            let user = user.filter(|_| change.state != CounterState::Closed);
            return Ok(orchestra.session(number(&change.counter), user, at).await?);
        }
        Observation::Ticket(event) => event,
        _ => return Ok(()),
    };
    let counter = memory.counter(&event.ticket, &event.step);
    let counter = counter.as_ref().map_or(0, number);
    let visit = memory.visit(&event.ticket, &event.step);
    let step = match &event.step {
        TicketStep::Issued { queue, .. } => VisitStep::Create {
            ticket: event.ticket.as_str(),
            queue: queue.as_str(),
        },
        TicketStep::Called { staff, .. } | TicketStep::Started { staff, .. } => {
            let user = staff.as_ref().map_or("", StaffId::as_str);
            match event.step {
                TicketStep::Called { .. } => VisitStep::Call { counter, user },
                _ => VisitStep::Confirm { counter, user },
            }
        }
        _ => VisitStep::End { counter },
    };
    Ok(orchestra.visit(visit, at, &step).await?)
}

fn attend(sga: &NovoSgaSimulator, at: Timestamp, observation: &Observation) -> u64 {
    let Observation::Ticket(event) = observation else {
        return 0;
    };
    let step = match &event.step {
        TicketStep::Issued { .. } => AttendanceStep::Issue,
        TicketStep::Called { counter, staff } => AttendanceStep::Call {
            place: number(counter),
            user: staff.as_ref().map_or("", StaffId::as_str),
        },
        TicketStep::Started { .. } => AttendanceStep::Start,
        _ => AttendanceStep::Finish,
    };
    sga.step(event.ticket.as_str(), at, &step)
}

fn pull(fqm: &FqmSimulator, at: Timestamp, observation: &Observation) -> u64 {
    let Observation::Ticket(event) = observation else {
        return 0;
    };
    let ticket = event.ticket.as_str().parse().unwrap_or(0);
    match &event.step {
        TicketStep::Called { counter, .. } => fqm.pull(ticket, number(counter), at),
        _ => fqm.issue(ticket, 1, at),
    }
}
