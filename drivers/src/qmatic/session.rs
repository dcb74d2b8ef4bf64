//! Takes the events of Orchestra, and answers each when what it says is on disk.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use zhiban_vocabulary::counter::{CounterChange, CounterState};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::queue::{CustomerClass, TicketEvent, TicketStep};
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, QueueId, StaffId, TicketNumber};

use super::frame::{self, Event, Malformed};
use super::settings::{Meaning, Settings};
use crate::link::http::Client;
use crate::link::{Direction, Tap};
use crate::{Driver, DriverError, Hook, HookAnswer, NotTaken, Occurrence, Outlet, Running, Session};

/// How often we show that we are not stuck, and register.
const BEAT_EVERY: Duration = Duration::from_secs(30);
/// Visits whose ticket is remembered, for events that name only the visit.
const VISITS_MAX: usize = 10_000;

pub(crate) struct Qmatic {
    settings: Settings,
}

impl Qmatic {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Qmatic {
    fn device(&self) -> DeviceKind {
        DeviceKind::QueueSystem
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(&self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: &Settings, mut session: Session) -> Result<Infallible, DriverError> {
    let mut desk = Desk {
        settings,
        outlet: session.outlet,
        visits: Visits::default(),
        tap: session.line.tap().clone(),
        trouble: None,
    };
    let mut beat_at = Instant::now();
    loop {
        tokio::select! {
            hook = session.hooks.next() => desk.take(hook).await?,
            () = sleep_until(beat_at) => {
                beat_at = Instant::now() + BEAT_EVERY;
                desk.register().await?;
            }
        }
    }
}

struct Desk<'s> {
    settings: &'s Settings,
    outlet: Outlet,
    visits: Visits,
    tap: Tap,
    /// Why we are not registered.
    trouble: Option<String>,
}

/// What a request comes to.
enum Said {
    Observation(Occurrence, Observation),
    /// An event of another branch, or one that means nothing to the hall.
    Nothing,
    /// An event nobody has told us of.
    Unknown,
}

impl Desk<'_> {
    /// The events module forgets whoever it could not reach once, and all when it restarts; it
    /// takes a second registration for the first.
    async fn register(&mut self) -> Result<(), NotTaken> {
        self.outlet.beat();
        let Some((orchestra, hook)) = &self.settings.register else {
            return Ok(());
        };
        let client = Client::new(orchestra.clone(), self.tap.clone());
        let pairs = [("url", hook.reveal())];
        let registered = client.get_secrets("/qpevents/hooks/register", &pairs).await;
        self.trouble = registered
            .err()
            .map(|error| format!("not registered: {error}"));
        self.well().await
    }

    async fn well(&self) -> Result<(), NotTaken> {
        match &self.trouble {
            None => self.outlet.alive().await,
            Some(trouble) => self.outlet.degraded(trouble.clone()).await,
        }
    }

    /// Ends the session only when the journal is gone: a requester that hears "not now" may ask
    /// again.
    async fn take(&mut self, hook: Hook) -> Result<(), DriverError> {
        let event = frame::read(&hook.body);
        self.note(&event, hook.body.len());
        let answer = match event.and_then(|event| self.understand(&event)) {
            Err(malformed) => {
                self.outlet.bad_frame();
                HookAnswer::Refused(malformed.to_string())
            }
            Ok(said) => match self.tell(said).await {
                Ok(()) => HookAnswer::Taken,
                Err(error @ NotTaken::Refused(_)) => HookAnswer::Unavailable(error.to_string()),
                Err(error) => {
                    hook.answer(HookAnswer::Unavailable(error.to_string()));
                    return Err(error.into());
                }
            },
        };
        hook.answer(answer);
        Ok(())
    }

    async fn tell(&mut self, said: Said) -> Result<(), NotTaken> {
        match said {
            Said::Observation(which, observation) => {
                let time = Some(which.at);
                self.outlet.deliver_once(which, time, observation).await?;
            }
            Said::Unknown => self.outlet.bad_frame(),
            Said::Nothing => {}
        }
        self.well().await
    }

    /// Notes what was understood and nothing else: events carry names of customers.
    fn note(&self, event: &Result<Event, Malformed>, length: usize) {
        let noted = match event {
            Ok(event) => event.noted(),
            Err(_) => format!("({length} bytes, no event)"),
        };
        self.tap.note(Direction::In, noted.as_bytes());
    }

    fn understand(&mut self, event: &Event) -> Result<Said, Malformed> {
        let Some(meaning) = self.settings.meaning(&event.name) else {
            tracing::debug!(event = %event.name, "unknown event of Orchestra");
            return Ok(Said::Unknown);
        };
        if meaning == Meaning::Nothing || self.is_elsewhere(event)? {
            return Ok(Said::Nothing);
        }
        let state = match meaning {
            Meaning::Open => Some(CounterState::Open),
            Meaning::Closed => Some(CounterState::Closed),
            _ => None,
        };
        match state {
            Some(state) => self.counter_change(event, state),
            None => self.ticket_event(event, meaning),
        }
    }

    fn is_elsewhere(&self, event: &Event) -> Result<bool, Malformed> {
        match self.settings.branch {
            Some(branch) => Ok(event.number("branchId")? != branch),
            None => Ok(false),
        }
    }

    fn counter_change(&self, event: &Event, state: CounterState) -> Result<Said, Malformed> {
        let change = CounterChange {
            counter: self.counter(event)?,
            state,
            staff: staff(event).filter(|_| state == CounterState::Open),
        };
        let which = Occurrence {
            id: event
                .unit
                .or_else(|| event.number("servicePointLogicId").ok())
                .unwrap_or_default(),
            at: event.time,
        };
        Ok(Said::Observation(which, Observation::Counter(change)))
    }

    fn ticket_event(&mut self, event: &Event, meaning: Meaning) -> Result<Said, Malformed> {
        let id = event.number("visitId")?;
        let known = self.visits.get(id);
        let ticket = match event.text(&["ticket"]) {
            Some(ticket) => ticket
                .parse()
                .map_err(|_| event.malformed("ticket", "a ticket number"))?,
            None => known
                .map(|visit| visit.ticket.clone())
                .ok_or_else(|| event.malformed("ticket", "a ticket number, for a visit not seen before"))?,
        };
        let queue = self.queue(event).or_else(|| known?.queue.clone());
        let Some(step) = self.step(event, meaning, queue.clone())? else {
            return Ok(Said::Nothing);
        };
        self.visits.put(
            id,
            Visit {
                ticket: ticket.clone(),
                queue,
            },
        );
        let which = Occurrence { id, at: event.time };
        let observation = Observation::Ticket(TicketEvent { ticket, step });
        Ok(Said::Observation(which, observation))
    }

    fn step(
        &self,
        event: &Event,
        meaning: Meaning,
        queue: Option<QueueId>,
    ) -> Result<Option<TicketStep>, Malformed> {
        let need_queue = || event.malformed("queueName", "the name or queueId of a queue");
        let service = || {
            let id = event.text(&["serviceOrigId", "service"]);
            let name = event.text(&["serviceIntName", "serviceExtName"]);
            self.settings.service(id.as_deref(), name.as_deref())
        };
        Ok(Some(match meaning {
            Meaning::Issued => TicketStep::Issued {
                queue: queue.ok_or_else(need_queue)?,
                class: CustomerClass::Ordinary,
                service: service(),
            },
            Meaning::Called => TicketStep::Called {
                counter: self.counter(event)?,
                staff: staff(event),
            },
            Meaning::Recalled => TicketStep::Recalled {
                counter: self.counter(event)?,
            },
            Meaning::Started => TicketStep::Started {
                counter: self.counter(event)?,
                staff: staff(event),
            },
            Meaning::Finished => TicketStep::Finished { service: service() },
            Meaning::NoShow => TicketStep::NoShow {},
            Meaning::Transferred => TicketStep::Transferred {
                queue: queue.ok_or_else(need_queue)?,
                counter: None,
            },
            Meaning::Cancelled => TicketStep::Cancelled {},
            Meaning::Open | Meaning::Closed | Meaning::Nothing => return Ok(None),
        }))
    }

    fn counter(&self, event: &Event) -> Result<CounterId, Malformed> {
        let number = event.text(&["servicePointLogicId"]);
        let name = event.text(&["servicePointName"]);
        let counter = self.settings.counter(number.as_deref(), name.as_deref());
        counter.ok_or_else(|| event.malformed("servicePointLogicId", "the number of a counter"))
    }

    fn queue(&self, event: &Event) -> Option<QueueId> {
        let id = event.text(&["queueOrigId", "queueId"]);
        let name = event.text(&["queueName"]);
        self.settings.queue(id.as_deref(), name.as_deref())
    }
}

/// `user` is the name somebody signs on with; names of persons are not read.
fn staff(event: &Event) -> Option<StaffId> {
    event.text(&["user"]).and_then(|user| user.parse().ok())
}

struct Visit {
    ticket: TicketNumber,
    queue: Option<QueueId>,
}

/// The newest visits by their id.
#[derive(Default)]
struct Visits {
    visits: BTreeMap<u64, Visit>,
    oldest_first: VecDeque<u64>,
}

impl Visits {
    fn get(&self, id: u64) -> Option<&Visit> {
        self.visits.get(&id)
    }

    fn put(&mut self, id: u64, visit: Visit) {
        if self.visits.insert(id, visit).is_none() {
            self.oldest_first.push_back(id);
        }
        if self.oldest_first.len() > VISITS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.visits.remove(&oldest);
        }
    }
}
