//! Reads the tickets of a unit again whenever the hub says that something changed, and every now
//! and then anyway.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::queue::{CustomerClass, TicketEvent, TicketStep};
use zhiban_vocabulary::report::Observation;

use super::frame::{self, Happening, Memory, Step, Ticket};
use super::settings::Settings;
use crate::link::http::{Answer, Client, Events, HttpError};
use crate::outlet::{CATCH_UP_EVERY, CATCH_UP_MAX};
use crate::{Driver, DriverError, NotTaken, Occurrence, Outlet, Running, Session};

/// How often is read while the hub is listened to.
const QUIET: Duration = Duration::from_secs(30);
/// Shortest time between two readings, however often the hub calls.
const SPACING: Duration = Duration::from_millis(500);
/// How often a hub that is away is looked for.
const HUB_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct NovoSga {
    settings: Settings,
}

impl NovoSga {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for NovoSga {
    fn device(&self) -> DeviceKind {
        DeviceKind::QueueSystem
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.base.peer().to_owned())
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.settings.unit.to_string()]
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(&self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: &Settings, session: Session) -> Result<Infallible, DriverError> {
    let tap = session.line.tap().clone();
    let hub = settings.hub.as_ref().map(|(base, token)| {
        let client = Client::new(base.clone(), tap.clone());
        match token {
            Some(token) => client.authorized(&format!("Bearer {}", token.reveal())),
            None => client,
        }
    });
    let mut reader = Reader {
        settings,
        client: Client::new(settings.base.clone(), tap).showing(frame::KEYS),
        outlet: session.outlet,
        memory: Memory::default(),
        today: None,
    };
    let mut hub = Hub {
        client: hub,
        unit: settings.unit,
        events: None,
        look_at: Instant::now(),
        trouble: None,
    };
    reader.sign_in().await?;
    reader.identify().await?;
    loop {
        // Listening begins before reading, so that nothing falls in between.
        hub.listen().await;
        let is_all_told = reader.read().await?;
        reader.well(&hub).await?;
        if !is_all_told {
            // Also when the hub calls.
            sleep(CATCH_UP_EVERY).await;
            continue;
        }
        let next = match &hub.events {
            Some(_) => QUIET,
            None => settings.poll,
        };
        let read_at = Instant::now() + next;
        tokio::select! {
            () = hub.called() => {}
            () = sleep_until(read_at) => {}
        }
        let bad = hub.events.as_mut().map_or(0, Events::take_bad);
        reader.outlet.bad_frames(bad);
        sleep(SPACING).await;
    }
}

/// The Mercure hub. What it sends names what changed, never how: it is only a reason to read.
struct Hub {
    client: Option<Client>,
    unit: u64,
    events: Option<Events>,
    look_at: Instant,
    trouble: Option<String>,
}

impl Hub {
    async fn listen(&mut self) {
        let Some(client) = &self.client else { return };
        if self.events.is_some() || Instant::now() < self.look_at {
            return;
        }
        let unit = self.unit;
        let topics = format!("?topic=/unidades/{unit}/fila&topic=/unidades/{unit}/painel");
        match client.events(&topics).await {
            Ok(events) => {
                self.events = Some(events);
                self.trouble = None;
            }
            Err(error) => {
                self.look_at = Instant::now() + HUB_EVERY;
                self.trouble = Some(format!("read less often: {error}"));
            }
        }
    }

    /// Resolves when something changed, or the hub is gone and has to be looked for.
    async fn called(&mut self) {
        let Some(events) = &mut self.events else {
            return std::future::pending().await;
        };
        if !matches!(events.next().await, Ok(Some(_))) {
            self.events = None;
            self.look_at = Instant::now();
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

struct Reader<'s> {
    settings: &'s Settings,
    client: Client,
    outlet: Outlet,
    memory: Memory,
    today: Option<Date>,
}

impl Reader<'_> {
    async fn sign_in(&mut self) -> Result<(), HttpError> {
        let plain = Client::clone(&self.client);
        let answer = plain.post_secrets("/api/token", &self.settings.grant()).await?;
        let token: Token = answer.json()?;
        self.client = plain.authorized(&format!("Bearer {}", token.access_token));
        Ok(())
    }

    /// A token lives for an hour or so; the answer that says it is over says nothing else.
    async fn get(&mut self, path: &str) -> Result<Answer, DriverError> {
        self.outlet.beat();
        match self.client.get(path).await {
            Err(HttpError::Refused { status: 401, .. }) => {
                self.sign_in().await?;
                Ok(self.client.get(path).await?)
            }
            other => Ok(other?),
        }
    }

    async fn identify(&mut self) -> Result<(), DriverError> {
        let answer = self.get("/api").await?;
        let said: serde_json::Value = answer.json()?;
        if said["status"] != "ok" {
            let peer = self.settings.base.peer();
            return Err(DriverError::Device(format!("{peer}: is no NovoSGA")));
        }
        let identity = DeviceIdentity {
            model: Some("NovoSGA".to_owned()),
            ..DeviceIdentity::default()
        };
        Ok(self
            .outlet
            .deliver(Observation::Identity(identity))
            .await?)
    }

    async fn well(&self, hub: &Hub) -> Result<(), NotTaken> {
        match &hub.trouble {
            None => self.outlet.alive().await,
            Some(trouble) => self.outlet.degraded(trouble.clone()).await,
        }
    }

    /// Reads all and tells what is new. Gives whether that was everything.
    async fn read(&mut self) -> Result<bool, DriverError> {
        let unit = self.settings.unit;
        let path = format!("/api/unidades/{unit}/atendimentos");
        let answer = self.get(&path).await?;
        let (tickets, bad) =
            frame::tickets(&answer.body).map_err(|error| self.unreadable(&path, &error))?;
        self.outlet.bad_frames(bad);
        let tickets = self.of_today(tickets, answer.date);
        if tickets.is_empty() {
            return Ok(true);
        }
        let mut services: Vec<u64> = tickets.iter().map(|ticket| ticket.service).collect();
        services.sort_unstable();
        services.dedup();
        let services: Vec<String> = services.iter().map(u64::to_string).collect();
        let path = format!("/api/unidades/{unit}/painel?servicos={}", services.join(","));
        let answer = self.get(&path).await?;
        let (panel, bad) =
            frame::panel(&answer.body).map_err(|error| self.unreadable(&path, &error))?;
        self.outlet.bad_frames(bad);
        let (news, memory) = frame::news(&tickets, &panel, &self.memory, CATCH_UP_MAX);
        for happening in &news {
            self.tell(happening).await?;
        }
        self.memory = memory;
        Ok(news.len() < CATCH_UP_MAX)
    }

    /// NovoSGA keeps all tickets until somebody ends the day. Today is what its clock says, or else
    /// the day of its newest ticket.
    fn of_today(&mut self, mut tickets: Vec<Ticket>, date: Option<Timestamp>) -> Vec<Ticket> {
        let shown = date.map(|date| date.to_zoned(self.settings.zone.clone()).date());
        let newest = tickets.iter().map(|ticket| ticket.came.date()).max();
        let today = shown.or(newest).max(self.today);
        self.today = today;
        tickets.retain(|ticket| Some(ticket.came.date()) >= today);
        tickets
    }

    async fn tell(&self, happening: &Happening<'_>) -> Result<(), DriverError> {
        let Some(event) = self.event(happening) else {
            self.outlet.bad_frame();
            return Ok(());
        };
        let observation = Observation::Ticket(event);
        let Some(at) = self.timestamp(happening.at) else {
            return Ok(self.outlet.deliver(observation).await?);
        };
        let (id, time) = match happening.step {
            Step::Moved => return Ok(self.outlet.deliver(observation).await?),
            Step::Recalled { line, .. } => (line, None),
            _ => (happening.ticket.id, Some(at)),
        };
        let which = Occurrence { id, at };
        Ok(self.outlet.deliver_once(which, time, observation).await?)
    }

    fn timestamp(&self, time: DateTime) -> Option<Timestamp> {
        let zoned = time.to_zoned(self.settings.zone.clone()).ok()?;
        Some(zoned.timestamp())
    }

    /// `None` for a place or a service that can have no name here; there is none.
    fn event(&self, happening: &Happening<'_>) -> Option<TicketEvent> {
        let ticket = happening.ticket;
        let queue = self.settings.queue(ticket.service, &ticket.service_name)?;
        let staff = ticket.staff.clone();
        let step = match happening.step {
            Step::Issued => TicketStep::Issued {
                queue,
                class: match ticket.is_priority {
                    true => CustomerClass::Priority,
                    false => CustomerClass::Ordinary,
                },
                service: None,
            },
            Step::SentOn | Step::Moved => TicketStep::Transferred {
                queue,
                counter: None,
            },
            Step::Called(place) => TicketStep::Called {
                counter: self.settings.counter(place)?,
                staff,
            },
            Step::Recalled { place, .. } => TicketStep::Recalled {
                counter: self.settings.counter(place)?,
            },
            Step::Started(place) => TicketStep::Started {
                counter: self.settings.counter(place)?,
                staff,
            },
            Step::Finished => TicketStep::Finished { service: None },
            Step::NoShow => TicketStep::NoShow {},
            Step::Cancelled => TicketStep::Cancelled {},
        };
        Some(TicketEvent {
            ticket: ticket.number.clone(),
            step,
        })
    }

    fn unreadable(&self, path: &str, error: &serde_json::Error) -> HttpError {
        HttpError::Unreadable {
            url: format!("http://{}{path}", self.settings.base.peer()),
            problem: error.to_string(),
        }
    }
}
