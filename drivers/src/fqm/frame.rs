//! What FQM's REST interface says, and what is new in it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use zhiban_vocabulary::TicketNumber;

/// Tickets FQM gives in one chunk; fewer mean that it is the last.
pub const PER_CHUNK: usize = 30;

/// A ticket (`serials`) as far as it concerns us. Names of customers are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: u64,
    pub number: TicketNumber,
    pub task: u64,
    pub office: u64,
    /// `timestamp`
    pub issued: Timestamp,
    pub pulled: Option<Pull>,
    pub state: State,
}

/// The last time somebody pulled the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pull {
    /// `pdt`
    pub at: Timestamp,
    /// `pulledBy`: a user of the panel, or a token of the interface; FQM does not say which.
    pub by: Option<u64>,
}

/// `p` and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting,
    Processed,
    /// Pulled, and nobody came.
    Unattended,
}

/// What of a ticket and of a task the bus monitor may show.
pub(super) const TICKET_KEYS: &[&str] = &[
    "id",
    "number",
    "timestamp",
    "p",
    "pdt",
    "pulledBy",
    "status",
    "office_id",
    "task_id",
];
pub(super) const TASK_KEYS: &[&str] = &["id", "name"];

#[derive(Deserialize)]
struct Written {
    id: u64,
    number: Number,
    timestamp: String,
    p: Option<bool>,
    pdt: Option<String>,
    #[serde(rename = "pulledBy")]
    pulled_by: Option<u64>,
    status: Option<String>,
    office_id: Option<u64>,
    task_id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

#[derive(Deserialize)]
struct Task {
    id: u64,
    name: Option<String>,
}

/// One chunk of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<T> {
    pub items: Vec<T>,
    /// How many FQM gave, those included that make no sense.
    pub length: usize,
}

impl<T> Chunk<T> {
    /// Items that could not be read.
    #[must_use]
    pub fn bad(&self) -> usize {
        self.length - self.items.len()
    }

    #[must_use]
    pub fn is_last(&self) -> bool {
        self.length < PER_CHUNK
    }
}

/// Reads a list of tickets.
///
/// # Errors
/// What is wrong with the list as a whole; tickets that make no sense are left out.
pub fn tickets(body: &[u8]) -> Result<Chunk<Ticket>, serde_json::Error> {
    list(body, ticket)
}

/// Reads a list of tasks: their names by id.
///
/// # Errors
/// As [`tickets`].
pub fn tasks(body: &[u8]) -> Result<Chunk<(u64, String)>, serde_json::Error> {
    list(body, |task: Task| Some((task.id, task.name?)))
}

fn list<W: serde::de::DeserializeOwned, T>(
    body: &[u8],
    read: impl Fn(W) -> Option<T>,
) -> Result<Chunk<T>, serde_json::Error> {
    let values: Vec<Value> = serde_json::from_slice(body)?;
    let length = values.len();
    let written = values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok());
    let items = written.filter_map(read).collect();
    Ok(Chunk { items, length })
}

fn ticket(written: Written) -> Option<Ticket> {
    let number = match written.number {
        Number::Text(text) => text,
        Number::Number(number) => number.to_string(),
    };
    let pulled = match written.pdt {
        Some(text) => Some(Pull {
            at: time(&text)?,
            // 0 is nobody.
            by: written.pulled_by.filter(|by| *by != 0),
        }),
        None => None,
    };
    let processed = written.p == Some(true);
    let unattended = written.status.as_deref() == Some("Unattended");
    Some(Ticket {
        id: written.id,
        number: number.parse().ok()?,
        task: written.task_id?,
        office: written.office_id?,
        issued: time(&written.timestamp)?,
        pulled,
        state: match (processed, unattended) {
            (false, _) => State::Waiting,
            (true, false) => State::Processed,
            (true, true) => State::Unattended,
        },
    })
}

/// FQM keeps UTC and does not write it.
fn time(text: &str) -> Option<Timestamp> {
    let written: DateTime = text.parse().ok()?;
    let zoned = written.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

/// What happened to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Issued,
    Called,
    NoShow,
    /// Called before and waiting again.
    PutBack,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening<'t> {
    pub ticket: &'t Ticket,
    pub step: Step,
    /// With ticket and step a name for it: the time of the issue or the pull it follows.
    pub after: Timestamp,
}

impl Happening<'_> {
    /// When it happened, where FQM says so.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        match self.step {
            Step::Issued | Step::Called => Some(self.after),
            Step::NoShow | Step::PutBack => None,
        }
    }
}

/// What is new about these tickets, oldest first. A ticket that was deleted says nothing.
#[must_use]
pub fn news<'t>(tickets: &'t [Ticket], told: &BTreeMap<u64, Ticket>) -> Vec<Happening<'t>> {
    let mut news: Vec<Happening<'t>> = tickets
        .iter()
        .flat_map(|ticket| {
            // After all tickets are deleted, ids begin again.
            let before = told.get(&ticket.id);
            let before = before.filter(|before| before.issued == ticket.issued);
            since(ticket, before)
        })
        .collect();
    // Steps of one ticket are in order, and stay so.
    news.sort_by_key(|happening| happening.after);
    news
}

fn since<'t>(
    ticket: &'t Ticket,
    before: Option<&Ticket>,
) -> impl Iterator<Item = Happening<'t>> + use<'t> {
    let pulled = ticket.pulled.map(|pull| pull.at);
    let pulled_before = before.and_then(|before| before.pulled.map(|pull| pull.at));
    let is_pulled_anew = pulled != pulled_before;
    let state_before = before
        .map(|before| before.state)
        .filter(|_| !is_pulled_anew);
    let becomes = |state| ticket.state == state && state_before != Some(state);
    let issued = before.is_none().then_some((Step::Issued, ticket.issued));
    let of_pull = |step, happened: bool| pulled.filter(|_| happened).map(|at| (step, at));
    [
        issued,
        of_pull(Step::Called, is_pulled_anew),
        of_pull(Step::NoShow, becomes(State::Unattended)),
        of_pull(Step::PutBack, becomes(State::Waiting)),
    ]
    .into_iter()
    .flatten()
    .map(move |(step, after)| Happening {
        ticket,
        step,
        after,
    })
}

/// For the fuzzer: whatever is read once is no news the second time, and nothing comes before the
/// issue of its ticket.
///
/// # Panics
/// When that is not so.
pub fn fuzz(bytes: &[u8]) {
    let _ = tasks(bytes);
    let Ok(chunk) = tickets(bytes) else {
        return;
    };
    let mut told = BTreeMap::new();
    for ticket in &chunk.items {
        let one = std::slice::from_ref(ticket);
        let first = news(one, &told).first().map(|news| news.step);
        let known = told.get(&ticket.id).map(|told: &Ticket| told.issued);
        if known != Some(ticket.issued) {
            let early = ticket.pulled.is_some_and(|pull| pull.at < ticket.issued);
            assert!(first == Some(Step::Issued) || early, "{ticket:?}");
        }
        told.insert(ticket.id, ticket.clone());
        assert!(news(one, &told).is_empty(), "{ticket:?} is news twice");
    }
}

#[cfg(test)]
mod tests;
