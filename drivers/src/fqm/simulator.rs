//! An FQM: tasks, and the tickets of the day behind its REST interface.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::frame::PER_CHUNK;
use crate::link::Wire;
use crate::simulator::http::{Answer, Asked, serve};
use crate::simulator::{Changes, Clock, Device, Framing, Shared};

/// Lists after which what one held is surely on disk: the driver looks for the beginning of the
/// day, reads, and tells what it read before it reads again.
const LISTS: usize = 2;

/// A running FQM.
pub struct FqmSimulator {
    clock: Clock,
    token: String,
    tasks: Vec<String>,
    state: Shared<State>,
    changes: Changes,
}

impl fmt::Debug for FqmSimulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FqmSimulator").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    tickets: Vec<Ticket>,
    /// Changes the last lists held.
    listed: VecDeque<u64>,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    task: u64,
    issued: Timestamp,
    /// Office and time.
    pulled: Option<(u64, Timestamp)>,
}

impl FqmSimulator {
    /// One with these tasks, numbered from 1, that takes this token.
    #[must_use]
    pub fn new(clock: Clock, token: &str, tasks: &[&str]) -> Self {
        Self {
            clock,
            token: token.to_owned(),
            tasks: tasks.iter().map(|task| (*task).to_owned()).collect(),
            state: Shared::default(),
            changes: Changes::default(),
        }
    }

    /// Somebody takes a ticket; gives the number of the change.
    pub fn issue(&self, number: u64, task: u64, issued: Timestamp) -> u64 {
        self.state.lock().tickets.push(Ticket {
            number,
            task,
            issued,
            pulled: None,
        });
        self.changes.made()
    }

    /// An office pulls a ticket; gives the number of the change.
    pub fn pull(&self, number: u64, office: u64, at: Timestamp) -> u64 {
        let mut state = self.state.lock();
        // Numbers begin again every day.
        let mut newest = state.tickets.iter_mut().rev();
        if let Some(ticket) = newest.find(|ticket| ticket.number == number) {
            ticket.pulled = Some((office, at));
        }
        self.changes.made()
    }

    /// Waits until whoever reads has a change on disk.
    pub async fn until_read(&self, change: u64) {
        self.changes.until_read(change).await;
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if asked.authorization != self.token {
            return Answer::Json(401, json!({ "message": "Authentication is required" }));
        }
        let chunk = asked.query("chunk").and_then(|chunk| chunk.parse().ok());
        let chunk: usize = chunk.unwrap_or(1);
        match asked.path.as_str() {
            "/api/v1/swagger.json" => {
                Answer::Json(200, json!({ "info": { "title": "FQM API", "version": "1.0" } }))
            }
            "/api/v1/tasks/" => {
                let tasks = (1..).zip(&self.tasks);
                let tasks = tasks.map(|(id, name)| json!({ "id": id, "name": name, "hidden": false }));
                Answer::Json(200, part(tasks, chunk))
            }
            "/api/v1/tickets/" => Answer::Json(200, self.tickets(chunk)),
            _ => Answer::Json(404, json!({ "message": "not found" })),
        }
    }

    fn tickets(&self, chunk: usize) -> Value {
        let mut state = self.state.lock();
        let tickets = (2..).zip(&state.tickets).map(|(id, ticket)| ticket.listed(id));
        let list = part(tickets, chunk);
        let is_last = list.as_array().is_none_or(|list| list.len() < PER_CHUNK);
        if is_last {
            state.listed.push_back(self.changes.so_far());
            if state.listed.len() > LISTS {
                let read = state.listed.pop_front();
                read.into_iter().for_each(|read| self.changes.were_read(read));
            }
        }
        list
    }
}

fn part(items: impl Iterator<Item = Value>, chunk: usize) -> Value {
    let before = chunk.saturating_sub(1).saturating_mul(PER_CHUNK);
    items.skip(before).take(PER_CHUNK).collect()
}

impl Ticket {
    fn listed(&self, id: u64) -> Value {
        // FQM keeps UTC and does not write it.
        let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        let date = self.issued.strftime("%Y-%m-%dT00:00:00").to_string();
        let office = self.pulled.map_or(1, |(office, _)| office);
        json!({
            "id": id, "number": self.number.to_string(), "timestamp": time(self.issued),
            "date": date, "name": "", "n": true, "p": self.pulled.is_some(),
            "pdt": self.pulled.map(|(_, at)| time(at)), "pulledBy": u8::from(self.pulled.is_some()),
            "on_hold": false, "status": if self.pulled.is_some() { "Processed" } else { "Waiting" },
            "office_id": office, "task_id": self.task,
        })
    }
}

impl Device for FqmSimulator {
    async fn serve(self: Arc<Self>, wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        serve(wire, || (self.clock)(), |asked| self.answer(asked)).await
    }
}

#[cfg(test)]
mod tests;
