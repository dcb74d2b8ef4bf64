//! A font card that remembers what it was told to show and to say.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{ANY_CARD, Area, Body, Frame, Nack, Parser};
use crate::gbk;
use crate::link::Wire;
use crate::simulator::{Device, Framing, Port};

/// How the card answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conduct {
    #[default]
    Answer,
    /// As if without power: shows nothing, says nothing.
    Silent,
    /// Refuses everything but pings, with this error.
    Refuse(u8),
    /// Does what it is told, and its answers have a wrong sum.
    BadSum,
    /// Shows what it is told, and answers nothing but pings.
    NoAck,
}

/// A board with one card.
#[derive(Debug)]
pub struct BoardSimulator {
    board: Arc<Board>,
    port: Port,
}

#[derive(Debug)]
struct Board {
    address: u16,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    conduct: Conduct,
    delay: Duration,
    on: bool,
    areas: BTreeMap<u8, Area>,
    told: Vec<String>,
}

impl BoardSimulator {
    /// Starts on a new terminal. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no terminal to be had.
    pub fn start_pty(address: u16) -> io::Result<Self> {
        let board = Board::new(address);
        let port = Port::pty(Arc::clone(&board))?;
        Ok(Self { board, port })
    }

    /// Starts on a free TCP port.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start_tcp(address: u16) -> io::Result<Self> {
        let board = Board::new(address);
        let port = Port::tcp(Arc::clone(&board)).await?;
        Ok(Self { board, port })
    }

    /// What the gateway opens: `/dev/pts/N`, or `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.port.path
    }

    /// What the areas show at the moment, in the order of their numbers.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let state = self.board.state();
        let areas = state.areas.values();
        areas.map(|area| gbk::decode(&area.text)).collect()
    }

    /// Everything it was told so far but pings; a frame that came twice twice.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.board.state().told.clone()
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.board.state().on
    }

    /// Every answer from now on takes this long.
    pub fn answer_after(&self, delay: Duration) {
        self.board.state().delay = delay;
    }

    pub fn behave(&self, conduct: Conduct) {
        self.board.state().conduct = conduct;
    }
}

impl Board {
    fn new(address: u16) -> Arc<Self> {
        Arc::new(Self {
            address,
            state: Mutex::new(State {
                conduct: Conduct::default(),
                delay: Duration::ZERO,
                on: true,
                areas: BTreeMap::new(),
                told: Vec::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a frame says; gives the bytes of the answer.
    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state();
        let is_mine = [self.address, ANY_CARD].contains(&frame.to);
        if !is_mine || state.conduct == Conduct::Silent {
            return None;
        }
        let body = state.obey(&frame.body)?;
        let (to, from) = (frame.from, self.address);
        let mut bytes = Frame { to, from, body }.encode();
        if state.conduct == Conduct::BadSum {
            // The error is 0 in every answer of ours, so this cannot become a mark or an escape.
            bytes[24] ^= 1;
        }
        Some(bytes)
    }
}

impl State {
    fn obey(&mut self, body: &Body) -> Option<Body> {
        if *body == Body::Ping {
            return Some(Body::Ack);
        }
        self.told.push(body.to_string());
        if let Conduct::Refuse(code) = self.conduct {
            return Some(Body::Nack(Nack(code)));
        }
        match body {
            Body::Power(on) => self.on = *on,
            Body::Clear => self.areas.clear(),
            Body::Show { remove, areas } => {
                self.areas.retain(|id, _| !remove.contains(id));
                let shown = areas.iter().map(|area| (area.id, area.clone()));
                self.areas.extend(shown);
            }
            Body::Ping | Body::Ack | Body::Nack(_) => return None,
            Body::Other { .. } => return Some(Body::Nack(Nack::NO_COMMAND)),
        }
        (self.conduct != Conduct::NoAck).then_some(Body::Ack)
    }
}

impl Device for Board {
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
                    let delay = self.state().delay;
                    tokio::time::sleep(delay).await;
                    wire.write_all(&answer).await?;
                }
            }
        }
    }
}
