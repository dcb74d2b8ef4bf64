//! Screens: a call at a counter is shown over it, and a text that a program of the hall asks for.
//!
//! The follower only looks: it asks for the screen of the counter and writes a command. What the
//! screen acknowledged comes back as a report like any other.

use rusqlite::Connection;
use zhiban_kernel::{Clock, StoreError};
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::queue::TicketStep;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::time::elapsed_s;

use crate::commands::{self, Wake};
use crate::devices;
use crate::journal::{ClockFlag, Entry, Follower};

/// An older call is history: nobody is to walk to a counter because of it.
const CALL_FRESH_S: u32 = 60;

/// Follower `boards`.
#[derive(Debug)]
pub struct BoardsFollower {
    clock: Clock,
    wake: Wake,
}

impl BoardsFollower {
    #[must_use]
    pub fn new(clock: Clock, wake: Wake) -> Self {
        Self { clock, wake }
    }

    /// Seconds that count as a moment, also in a replay that runs faster than the wires.
    fn fresh_s(&self) -> u32 {
        CALL_FRESH_S * self.clock.replay_speed().unwrap_or(1)
    }
}

impl Follower for BoardsFollower {
    const NAME: &'static str = "boards";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        let now = self.clock.now();
        for entry in entries {
            let fresh =
                entry.clock != ClockFlag::Late && elapsed_s(entry.received, now) <= self.fresh_s();
            let Some((counter, display)) = display_of(&entry.observation).filter(|_| fresh) else {
                continue;
            };
            let command = Command::Display(display);
            for screen in devices::screens_at(connection, counter, is_for_all(&command))? {
                commands::ask(connection, &screen, &command, commands::HALL, self.clock)?;
            }
        }
        Ok(())
    }

    fn committed(&self) {
        self.wake.wake();
    }
}

/// Whether the boards of the whole hall show it, too: who is called, not what each counter does.
fn is_for_all(command: &Command) -> bool {
    matches!(
        command,
        Command::Display(Display::Call { .. } | Display::Text { .. })
    )
}

/// What an observation asks the screens over a counter, or those of the whole hall, to show.
fn display_of(observation: &Observation) -> Option<(Option<&CounterId>, Display)> {
    match observation {
        Observation::Ticket(event) => {
            let ticket = event.ticket.clone();
            match &event.step {
                TicketStep::Called { counter, .. } | TicketStep::Recalled { counter } => {
                    let at = counter.clone();
                    Some((
                        Some(counter),
                        Display::Call {
                            ticket,
                            counter: at,
                        },
                    ))
                }
                TicketStep::Started { counter, .. } => {
                    Some((Some(counter), Display::Serving { ticket }))
                }
                _ => None,
            }
        }
        Observation::Counter(change) => {
            let display = match change.state {
                CounterState::Open => Display::Welcome,
                CounterState::Busy | CounterState::Break | CounterState::Closed => Display::Pause,
            };
            Some((Some(&change.counter), display))
        }
        Observation::ScreenText(asked) => {
            let (text, speak) = (asked.text.clone(), asked.speak);
            Some((asked.counter.as_ref(), Display::Text { text, speak }))
        }
        _ => None,
    }
}
