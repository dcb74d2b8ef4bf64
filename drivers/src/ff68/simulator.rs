//! Callers and their pads on one line, which speak by themselves. The letters are invented, as no
//! table of a maker is public; [`CallersSimulator::table`] is what a hall would write down from the
//! manual.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::frame::{Ff68, Frame};
use crate::link::Wire;
use crate::link::framer::Framer;
use crate::simulator::{Device, Framing};

/// What is not acknowledged within this time is sent again. Longer than a commit takes.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
const FRAMES_MAX: usize = 64;

const LOGIN: u8 = 0x51;
const LOGOUT: u8 = 0x4E;
const CALL: u8 = 0x54;
const START: u8 = 0x53;
const FINISH: u8 = 0x4C;
const RATE: u8 = 0x59;
const ACK: u8 = 0x15;

/// What somebody does at a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Press<'p> {
    Login { employee: &'p str },
    Logout,
    Call { ticket: &'p str },
    Start { ticket: &'p str },
    Finish { ticket: &'p str },
    /// The customer, 5 = best. The pad's own codes are the other way round.
    Rate { score: u8 },
}

/// A line of callers.
#[derive(Debug)]
pub struct CallersSimulator {
    out: broadcast::Sender<Vec<u8>>,
    heard: broadcast::Sender<Frame>,
}

impl Default for CallersSimulator {
    fn default() -> Self {
        Self {
            out: broadcast::channel(FRAMES_MAX).0,
            heard: broadcast::channel(FRAMES_MAX).0,
        }
    }
}

impl CallersSimulator {
    /// Settings of the driver that say what the letters mean.
    #[must_use]
    pub fn table() -> Value {
        let event = |cmd: u8, data: &str, means: &str| json!({ "cmd": cmd, "data": data, "means": means, "reply": "ack" });
        json!({
            "best": 1,
            "events": [
                event(LOGIN, "{employee:ascii}", "login"),
                event(LOGOUT, "", "logout"),
                event(CALL, "{ticket:ascii}", "call-next"),
                event(START, "{ticket:ascii}", "start"),
                event(FINISH, "{ticket:ascii}", "finish"),
                event(RATE, "{score:ascii1}", "evaluation"),
            ],
            "templates": { "ack": { "cmd": ACK } },
        })
    }

    /// Says it until it is acknowledged, which is when it is on disk. One press of a caller at a
    /// time: acknowledgements do not say of what.
    pub async fn press(&self, address: u8, press: &Press<'_>) {
        let (cmd, data) = match press {
            Press::Login { employee } => (LOGIN, (*employee).to_owned()),
            Press::Logout => (LOGOUT, String::new()),
            Press::Call { ticket } => (CALL, (*ticket).to_owned()),
            Press::Start { ticket } => (START, (*ticket).to_owned()),
            Press::Finish { ticket } => (FINISH, (*ticket).to_owned()),
            Press::Rate { score } => (RATE, 6_u8.saturating_sub(*score).to_string()),
        };
        let data = data.into_bytes();
        let bytes = Frame { address, cmd, data }.encode();
        let mut heard = self.heard.subscribe();
        let mut acknowledged = async || {
            while let Ok(frame) = heard.recv().await {
                if (frame.address, frame.cmd) == (address, ACK) {
                    return;
                }
            }
        };
        loop {
            // Nobody may be listening.
            let _ = self.out.send(bytes.clone());
            if timeout(AGAIN_AFTER, acknowledged()).await.is_ok() {
                return;
            }
        }
    }
}

impl Device for CallersSimulator {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut out = self.out.subscribe();
        let mut framer = Framer::<Ff68>::default();
        let mut bytes = [0; 512];
        loop {
            tokio::select! {
                read = wire.read(&mut bytes) => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    for frame in framer.feed(&bytes[..read]) {
                        let _ = self.heard.send(frame);
                    }
                }
                // What is lost here is said again.
                Ok(frame) = out.recv() => wire.write_all(&frame).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests;
