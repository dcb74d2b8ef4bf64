//! Window screens: a call at a counter is shown over it.
//!
//! The follower only looks: it asks for the screen of the counter and sends the driver a command.
//! What the screen acknowledged comes back as a report like any other.

use rusqlite::Connection;
use std::sync::Arc;
use zhiban_drivers::ScreenCommand;
use zhiban_drivers::supervise::Supervisor;
use zhiban_kernel::{Clock, StoreError};
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::queue::TicketStep;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::time::elapsed_s;
use zhiban_vocabulary::{CounterId, DeviceId};

use crate::devices;
use crate::journal::{ClockFlag, Entry, Follower};

/// An older call is history: nobody is to walk to a counter because of it.
const CALL_FRESH_S: u32 = 60;

/// Follower `boards`.
#[derive(Debug)]
pub struct BoardsFollower {
    drivers: Arc<Supervisor>,
    clock: Clock,
}

impl BoardsFollower {
    #[must_use]
    pub fn new(drivers: Arc<Supervisor>, clock: Clock) -> Self {
        Self { drivers, clock }
    }

    fn show(&self, screen: &DeviceId, command: ScreenCommand) {
        if let Err(error) = self.drivers.command(screen, command) {
            tracing::warn!(%screen, %error, "the screen was not told");
        }
    }

    /// Seconds that count as a moment, also in a replay that runs faster than the wires.
    fn fresh_s(&self) -> u32 {
        CALL_FRESH_S * self.clock.replay_speed().unwrap_or(1)
    }
}

impl Follower for BoardsFollower {
    const NAME: &'static str = "boards";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            let fresh = entry.clock != ClockFlag::Late
                && elapsed_s(entry.received, self.clock.now()) <= self.fresh_s();
            let Some((counter, command)) = command_of(&entry.observation).filter(|_| fresh) else {
                continue;
            };
            if let Some(screen) = devices::screen_at(connection, counter)? {
                self.show(&screen, command);
            }
        }
        Ok(())
    }
}

/// What an observation asks the screen over its counter to show.
fn command_of(observation: &Observation) -> Option<(&CounterId, ScreenCommand)> {
    match observation {
        Observation::Ticket(event) => match &event.step {
            TicketStep::Called { counter, .. } | TicketStep::Recalled { counter } => {
                let (ticket, counter_id) = (event.ticket.clone(), counter.clone());
                Some((
                    counter,
                    ScreenCommand::Call {
                        ticket,
                        counter: counter_id,
                    },
                ))
            }
            TicketStep::Started { counter, .. } => Some((
                counter,
                ScreenCommand::Serving {
                    ticket: event.ticket.clone(),
                },
            )),
            _ => None,
        },
        Observation::Counter(change) => {
            let command = match change.state {
                CounterState::Open => ScreenCommand::Welcome,
                CounterState::Busy | CounterState::Break | CounterState::Closed => {
                    ScreenCommand::Pause
                }
            };
            Some((&change.counter, command))
        }
        _ => None,
    }
}
