//! Screens: a call at a counter is shown over it, and so is what the counter does (S3-4.1.4-B); and
//! a text that a program of the hall asks for.
//!
//! The follower only looks: it asks for the screen of the counter and writes a command. What the
//! screen acknowledged comes back as a report like any other. Who missed it is told again by
//! [`signs`].

mod signs;
mod store;
#[cfg(test)]
mod tests;

use rusqlite::Connection;
use zhiban_kernel::{Clock, StoreError};
use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::device::ScreenText;
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::time::elapsed_s;
use zhiban_vocabulary::{CounterId, DeviceId, TicketNumber};

use crate::commands::{self, Wake};
use crate::journal::{ClockFlag, Entry, Follower};
use crate::{devices, queue};

pub use signs::Signs;

/// An older call is history: nobody is to walk to a counter because of it.
const CALL_FRESH_S: u32 = 60;

/// Follower `boards`.
#[derive(Debug)]
pub struct BoardsFollower {
    clock: Clock,
    wake: Wake,
    rating_ends_ticket: bool,
}

impl BoardsFollower {
    #[must_use]
    pub fn new(clock: Clock, wake: Wake, rating_ends_ticket: bool) -> Self {
        Self {
            clock,
            wake,
            rating_ends_ticket,
        }
    }

    /// Whether it happened a moment ago, also in a replay that runs faster than the wires.
    fn is_fresh(&self, entry: &Entry) -> bool {
        let moment_s = CALL_FRESH_S * self.clock.replay_speed().unwrap_or(1);
        elapsed_s(entry.received, self.clock.now()) <= moment_s
    }

    fn happened(&self, connection: &Connection, entry: &Entry) -> Result<(), StoreError> {
        match &entry.observation {
            Observation::Ticket(event) => self.ticket(connection, event)?,
            Observation::Counter(change) => {
                self.show_at(connection, &change.counter, &sign_of(change.state))?;
            }
            Observation::ScreenText(asked) => self.text(connection, asked)?,
            Observation::Rating(rating) if self.rating_ends_ticket => {
                self.rated(connection, &entry.device, rating)?;
            }
            Observation::DayClosed(_) => self.close_counters(connection)?,
            _ => {}
        }
        Ok(())
    }

    /// What a host writes over one counter is nobody's business at the others.
    fn text(&self, connection: &Connection, asked: &ScreenText) -> rusqlite::Result<()> {
        let text = Display::Text {
            text: asked.text.clone(),
            speak: asked.speak,
        };
        match &asked.counter {
            Some(counter) => self.show_at(connection, counter, &text),
            None => self.show_on_boards(connection, &text),
        }
    }

    fn ticket(&self, connection: &Connection, event: &TicketEvent) -> rusqlite::Result<()> {
        let ticket = event.ticket.clone();
        match &event.step {
            TicketStep::Called { counter, .. } | TicketStep::Recalled { counter } => {
                let call = Display::Call {
                    ticket,
                    counter: counter.clone(),
                };
                self.show_at(connection, counter, &call)?;
                self.show_on_boards(connection, &call)
            }
            TicketStep::Started { counter, .. } => {
                self.show_at(connection, counter, &Display::Serving { ticket })
            }
            TicketStep::Finished { .. }
            | TicketStep::NoShow {}
            | TicketStep::Cancelled {}
            | TicketStep::Transferred { .. } => self.free(connection, &ticket),
            TicketStep::Issued { .. } => Ok(()),
        }
    }

    /// Screens that name the ticket go back to what their counter does. Where nobody tells that it
    /// is open, an idle counter is closed, as on the floor page.
    fn free(&self, connection: &Connection, ticket: &TicketNumber) -> rusqlite::Result<()> {
        for (screen, counter) in devices::counter_screens(connection)? {
            let shown = commands::last_display(connection, &screen)?;
            if shown.is_some_and(|shown| names(&shown, ticket)) {
                let state = queue::counter_state(connection, &counter)?;
                self.show(connection, &screen, sign_of(state))?;
            }
        }
        Ok(())
    }

    /// The customer has rated: who was served at the counter of the pad is done (F-21).
    fn rated(
        &self,
        connection: &Connection,
        pad: &DeviceId,
        rating: &Rating,
    ) -> Result<(), StoreError> {
        if let Some(ticket) = &rating.ticket {
            return Ok(self.free(connection, ticket)?);
        }
        let counter = match rating.counter.clone() {
            Some(counter) => Some(counter),
            None => devices::counter_of(connection, pad)?,
        };
        let Some(counter) = counter else {
            return Ok(());
        };
        for screen in devices::screens_at(connection, Some(&counter))? {
            if let Some(Display::Serving { ticket }) = commands::last_display(connection, &screen)?
            {
                self.free(connection, &ticket)?;
            }
        }
        Ok(())
    }

    fn close_counters(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (screen, _) in devices::counter_screens(connection)? {
            if commands::last_display(connection, &screen)? != Some(Display::Pause) {
                self.show(connection, &screen, Display::Pause)?;
            }
        }
        Ok(())
    }

    /// What a counter does is shown over it.
    fn show_at(
        &self,
        connection: &Connection,
        counter: &CounterId,
        display: &Display,
    ) -> rusqlite::Result<()> {
        let screens = devices::screens_at(connection, Some(counter))?;
        self.show_on(connection, &screens, display)
    }

    /// Who is called is also shown on the boards of the whole hall.
    fn show_on_boards(&self, connection: &Connection, display: &Display) -> rusqlite::Result<()> {
        let boards = devices::screens_at(connection, None)?;
        self.show_on(connection, &boards, display)
    }

    fn show_on(
        &self,
        connection: &Connection,
        screens: &[DeviceId],
        display: &Display,
    ) -> rusqlite::Result<()> {
        let mut screens = screens.iter();
        screens.try_for_each(|screen| self.show(connection, screen, display.clone()))
    }

    fn show(
        &self,
        connection: &Connection,
        screen: &DeviceId,
        display: Display,
    ) -> rusqlite::Result<()> {
        let command = Command::Display(display);
        commands::ask(connection, screen, &command, commands::HALL, self.clock)?;
        Ok(())
    }
}

impl Follower for BoardsFollower {
    const NAME: &'static str = "boards";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries
            .iter()
            .filter(|entry| entry.clock != ClockFlag::Late)
        {
            if let Observation::Health(health) = &entry.observation {
                signs::heard(connection, &entry.device, health.status, entry.received)?;
            } else if self.is_fresh(entry) {
                self.happened(connection, entry)?;
            }
        }
        Ok(())
    }

    fn committed(&self) {
        self.wake.wake();
    }
}

/// What stands over a counter without a ticket.
fn sign_of(state: CounterState) -> Display {
    match state {
        CounterState::Open => Display::Welcome,
        CounterState::Busy | CounterState::Break | CounterState::Closed => Display::Pause,
    }
}

fn names(display: &Display, number: &TicketNumber) -> bool {
    match display {
        Display::Call { ticket, .. } | Display::Serving { ticket } => ticket == number,
        Display::Welcome | Display::Pause | Display::Text { .. } => false,
    }
}
