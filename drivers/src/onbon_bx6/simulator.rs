//! A graphic card that says who it is, shows what it is sent, and remembers what it was told.

use std::collections::BTreeMap;

use super::frame::lamps::Lamps;
use super::frame::{ANY_CARD, Area, Body, Frame, GraphicCard, Identity, Nack, Status};
use crate::picture::Bitmap;
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
    /// Answers, and says that nobody told it what its screen is like.
    Blank,
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
    screen: (u16, u16, Lamps),
    on: bool,
    areas: BTreeMap<u8, Area>,
    told: Vec<String>,
}

impl CardSimulator {
    #[must_use]
    pub fn new(address: u16) -> Self {
        Self {
            address,
            state: Shared::new(State {
                conduct: CardConduct::default(),
                screen: (128, 32, Lamps::OneColour),
                on: true,
                areas: BTreeMap::new(),
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

    /// What lamps can be seen lit in an area; `None` when there is no such area, or one with bytes
    /// that do not fit it.
    #[must_use]
    pub fn seen(&self, area: u8) -> Option<Bitmap> {
        let state = self.state.lock();
        let (_, _, lamps) = state.screen;
        let area = state.areas.get(&area)?;
        let picture = area.pictures.last()?;
        lamps.read(picture, area.x, area.width, area.height)
    }

    /// Another screen than the one of 128×32 lamps of one colour; known at the next ping.
    pub fn wear(&self, width: u16, height: u16, lamps: Lamps) {
        self.state.lock().screen = (width, height, lamps);
    }

    pub fn behave(&self, conduct: CardConduct) {
        self.state.lock().conduct = conduct;
    }

    fn identity(&self, state: &State) -> Identity {
        let (width, height, lamps) = state.screen;
        Identity {
            device: 0x0174,
            firmware: "19041700".into(),
            is_set_up: state.conduct != CardConduct::Blank,
            address: self.address,
            width,
            height,
            colours: lamps.code(),
            brightness: 12,
            is_on: state.on,
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
            (Body::Ping, _) => Body::Identity(Box::new(self.identity(&state))),
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
            Body::Remove(areas) if areas.is_empty() => self.areas.clear(),
            Body::Remove(areas) => self.areas.retain(|id, _| !areas.contains(id)),
            Body::Show(area) => {
                self.areas.insert(area.id, area.clone());
            }
            Body::Other {
                is_answer: false, ..
            } => return Some(Body::Nack(Nack::NO_COMMAND)),
            _ => return None,
        }
        Some(Body::Ack)
    }
}
