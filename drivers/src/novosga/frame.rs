//! What NovoSGA's interface says of the tickets of a unit, and what is new in it. Pure.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zhiban_vocabulary::{StaffId, TicketNumber};

/// A customer who is sent on gets a new `atendimento` with the old number, made within this of
/// the end of the old one.
const SENT_ON_WITHIN_S: i64 = 5;

/// An `atendimento`: one number at one service. Names of customers are not read. All times are
/// in the zone of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: u64,
    /// `senha.format`, such as `A001`.
    pub number: TicketNumber,
    pub service: u64,
    pub service_name: String,
    /// `prioridade.peso` above 0.
    pub is_priority: bool,
    /// `usuario`: who called.
    pub staff: Option<StaffId>,
    pub status: Status,
    /// `dataChegada`
    pub came: DateTime,
    /// `dataChamada`
    pub called: Option<DateTime>,
    /// `dataInicio`
    pub started: Option<DateTime>,
    /// `dataFim`
    pub ended: Option<DateTime>,
    letters: String,
    digits: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Status {
    #[serde(rename = "emitida")]
    Issued,
    #[serde(rename = "chamado")]
    Called,
    #[serde(rename = "iniciado")]
    Started,
    #[serde(rename = "encerrado")]
    Finished,
    #[serde(rename = "nao_compareceu")]
    NoShow,
    #[serde(rename = "cancelada")]
    Cancelled,
    /// Sent on to another service; the new `atendimento` tells the rest.
    #[serde(rename = "erro_triagem")]
    SentOn,
}

/// A line of the panel (`PainelSenha`): a call, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counts up with every call.
    pub id: u64,
    /// `numeroLocal`
    pub place: u64,
    letters: String,
    digits: u64,
    service: Option<u64>,
}

impl Line {
    fn is_of(&self, ticket: &Ticket) -> bool {
        let service = self.service.unwrap_or(ticket.service);
        (&self.letters, self.digits, service) == (&ticket.letters, ticket.digits, ticket.service)
    }
}

/// What the bus monitor may show. `nome` is a service's: the table of the customer is left out.
pub(super) const KEYS: &[&str] = &[
    "id",
    "senha",
    "sigla",
    "numero",
    "format",
    "servico",
    "nome",
    "prioridade",
    "peso",
    "status",
    "dataChegada",
    "dataChamada",
    "dataInicio",
    "dataFim",
    "usuario",
    "numeroSenha",
    "siglaSenha",
    "numeroLocal",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenTicket {
    id: u64,
    senha: WrittenNumber,
    servico: WrittenService,
    prioridade: Option<WrittenPriority>,
    status: Status,
    data_chegada: DateTime,
    data_chamada: Option<DateTime>,
    data_inicio: Option<DateTime>,
    data_fim: Option<DateTime>,
    usuario: Option<String>,
}

#[derive(Deserialize)]
struct WrittenNumber {
    sigla: Option<String>,
    numero: u64,
    format: String,
}

#[derive(Deserialize)]
struct WrittenService {
    id: u64,
    nome: Option<String>,
}

#[derive(Deserialize)]
struct WrittenPriority {
    peso: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLine {
    id: u64,
    numero_senha: u64,
    sigla_senha: Option<String>,
    numero_local: u64,
    servico: Option<WrittenService>,
}

/// Reads `/api/unidades/{id}/atendimentos`; gives how many make no sense, too.
///
/// # Errors
/// What is wrong with the list as a whole.
pub fn tickets(body: &[u8]) -> Result<(Vec<Ticket>, u64), serde_json::Error> {
    list(body, |written: WrittenTicket| {
        Some(Ticket {
            id: written.id,
            number: written.senha.format.parse().ok()?,
            service: written.servico.id,
            service_name: written.servico.nome.unwrap_or_default(),
            is_priority: written.prioridade.and_then(|priority| priority.peso) > Some(0),
            staff: written.usuario.and_then(|user| user.parse().ok()),
            status: written.status,
            came: written.data_chegada,
            called: written.data_chamada,
            started: written.data_inicio,
            ended: written.data_fim,
            letters: written.senha.sigla.unwrap_or_default(),
            digits: written.senha.numero,
        })
    })
}

/// Reads `/api/unidades/{id}/painel`, the ten newest calls.
///
/// # Errors
/// As [`tickets`].
pub fn panel(body: &[u8]) -> Result<(Vec<Line>, u64), serde_json::Error> {
    list(body, |written: WrittenLine| {
        Some(Line {
            id: written.id,
            place: written.numero_local,
            letters: written.sigla_senha.unwrap_or_default(),
            digits: written.numero_senha,
            service: written.servico.map(|service| service.id),
        })
    })
}

fn list<W: DeserializeOwned, T>(
    body: &[u8],
    read: impl Fn(W) -> Option<T>,
) -> Result<(Vec<T>, u64), serde_json::Error> {
    let values: Vec<Value> = serde_json::from_slice(body)?;
    let length = values.len();
    let written = values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok());
    let items: Vec<T> = written.filter_map(read).collect();
    let bad = (length - items.len()) as u64;
    Ok((items, bad))
}

/// What happened to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Issued,
    /// Came from another service with its number.
    SentOn,
    /// At this place.
    Called(u64),
    /// Called again, by this line of the panel.
    Recalled {
        line: u64,
        place: u64,
    },
    Started(u64),
    Finished,
    NoShow,
    Cancelled,
    /// Moved to another service while it waits; NovoSGA does not say when.
    Moved,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening<'t> {
    pub ticket: &'t Ticket,
    pub step: Step,
    /// With ticket and step a name for it; its time, too, but for [`Step::Recalled`] and
    /// [`Step::Moved`].
    pub at: DateTime,
}

/// A ticket as it was last told, and the last line of the panel about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    ticket: Ticket,
    line: Option<Line>,
}

/// What was told and what was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// All that was told, by the id of the `atendimento`.
    told: BTreeMap<u64, Told>,
    /// The panel as it was read last.
    panel: Vec<Line>,
}

/// What is new, oldest first, and what is to be remembered when it is told.
///
/// Once it is `most` happenings, the other tickets stay as they were told: they are news the next
/// time. A ticket is always told whole: the name of [`Step::Moved`] does not outlast the memory.
///
/// `panel` was read behind the tickets and may know of a call they do not have yet. So lines are older
/// than a ticket that waits only when the panel before this one had them.
#[must_use]
pub fn news<'t>(
    tickets: &'t [Ticket],
    panel: &[Line],
    memory: &Memory,
    most: usize,
) -> (Vec<Happening<'t>>, Memory) {
    let mut news = Vec::new();
    let mut remembered = BTreeMap::new();
    for ticket in tickets {
        let before = memory.told.get(&ticket.id);
        if news.len() >= most {
            remembered.extend(before.map(|told| (ticket.id, told.clone())));
            continue;
        }
        let line = ticket.called.and_then(|_| place(ticket, panel, before));
        let last = match ticket.called {
            Some(_) => line,
            None => newest(ticket, &memory.panel),
        };
        let ticket_before = before.map(|told| &told.ticket);
        news.extend(since(ticket, tickets, ticket_before, line));
        news.extend(recall(ticket, before, line));
        let mut told = Told {
            ticket: ticket.clone(),
            line: last.or(before.and_then(|told| told.line.as_ref())).cloned(),
        };
        let is_there = matches!(ticket.status, Status::Called | Status::Started);
        if is_there && line.is_none() {
            // Called a moment ago, and the panel, which has the place, will say so.
            told.ticket.called = ticket_before.and_then(|before| before.called);
            told.ticket.started = ticket_before.and_then(|before| before.started);
        }
        remembered.insert(ticket.id, told);
    }
    // Steps of one ticket are in order, and stay so.
    news.sort_by_key(|happening| happening.at);
    let memory = Memory {
        told: remembered,
        panel: panel.to_vec(),
    };
    (news, memory)
}

/// The last line of a panel about a ticket.
fn newest<'l>(ticket: &Ticket, panel: &'l [Line]) -> Option<&'l Line> {
    let own = panel.iter().filter(|line| line.is_of(ticket));
    own.max_by_key(|line| line.id)
}

/// The line of the panel that says where a ticket was called to. Lines about an earlier call do
/// not; the line of the present call may be gone from the panel and is remembered.
fn place<'l>(ticket: &Ticket, panel: &'l [Line], before: Option<&'l Told>) -> Option<&'l Line> {
    let last = before.and_then(|told| told.line.as_ref());
    let is_called_anew = before.is_some_and(|told| told.ticket.called != ticket.called);
    let is_older = |line: &&Line| last.is_some_and(|last| line.id <= last.id);
    newest(ticket, panel)
        .filter(|line| !(is_called_anew && is_older(line)))
        .or(last.filter(|_| !is_called_anew))
}

/// A new line of the panel about a call that was told.
fn recall<'t>(
    ticket: &'t Ticket,
    before: Option<&Told>,
    line: Option<&Line>,
) -> Option<Happening<'t>> {
    let (before, line, at) = (before?, line?, ticket.called?);
    let is_new = before.line.as_ref().is_some_and(|last| last.id < line.id);
    let is_same_call = before.ticket.called == ticket.called;
    let is_called = ticket.status == Status::Called;
    (is_new && is_same_call && is_called).then_some(Happening {
        ticket,
        step: Step::Recalled {
            line: line.id,
            place: line.place,
        },
        at,
    })
}

fn since<'t>(
    ticket: &'t Ticket,
    all: &[Ticket],
    before: Option<&Ticket>,
    line: Option<&Line>,
) -> Vec<Happening<'t>> {
    let mut news = Vec::new();
    let mut put = |step, at| news.push(Happening { ticket, step, at });
    match before {
        None if came_from(ticket, all).is_some() => put(Step::SentOn, ticket.came),
        None => put(Step::Issued, ticket.came),
        Some(before) if before.service != ticket.service => put(Step::Moved, ticket.came),
        Some(_) => {}
    }
    let is_new = |now: Option<DateTime>, then: fn(&Ticket) -> Option<DateTime>| {
        now.filter(|now| before.and_then(then) != Some(*now))
    };
    if let Some(line) = line {
        let called = is_new(ticket.called, |before| before.called);
        called.into_iter().for_each(|at| put(Step::Called(line.place), at));
        let started = is_new(ticket.started, |before| before.started);
        started.into_iter().for_each(|at| put(Step::Started(line.place), at));
    }
    let end = match ticket.status {
        // The customer goes on: the new `atendimento` tells it.
        Status::Finished if all.iter().any(|other| goes_on(ticket, other)) => None,
        Status::Finished => Some(Step::Finished),
        Status::NoShow => Some(Step::NoShow),
        Status::Cancelled => Some(Step::Cancelled),
        Status::Issued | Status::Called | Status::Started | Status::SentOn => None,
    };
    if let (Some(step), Some(at)) = (end, is_new(ticket.ended, |before| before.ended)) {
        put(step, at);
    }
    news
}

/// The `atendimento` a customer with this one was sent on from.
fn came_from<'a>(ticket: &Ticket, all: &'a [Ticket]) -> Option<&'a Ticket> {
    all.iter().find(|earlier| goes_on(earlier, ticket))
}

fn goes_on(earlier: &Ticket, later: &Ticket) -> bool {
    let Some(ended) = earlier.ended else {
        return false;
    };
    let apart = later.came.duration_since(ended).as_secs().abs();
    let is_left = matches!(earlier.status, Status::Finished | Status::SentOn);
    earlier.number == later.number
        && earlier.id < later.id
        && is_left
        && apart <= SENT_ON_WITHIN_S
}

/// For the fuzzer: whatever is read once is no news the second time.
///
/// # Panics
/// When it is.
pub fn fuzz(bytes: &[u8]) {
    let lines = panel(bytes).unwrap_or_default().0;
    let Ok((mut tickets, _)) = tickets(bytes) else {
        return;
    };
    tickets.sort_by_key(|ticket| ticket.id);
    tickets.dedup_by_key(|ticket| ticket.id);
    let (_, told) = news(&tickets, &lines, &Memory::default(), usize::MAX);
    let (again, told) = news(&tickets, &lines, &told, usize::MAX);
    assert!(again.is_empty(), "news twice: {again:?}");
    let (_, told_again) = news(&tickets, &lines, &told, usize::MAX);
    assert_eq!(told, told_again);
}

#[cfg(test)]
mod tests;
