//! A NovoSGA with one unit, and the Mercure hub beside it, in the shapes of its sources.

use std::fmt;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::link::Wire;
use crate::simulator::http::{Answer, Asked, serve};
use crate::simulator::{Changes, Clock, Device, Framing, Shared};

/// Calls the panel shows.
const CALLS_SHOWN: usize = 10;
const EVENTS_MAX: usize = 64;
const TOKEN: &str = "simulated-token";

/// A running NovoSGA.
pub struct NovoSgaSimulator {
    clock: Clock,
    /// In which it writes its times.
    zone: TimeZone,
    service: String,
    state: Shared<State>,
    changes: Changes,
    hub: broadcast::Sender<String>,
}

impl fmt::Debug for NovoSgaSimulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NovoSgaSimulator").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    tickets: Vec<Ticket>,
    /// Index of the ticket and place of every call.
    calls: Vec<(usize, u64)>,
    /// Changes the last list of tickets held.
    listed: u64,
}

#[derive(Debug)]
struct Ticket {
    number: String,
    status: &'static str,
    user: Option<String>,
    came: Timestamp,
    called: Option<Timestamp>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// What happens to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttendanceStep<'s> {
    Issue,
    Call { place: u64, user: &'s str },
    Start,
    Finish,
}

impl NovoSgaSimulator {
    /// One with a unit 1 and a service 1 of this name.
    #[must_use]
    pub fn new(clock: Clock, zone: TimeZone, service: &str) -> Self {
        Self {
            clock,
            zone,
            service: service.to_owned(),
            state: Shared::default(),
            changes: Changes::default(),
            hub: broadcast::channel(EVENTS_MAX).0,
        }
    }

    /// Something happens to a ticket such as `A001`; gives the number of the change. What happens to
    /// a ticket nobody issued happens to none.
    pub fn step(&self, number: &str, at: Timestamp, step: &AttendanceStep<'_>) -> u64 {
        let mut state = self.state.lock();
        if *step == AttendanceStep::Issue {
            state.tickets.push(Ticket {
                number: number.to_owned(),
                status: "emitida",
                user: None,
                came: at,
                called: None,
                started: None,
                ended: None,
            });
        }
        // Numbers begin again every day.
        let of_number = |ticket: &Ticket| ticket.number == number;
        if let Some(index) = state.tickets.iter().rposition(of_number) {
            let ticket = &mut state.tickets[index];
            match step {
                AttendanceStep::Issue => {}
                AttendanceStep::Call { place, user } => {
                    ticket.status = "chamado";
                    ticket.called = Some(at);
                    ticket.user = Some((*user).to_owned());
                    state.calls.push((index, *place));
                }
                AttendanceStep::Start => {
                    ticket.status = "iniciado";
                    ticket.started = Some(at);
                }
                AttendanceStep::Finish => {
                    ticket.status = "encerrado";
                    ticket.ended = Some(at);
                }
            }
        }
        let change = self.changes.made();
        // Nobody may be listening.
        let _ = self.hub.send(format!("data: {{\"id\":{change}}}"));
        change
    }

    /// Waits until whoever reads has read a change.
    pub async fn until_read(&self, change: u64) {
        self.changes.until_read(change).await;
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let of_unit = asked.path.strip_prefix("/api/unidades/1/");
        match (asked.path.as_str(), of_unit) {
            ("/api/token", _) => {
                let is_form = asked.body.starts_with(b"grant_type=password&");
                let token = json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN });
                match is_form {
                    true => Answer::Json(200, token),
                    false => Answer::Json(400, json!({ "error": "invalid_request" })),
                }
            }
            ("/.well-known/mercure", _) => Answer::Events(self.hub.subscribe()),
            _ if asked.authorization != format!("Bearer {TOKEN}") => {
                Answer::Json(401, json!({ "message": "The resource owner denied the request." }))
            }
            ("/api", _) => Answer::Json(200, json!({ "status": "ok" })),
            (_, Some("atendimentos")) => Answer::Json(200, self.tickets()),
            (_, Some("painel")) => Answer::Json(200, self.panel()),
            _ => Answer::Json(404, json!({ "error": "not found" })),
        }
    }

    fn tickets(&self) -> Value {
        let mut state = self.state.lock();
        state.listed = self.changes.so_far();
        if state.tickets.is_empty() {
            // No panel is asked for then.
            self.changes.were_read(state.listed);
        }
        let tickets = (1..).zip(&state.tickets);
        tickets.map(|(id, ticket)| self.ticket(id, ticket)).collect()
    }

    fn ticket(&self, id: u64, ticket: &Ticket) -> Value {
        let local = |time: Timestamp| {
            let zoned = time.to_zoned(self.zone.clone());
            zoned.strftime("%Y-%m-%dT%H:%M:%S").to_string()
        };
        let (letters, number) = parts(&ticket.number);
        json!({
            "id": id,
            "senha": { "sigla": letters, "numero": number, "format": ticket.number },
            "servico": { "id": 1, "nome": self.service },
            "prioridade": { "id": 1, "nome": "Normal", "peso": 0 },
            "status": ticket.status, "usuario": ticket.user,
            "dataChegada": local(ticket.came), "dataChamada": ticket.called.map(local),
            "dataInicio": ticket.started.map(local), "dataFim": ticket.ended.map(local),
        })
    }

    /// The newest calls. A reading is over when they were asked for.
    fn panel(&self) -> Value {
        let state = self.state.lock();
        self.changes.were_read(state.listed);
        let line = |(id, (ticket, place)): (usize, &(usize, u64))| {
            let (letters, number) = parts(&state.tickets[*ticket].number);
            json!({
                "id": id + 1, "numeroSenha": number, "siglaSenha": letters, "local": "Guiche",
                "numeroLocal": place, "servico": { "id": 1, "nome": self.service },
            })
        };
        let newest = state.calls.iter().enumerate().rev();
        newest.take(CALLS_SHOWN).map(line).collect()
    }
}

/// `A001` is `A` and 1.
fn parts(number: &str) -> (&str, u64) {
    let letters = number.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = number[letters.len()..].parse();
    (letters, digits.unwrap_or(0))
}

impl Device for NovoSgaSimulator {
    async fn serve(self: Arc<Self>, wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        serve(wire, || (self.clock)(), |asked| self.answer(asked)).await
    }
}

#[cfg(test)]
mod tests;
