//! An ESC/POS printer that can run out of paper.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::frame::{About, Command, Condition, Frame};
use crate::link::Wire;
use crate::simulator::{Device, Framing};

/// How the printer answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Printing {
    #[default]
    Answer,
    /// As if without power.
    Silent,
    /// Every answer comes so late.
    Late(Duration),
    /// These bytes come before every answer.
    Noise(&'static [u8]),
    /// Of answers of more than one byte only the first half comes, of others nothing.
    Half,
}

/// A receipt printer, well supplied.
#[derive(Debug, Default)]
pub struct PrinterSimulator {
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    condition: Condition,
    printing: Printing,
}

impl PrinterSimulator {
    /// Opens the cover, takes the paper away and so on; told at once to whom asked for ASB.
    pub fn set(&self, condition: Condition) {
        let change = |state: &mut State| state.condition = condition;
        self.state.send_modify(change);
    }

    pub fn behave(&self, printing: Printing) {
        let change = |state: &mut State| state.printing = printing;
        self.state.send_modify(change);
    }

    fn condition(&self) -> Condition {
        self.state.borrow().condition
    }

    fn answer(&self, command: Command) -> Option<Frame> {
        let text = |text: &str| Some(Frame::Text(text.to_owned()));
        match command {
            Command::Status(question) => Some(Frame::Status(self.condition().answer(question))),
            Command::TellChanges(0) => None,
            Command::TellChanges(_) => Some(Frame::Asb(self.condition().to_asb())),
            Command::About(About::Firmware) => text("1.00 ESC/POS"),
            Command::About(About::Maker) => text("ZHIBAN"),
            Command::About(About::Model) => text("SIM-80"),
            Command::About(About::Serial) => text("SIM0000001"),
        }
    }

    async fn say(&self, wire: &mut Box<dyn Wire>, frame: &Frame) -> io::Result<()> {
        let mut bytes = frame.encode();
        let printing = self.state.borrow().printing;
        match printing {
            Printing::Answer => {}
            Printing::Silent => bytes.clear(),
            Printing::Late(delay) => tokio::time::sleep(delay).await,
            Printing::Noise(noise) => wire.write_all(noise).await?,
            Printing::Half => bytes.truncate(bytes.len() / 2),
        }
        wire.write_all(&bytes).await
    }
}

impl Device for PrinterSimulator {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut changes = self.state.subscribe();
        let mut told = None;
        let mut pending = Vec::new();
        let mut bytes = [0; 256];
        loop {
            tokio::select! {
                read = wire.read(&mut bytes) => match read? {
                    0 => return Ok(()),
                    read => pending.extend(&bytes[..read]),
                },
                changed = changes.changed() => {
                    changed.map_err(io::Error::other)?;
                    let condition = self.condition();
                    if told.is_some_and(|told| told != condition) {
                        told = Some(condition);
                        self.say(&mut wire, &Frame::Asb(condition.to_asb())).await?;
                    }
                }
            }
            for command in take_commands(&mut pending) {
                if let Command::TellChanges(mask) = command {
                    told = (mask != 0).then(|| self.condition());
                }
                if let Some(frame) = self.answer(command) {
                    self.say(&mut wire, &frame).await?;
                }
            }
        }
    }
}

/// The commands among what is to be printed, which is thrown away.
fn take_commands(pending: &mut Vec<u8>) -> Vec<Command> {
    let mut commands = Vec::new();
    while let Some(bytes) = pending.first_chunk::<3>() {
        let command = Command::decode(*bytes);
        pending.drain(..if command.is_some() { 3 } else { 1 });
        commands.extend(command);
    }
    commands
}
