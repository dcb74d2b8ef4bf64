//! A graphic card that says who it is, shows what it is sent, and remembers what it was told.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::lamps::Lamps;
use super::frame::{ANY_CARD, Area, Body, Frame, Identity, Nack, Parser, Status};
use crate::link::Wire;
use crate::picture::Bitmap;
use crate::simulator::{Device, Framing, Port};

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
    card: Arc<Card>,
    port: Port,
}

#[derive(Debug)]
struct Card {
    address: u16,
    state: Mutex<State>,
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
    /// Starts on a free TCP port.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start_tcp(address: u16) -> io::Result<Self> {
        let card = Card::new(address);
        let port = Port::tcp(Arc::clone(&card)).await?;
        Ok(Self { card, port })
    }

    /// Starts on a new terminal. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no terminal to be had.
    pub fn start_pty(address: u16) -> io::Result<Self> {
        let card = Card::new(address);
        let port = Port::pty(Arc::clone(&card))?;
        Ok(Self { card, port })
    }

    /// What the gateway opens: `/dev/pts/N`, or `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.port.path
    }

    /// Every command so far; a frame that came twice twice.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.card.state().told.clone()
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.card.state().on
    }

    /// What lamps can be seen lit in an area; `None` when there is no such area, or one with bytes
    /// that do not fit it.
    #[must_use]
    pub fn seen(&self, area: u8) -> Option<Bitmap> {
        let state = self.card.state();
        let (_, _, lamps) = state.screen;
        let area = state.areas.get(&area)?;
        let picture = area.pictures.last()?;
        lamps.read(picture, area.x, area.width, area.height)
    }

    /// Another screen than the one of 128×32 lamps of one colour; known at the next ping.
    pub fn wear(&self, width: u16, height: u16, lamps: Lamps) {
        self.card.state().screen = (width, height, lamps);
    }

    pub fn behave(&self, conduct: CardConduct) {
        self.card.state().conduct = conduct;
    }
}

impl Card {
    fn new(address: u16) -> Arc<Self> {
        Arc::new(Self {
            address,
            state: Mutex::new(State {
                conduct: CardConduct::default(),
                screen: (128, 32, Lamps::OneColour),
                on: true,
                areas: BTreeMap::new(),
                told: Vec::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Does what a frame says; gives the bytes of the answer.
    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state();
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

impl Device for Card {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut parser = Parser::default();
        let mut bytes = [0; 512];
        loop {
            let read = wire.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            for frame in parser.feed(&bytes[..read]) {
                if let Some(answer) = self.obey(&frame) {
                    wire.write_all(&answer).await?;
                }
            }
        }
    }
}
