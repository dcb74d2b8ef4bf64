//! What is known of a counter: who is signed on, which ticket it has; and what a press then means.

use zhiban_vocabulary::counter::{CallerKey, CounterChange, CounterKey, CounterState};
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, IdError, StaffId, TicketNumber};

use super::pattern::{Field, Values};
use super::settings::Settings;
use super::table::Meaning;

/// One counter, as far as its caller has told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) staff: Option<StaffId>,
    pub(super) ticket: Option<TicketNumber>,
}

/// Why a frame that is in the table says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    #[error("{0}: expected {1}")]
    BadField(&'static str, &'static str),
    #[error("which ticket is not known")]
    NoTicket,
}

impl From<IdError> for Unclear {
    fn from(error: IdError) -> Self {
        Self::BadField(error.kind, error.expected)
    }
}

/// What to report of a frame, and what is known afterwards.
pub(super) fn observe(
    meaning: Meaning,
    values: &Values,
    seat: &Seat,
    counter: &CounterId,
    settings: &Settings,
) -> Result<(Option<Observation>, Seat), Unclear> {
    let said = Said {
        values,
        seat,
        counter,
        settings,
    };
    let mut after = seat.clone();
    if let Some(staff) = said.staff()? {
        after.staff = Some(staff);
    }
    let observation = match meaning {
        Meaning::Ack | Meaning::Nothing => None,
        Meaning::Login | Meaning::Resume => Some(said.state(CounterState::Open, &after)),
        Meaning::Pause => Some(said.state(CounterState::Break, &after)),
        Meaning::Busy => Some(said.state(CounterState::Busy, &after)),
        Meaning::Logout => {
            after = Seat::default();
            Some(said.state(CounterState::Closed, &after))
        }
        Meaning::Evaluation => said.rating(&after)?,
        Meaning::CallNext if !values.contains_key(&Field::Ticket) => Some(said.press(&after)),
        meaning => Some(said.step(meaning, &mut after)?),
    };
    Ok((observation, after))
}

struct Said<'s> {
    values: &'s Values,
    seat: &'s Seat,
    counter: &'s CounterId,
    settings: &'s Settings,
}

impl Said<'_> {
    /// Empty fields are ones that are not there.
    fn text(&self, field: Field) -> Option<&str> {
        let value = self.values.get(&field).map(String::as_str);
        value.filter(|text| !text.is_empty())
    }

    fn staff(&self) -> Result<Option<StaffId>, Unclear> {
        let staff = self.text(Field::Employee).map(str::parse).transpose();
        Ok(staff?)
    }

    fn state(&self, state: CounterState, after: &Seat) -> Observation {
        Observation::Counter(CounterChange {
            counter: self.counter.clone(),
            state,
            staff: after.staff.clone(),
        })
    }

    /// Somebody wants the next ticket; which one that is the queue system says.
    fn press(&self, after: &Seat) -> Observation {
        Observation::CounterKey(CounterKey {
            counter: self.counter.clone(),
            key: CallerKey::CallNext,
            staff: after.staff.clone(),
        })
    }

    fn step(&self, meaning: Meaning, after: &mut Seat) -> Result<Observation, Unclear> {
        let named: Option<TicketNumber> = self.text(Field::Ticket).map(str::parse).transpose()?;
        let ticket = named.or_else(|| self.seat.ticket.clone());
        let ticket = ticket.ok_or(Unclear::NoTicket)?;
        let counter = self.counter.clone();
        let staff = after.staff.clone();
        after.ticket = Some(ticket.clone());
        let step = match meaning {
            Meaning::CallNext => TicketStep::Called { counter, staff },
            Meaning::Start => TicketStep::Started { counter, staff },
            Meaning::Finish => TicketStep::Finished { service: None },
            Meaning::NoShow => TicketStep::NoShow {},
            Meaning::TransferQueue => {
                let queue = self.text(Field::Queue).and_then(|code| self.settings.queue(code));
                let queue = queue.ok_or(Unclear::BadField("queue", "one of the settings"))?;
                TicketStep::Transferred {
                    queue,
                    counter: None,
                }
            }
            Meaning::TransferWindow => {
                let window = self.text(Field::Window).and_then(|code| self.settings.window(code));
                let window = window.ok_or(Unclear::BadField("window", "one of the settings"))?;
                let queue = self.settings.window_queue.clone();
                TicketStep::Transferred {
                    queue: queue.ok_or(Unclear::BadField("window_queue", "a queue"))?,
                    counter: Some(window),
                }
            }
            _ => TicketStep::Recalled { counter },
        };
        if matches!(meaning, Meaning::TransferQueue | Meaning::TransferWindow | Meaning::NoShow) {
            after.ticket = None;
        }
        Ok(Observation::Ticket(TicketEvent { ticket, step }))
    }

    /// `None` when nobody pressed in time.
    fn rating(&self, after: &Seat) -> Result<Option<Observation>, Unclear> {
        let Some(raw) = self.text(Field::Score) else {
            return Ok(None);
        };
        let code = raw.parse().ok();
        let score = code.and_then(|code| self.settings.best()?.score(code));
        let score = score.ok_or(Unclear::BadField("score", "1 to 5"))?;
        let ticket = self.text(Field::Ticket).map(str::parse).transpose()?;
        Ok(Some(Observation::Rating(Rating {
            counter: Some(self.counter.clone()),
            ticket,
            staff: after.staff.clone(),
            raw: Some(raw.to_owned()),
            ..Rating::of(score)
        })))
    }
}
