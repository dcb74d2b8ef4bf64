//! A graphic card that says who it is and remembers what it was told.

use super::frame::{ANY_CARD, Body, Frame, GraphicCard, Identity, Nack, Status};
use crate::simulator::{FrameDevice, Shared};

/// How the card answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CardConduct {
    #[default]
    Answer,
    /// As if without power.
    Silent,
    /// Refuses commands with this error; answers questions.
    Refuse(u8),
    /// Answers, and its sums are wrong.
    BadSum,
    /// Answers, and says that its screen is locked.
    Locked,
}

/// A board with one BX-6E1 card.
#[derive(Debug)]
pub struct CardSimulator {
    address: u16,
    state: Shared<State>,
}

#[derive(Debug)]
struct State {
    conduct: CardConduct,
    on: bool,
    told: Vec<String>,
}

impl CardSimulator {
    #[must_use]
    pub fn new(address: u16) -> Self {
        Self {
            address,
            state: Shared::new(State {
                conduct: CardConduct::default(),
                on: true,
                told: Vec::new(),
            }),
        }
    }

    /// Every command so far; a frame that came twice twice.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.state.lock().told.clone()
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state.lock().on
    }

    pub fn behave(&self, conduct: CardConduct) {
        self.state.lock().conduct = conduct;
    }

    fn identity(&self, on: bool) -> Identity {
        Identity {
            device: 0x0174,
            firmware: "19041700".into(),
            is_set_up: true,
            address: self.address,
            width: 128,
            height: 32,
            colours: 1,
            brightness: 12,
            is_on: on,
            barcode: Some("6E11904170000001".into()),
        }
    }
}

impl FrameDevice for CardSimulator {
    type Codec = GraphicCard;

    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        // The vendor's clients use either for any card.
        let is_mine = [self.address, ANY_CARD, u16::MAX].contains(&frame.to);
        if !is_mine || state.conduct == CardConduct::Silent {
            return None;
        }
        let body = match (&frame.body, state.conduct) {
            (Body::Ping, _) => Body::Identity(Box::new(self.identity(state.on))),
            (Body::AskStatus, conduct) => Body::Status(Status {
                is_on: state.on,
                brightness: 12,
                is_locked: conduct == CardConduct::Locked,
            }),
            (_, CardConduct::Refuse(code)) => Body::Nack(Nack(code)),
            (command, _) => state.obey(command)?,
        };
        let mut bytes = Frame {
            to: frame.from,
            from: self.address,
            device: 0x0174,
            head: frame.head,
            body,
        }
        .encode();
        if state.conduct == CardConduct::BadSum {
            // High byte of the sequence of a common frame: it is 0 in tests.
            bytes[19] ^= 1;
        }
        Some(bytes)
    }
}

impl State {
    fn obey(&mut self, command: &Body) -> Option<Body> {
        self.told.push(command.to_string());
        match command {
            Body::Power(on) => self.on = *on,
            Body::Remove(_) => {}
            Body::Other {
                is_answer: false, ..
            } => return Some(Body::Nack(Nack::NO_COMMAND)),
            _ => return None,
        }
        Some(Body::Ack)
    }
}
