//! A screen of any of the families that remembers what it was told to show.

use std::marker::PhantomData;
use std::time::Duration;

use super::family::{Body, Family, Frame, Reply};
use crate::simulator::{FrameDevice, Shared};

/// How the screen answers, where its family does at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Answer,
    /// As if without power: shows nothing, says nothing.
    Silent,
    /// Says that it cannot; shows nothing.
    Refuse,
    /// Shows what it is told, and what it says is noise.
    Garble,
}

/// A screen of one window.
#[derive(Debug)]
pub struct FamilySimulator<F> {
    address: u32,
    state: Shared<State>,
    family: PhantomData<F>,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    delay: Duration,
    shown: Vec<String>,
}

impl<F: Family> FamilySimulator<F> {
    #[must_use]
    pub fn new(address: u32) -> Self {
        Self {
            address,
            state: Shared::default(),
            family: PhantomData,
        }
    }

    /// Everything shown so far; a frame that came twice twice.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        self.state.lock().shown.clone()
    }

    /// Every answer from now on takes this long.
    pub fn answer_after(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.state.lock().behaviour = behaviour;
    }
}

impl<F: Family> FrameDevice for FamilySimulator<F> {
    type Codec = F;

    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        if frame.address != Some(self.address) || state.behaviour == Behaviour::Silent {
            return None;
        }
        let body = match (&frame.body, F::REPLY) {
            (Body::Done | Body::Refused | Body::Here, _) => return None,
            (Body::Poll, _) => Some(Body::Here),
            (_, Reply::Answer) if state.behaviour == Behaviour::Refuse => Some(Body::Refused),
            (shown, reply) => {
                state.shown.push(shown.to_string());
                (reply == Reply::Answer).then_some(Body::Done)
            }
        };
        let mut bytes = F::encode(&Frame {
            address: Some(self.address),
            sequence: 0,
            body: body?,
        });
        if state.behaviour == Behaviour::Garble {
            bytes.iter_mut().for_each(|byte| *byte ^= 0x24);
        }
        Some(bytes)
    }

    fn delay(&self) -> Duration {
        self.state.lock().delay
    }
}
