//! A 平安力合 window screen that remembers what it was told to show.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::simulator::{Device, Framing, Port};
use crate::lihe_screen::frame::{Body, Frame, Parser};
use crate::link::Wire;

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
    screen: Arc<Screen>,
    port: Port,
}

#[derive(Debug)]
struct Screen {
    address: u8,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    delay: Duration,
    shown: Vec<String>,
}

impl ScreenSimulator {
    /// Starts on a new terminal. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no terminal to be had.
    pub fn start_pty(address: u8) -> io::Result<Self> {
        let screen = Screen::new(address);
        let port = Port::pty(Arc::clone(&screen))?;
        Ok(Self { screen, port })
    }

    /// Starts on a free TCP port, as behind a serial-to-Ethernet converter.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start_tcp(address: u8) -> io::Result<Self> {
        let screen = Screen::new(address);
        let port = Port::tcp(Arc::clone(&screen)).await?;
        Ok(Self { screen, port })
    }

    /// What the gateway opens: `/dev/pts/N`, or `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.port.path
    }

    /// Everything shown so far, such as `call B16 at window 3`; a frame that came twice twice.
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

impl Screen {
    fn new(address: u8) -> Arc<Self> {
        Arc::new(Self {
            address,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a frame says; gives the bytes of the answer.
    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut state = self.state();
        if frame.address != self.address || state.behaviour == Behaviour::Silent {
            return None;
        }
        let answer = match &frame.body {
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
        let body = answer;
        let mut bytes = Frame { address, body }.encode();
        if state.behaviour == Behaviour::BadSum {
            let sum = bytes.len() - 2;
            bytes[sum] ^= 1;
        }
        Some(bytes)
    }
}

impl Device for Screen {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut parser = Parser::default();
        let mut bytes = [0; 256];
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
