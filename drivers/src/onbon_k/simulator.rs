//! A font card that remembers what it was told to show and to say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::frame::{ANY_CARD, Area, Body, FontCard, Frame, Nack};
use crate::gbk;
use crate::simulator::{FrameDevice, Shared};

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
    address: u16,
    state: Shared<State>,
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
    #[must_use]
    pub fn new(address: u16) -> Self {
        Self {
            address,
            state: Shared::new(State {
                conduct: Conduct::default(),
                delay: Duration::ZERO,
                on: true,
                areas: BTreeMap::new(),
                told: Vec::new(),
            }),
        }
    }

    /// What the areas show at the moment, in the order of their numbers.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let state = self.state.lock();
        let areas = state.areas.values();
        areas.map(|area| gbk::decode(&area.text)).collect()
    }

    /// Everything it was told so far but pings; a frame that came twice twice.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.state.lock().told.clone()
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state.lock().on
    }

    /// Every answer from now on takes this long.
    pub fn answer_after(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    pub fn behave(&self, conduct: Conduct) {
        self.state.lock().conduct = conduct;
    }
}

impl FrameDevice for BoardSimulator {
    type Codec = FontCard;

    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
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

    fn delay(&self) -> Duration {
        self.state.lock().delay
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
