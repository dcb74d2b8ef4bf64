//! Reads FQM's tickets of today again and again and tells what is new.

use std::collections::BTreeMap;
use std::convert::Infallible;

use jiff::Timestamp;
use jiff::civil::Date;
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::report::Observation;

use super::frame::{self, Chunk, Happening, PER_CHUNK, Step, Ticket};
use super::settings::Settings;
use crate::link::http::{Answer, Client, HttpError};
use crate::outlet::{CATCH_UP_EVERY, CATCH_UP_MAX};
use crate::{Driver, DriverError, Occurrence, Outlet, Running, Session};

/// Every so many readings all of today is read, not only what can change in the normal run.
const WHOLE_EVERY: u32 = 15;
/// 12 000 tickets of one day, or 300 000 tasks: whatever is more is no queue system.
const CHUNKS_A_DAY: u32 = 400;
/// FQM keeps old tickets; a million of them can be searched.
const CHUNKS_MAX: u32 = 1 << 15;

pub(crate) struct Fqm {
    settings: Settings,
}

impl Fqm {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Fqm {
    fn device(&self) -> DeviceKind {
        DeviceKind::QueueSystem
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.base.peer().to_owned())
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
    let client = Client::new(settings.base.clone(), tap)
        .authorized(settings.token.reveal())
        .showing(frame::TICKET_KEYS);
    let mut reader = Reader {
        settings,
        client,
        outlet: session.outlet,
        queues: BTreeMap::new(),
        told: BTreeMap::new(),
        first: 1,
        begin: 1,
        readings: 0,
        today: None,
    };
    reader.identify().await?;
    loop {
        let pause = match reader.poll().await? {
            true => settings.poll,
            false => settings.poll.max(CATCH_UP_EVERY),
        };
        tokio::time::sleep(pause).await;
    }
}

struct Reader<'s> {
    settings: &'s Settings,
    client: Client,
    outlet: Outlet,
    /// Names of tasks.
    queues: BTreeMap<u64, String>,
    /// Tickets of today as last told.
    told: BTreeMap<u64, Ticket>,
    /// The chunk with the first ticket of today.
    first: u32,
    /// Where a reading begins in the normal run: before all of today that still waits.
    begin: u32,
    readings: u32,
    today: Option<Date>,
}

impl Reader<'_> {
    /// FQM says what it is, and not of which version.
    async fn identify(&self) -> Result<(), DriverError> {
        let answer = self.client.get("/api/v1/swagger.json").await?;
        let described: serde_json::Value = answer.json()?;
        if described["info"]["title"] != "FQM API" {
            let peer = self.settings.base.peer();
            return Err(DriverError::Device(format!("{peer}: is no FQM")));
        }
        let identity = DeviceIdentity {
            model: Some("FQM".to_owned()),
            ..DeviceIdentity::default()
        };
        Ok(self
            .outlet
            .deliver(Observation::Identity(identity))
            .await?)
    }

    /// Gives whether all that is new was told.
    async fn poll(&mut self) -> Result<bool, DriverError> {
        if self.readings.is_multiple_of(WHOLE_EVERY) {
            self.find_today().await?;
        }
        self.readings = self.readings.wrapping_add(1);
        let tickets = self.tickets().await?;
        self.outlet.alive().await?;
        self.learn_queues(&tickets).await?;
        self.tell(&tickets).await
    }

    /// Finds the first chunk that is not all older than today. FQM lists tickets by their ids and
    /// never says where a day begins.
    async fn find_today(&mut self) -> Result<(), DriverError> {
        let mut beyond = 1;
        while !self.reaches_today(beyond).await? {
            beyond *= 2;
            if beyond > CHUNKS_MAX {
                let peer = self.settings.base.peer();
                return Err(DriverError::Device(format!(
                    "{peer}: more than {CHUNKS_MAX} chunks of tickets: delete old ones"
                )));
            }
        }
        let mut before = beyond / 2;
        while beyond - before > 1 {
            let middle = before.midpoint(beyond);
            if self.reaches_today(middle).await? {
                beyond = middle;
            } else {
                before = middle;
            }
        }
        (self.first, self.begin) = (beyond, beyond);
        Ok(())
    }

    /// Whether the last ticket of a chunk is of today, or would be.
    async fn reaches_today(&mut self, chunk: u32) -> Result<bool, DriverError> {
        let chunk = self.chunk(chunk).await?;
        let last = chunk.items.last();
        Ok(chunk.is_last() || last.is_some_and(|last| Some(self.day(last.issued)) >= self.today))
    }

    /// Tickets of today, all that wait among them.
    async fn tickets(&mut self) -> Result<Vec<Ticket>, DriverError> {
        let mut tickets = Vec::new();
        for number in self.begin..self.begin + CHUNKS_A_DAY {
            let chunk = self.chunk(number).await?;
            let of_today = chunk
                .items
                .iter()
                .filter(|ticket| Some(self.day(ticket.issued)) >= self.today);
            tickets.extend(of_today.cloned());
            if chunk.is_last() {
                self.come_back_to(&tickets, number);
                return Ok(tickets);
            }
        }
        let peer = self.settings.base.peer();
        Err(DriverError::Device(format!(
            "{peer}: more than {CHUNKS_A_DAY} chunks of tickets on one day"
        )))
    }

    /// Where the next reading begins: one chunk before all that waits. When that chunk is no longer
    /// full, tickets were deleted and the others have moved up.
    fn come_back_to(&mut self, tickets: &[Ticket], last: u32) {
        let moved_up = last == self.begin
            && (self.begin > self.first || tickets.is_empty() && !self.told.is_empty());
        if moved_up {
            self.readings = 0;
        }
        let waits = |ticket: &Ticket| ticket.state == frame::State::Waiting;
        let behind = tickets.iter().position(waits).map(|at| tickets.len() - at);
        let chunks = behind.unwrap_or(0).div_ceil(PER_CHUNK) + 1;
        let back = u32::try_from(chunks).unwrap_or(u32::MAX);
        self.begin = last.saturating_sub(back).max(self.first);
    }

    async fn chunk(&mut self, number: u32) -> Result<Chunk<Ticket>, DriverError> {
        let path = format!("/api/v1/tickets/?chunk={number}");
        let answer = self.client.get(&path).await?;
        self.outlet.beat();
        let chunk = frame::tickets(&answer.body).map_err(|error| self.unreadable(&path, &error))?;
        self.outlet.bad_frames(chunk.bad() as u64);
        let ids = chunk.items.iter().map(|ticket| ticket.id);
        if !ids.is_sorted() {
            let peer = self.settings.base.peer();
            return Err(DriverError::Device(format!(
                "{peer}: tickets are not listed by id, chunk {number}: its database is not supported"
            )));
        }
        self.see_day(&answer, &chunk);
        Ok(chunk)
    }

    /// Today is what the server's own clock says, or else the day of its newest ticket.
    fn see_day(&mut self, answer: &Answer, chunk: &Chunk<Ticket>) {
        let newest = chunk.items.last().map(|ticket| ticket.issued);
        let shown = answer.date.map(|date| self.day(date));
        let today = shown.or_else(|| newest.map(|newest| self.day(newest)).max(self.today));
        if today > self.today {
            // The day changed: what was told of the last one is no longer needed.
            self.told.clear();
            self.readings = 0;
        }
        self.today = today.max(self.today);
    }

    fn day(&self, time: Timestamp) -> Date {
        time.to_zoned(self.settings.zone.clone()).date()
    }

    /// Asks for the names of tasks when a ticket has one that is not known.
    async fn learn_queues(&mut self, tickets: &[Ticket]) -> Result<(), DriverError> {
        let unknown = |ticket: &Ticket| !self.queues.contains_key(&ticket.task);
        if !tickets.iter().any(unknown) {
            return Ok(());
        }
        let client = self.client.clone().showing(frame::TASK_KEYS);
        for number in 1..CHUNKS_A_DAY {
            let path = format!("/api/v1/tasks/?chunk={number}");
            let answer = client.get(&path).await?;
            let chunk = frame::tasks(&answer.body);
            let chunk = chunk.map_err(|error| self.unreadable(&path, &error))?;
            let is_last = chunk.is_last();
            self.queues.extend(chunk.items);
            if is_last {
                break;
            }
        }
        // A task that was deleted has no name, and is not asked for again.
        for ticket in tickets {
            self.queues.entry(ticket.task).or_default();
        }
        Ok(())
    }

    async fn tell(&mut self, tickets: &[Ticket]) -> Result<bool, DriverError> {
        let news = frame::news(tickets, &self.told);
        let told_now = news.len().min(CATCH_UP_MAX);
        for happening in &news[..told_now] {
            let Some(event) = self.event(happening) else {
                continue;
            };
            let which = Occurrence {
                id: happening.ticket.id,
                at: happening.after,
            };
            let observation = Observation::Ticket(event);
            let delivering = self
                .outlet
                .deliver_once(which, happening.time(), observation);
            delivering.await?;
        }
        // A ticket of which something is left to tell is compared with its old self again.
        let left: Vec<u64> = news[told_now..].iter().map(|left| left.ticket.id).collect();
        let told = tickets.iter().filter(|ticket| !left.contains(&ticket.id));
        self.told
            .extend(told.map(|ticket| (ticket.id, ticket.clone())));
        Ok(left.is_empty())
    }

    /// `None` for an office that cannot be a counter; there is none.
    fn event(&self, happening: &Happening<'_>) -> Option<TicketEvent> {
        let ticket = happening.ticket;
        let name = self.queues.get(&ticket.task).map(String::as_str);
        let queue = self.settings.queue(ticket.task, name)?;
        let puller = ticket.pulled.and_then(|pull| pull.by);
        let step = match happening.step {
            Step::Issued => TicketStep::Issued {
                queue,
                class: zhiban_vocabulary::queue::CustomerClass::Ordinary,
                service: None,
            },
            Step::Called => TicketStep::Called {
                counter: self.settings.counter(ticket.office, puller)?,
                staff: None,
            },
            Step::NoShow => TicketStep::NoShow {},
            Step::PutBack => TicketStep::Transferred {
                queue,
                counter: None,
            },
        };
        Some(TicketEvent {
            ticket: ticket.number.clone(),
            step,
        })
    }

    fn unreadable(&self, path: &str, error: &serde_json::Error) -> DriverError {
        HttpError::Unreadable {
            url: format!("http://{}{path}", self.settings.base.peer()),
            problem: error.to_string(),
        }
        .into()
    }
}
