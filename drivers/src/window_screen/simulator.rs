//! A screen of any of the families that remembers what it was told to show.

use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::family::{Body, Family, Frame, Reply};
use crate::link::Wire;
use crate::link::framer::Framer;
use crate::simulator::{Device, Framing, Port};

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
pub struct FamilySimulator<F: Family> {
    screen: Arc<Screen<F>>,
    port: Port,
}

#[derive(Debug)]
struct Screen<F> {
    address: u32,
    state: Mutex<State>,
    family: PhantomData<F>,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    delay: Duration,
    shown: Vec<String>,
}

impl<F: Family> FamilySimulator<F> {
    /// Starts on a new terminal. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no terminal to be had.
    pub fn start_pty(address: u32) -> io::Result<Self> {
        let screen = Screen::new(address);
        let port = Port::pty(Arc::clone(&screen))?;
        Ok(Self { screen, port })
    }

    /// Starts on a free TCP port, as behind a serial-to-Ethernet converter.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start_tcp(address: u32) -> io::Result<Self> {
        let screen = Screen::new(address);
        let port = Port::tcp(Arc::clone(&screen)).await?;
        Ok(Self { screen, port })
    }

    /// What the gateway opens: `/dev/pts/N`, or `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.port.path
    }

    /// Everything shown so far; a frame that came twice twice.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        self.screen.state().shown.clone()
    }

    /// Every answer from now on takes this long.
    pub fn answer_after(&self, delay: Duration) {
        self.screen.state().delay = delay;
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.screen.state().behaviour = behaviour;
    }
}

impl<F: Family> Screen<F> {
    fn new(address: u32) -> Arc<Self> {
        Arc::new(Self {
            address,
            state: Mutex::default(),
            family: PhantomData,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a frame says; gives the bytes of the answer.
    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state();
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
}

impl<F: Family> Device for Screen<F> {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut framer = Framer::<F>::default();
        let mut bytes = [0; 256];
        loop {
            let read = wire.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            for frame in framer.feed(&bytes[..read]) {
                if let Some(answer) = self.obey(&frame) {
                    let delay = self.state().delay;
                    tokio::time::sleep(delay).await;
                    wire.write_all(&answer).await?;
                }
            }
        }
    }
}
