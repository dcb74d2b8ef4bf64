//! A 平安力合 window screen that remembers what it was told to show.

use std::time::Duration;

use super::frame::{Body, Frame, Lihe};
use crate::simulator::{FrameDevice, Shared};

/// How the screen answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Answer,
    /// As if without power: shows nothing, says nothing.
    Silent,
    /// Shows what it is told, and its answers have a wrong sum.
    BadSum,
    /// Shows what it is told, and acknowledges nothing but the version query.
    NoAck,
}

/// A screen of one window.
#[derive(Debug)]
pub struct ScreenSimulator {
    address: u8,
    state: Shared<State>,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    delay: Duration,
    shown: Vec<String>,
}

impl ScreenSimulator {
    #[must_use]
    pub fn new(address: u8) -> Self {
        Self {
            address,
            state: Shared::default(),
        }
    }

    /// Everything shown so far, such as `call B16 at window 3`; a frame that came twice twice.
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

impl FrameDevice for ScreenSimulator {
    type Codec = Lihe;

    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        if frame.address != self.address || state.behaviour == Behaviour::Silent {
            return None;
        }
        let body = match &frame.body {
            Body::VersionQuery => Body::Version {
                card: 0xA1,
                version: 21,
            },
            Body::Ack | Body::Version { .. } => return None,
            shown => {
                state.shown.push(shown.to_string());
                if state.behaviour == Behaviour::NoAck {
                    return None;
                }
                Body::Ack
            }
        };
        let address = self.address;
        let mut bytes = Frame { address, body }.encode();
        if state.behaviour == Behaviour::BadSum {
            let sum = bytes.len() - 2;
            bytes[sum] ^= 1;
        }
        Some(bytes)
    }

    fn delay(&self) -> Duration {
        self.state.lock().delay
    }
}
