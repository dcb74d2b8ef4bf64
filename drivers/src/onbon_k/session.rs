//! What is said to a font card, and what its answers mean.

use zhiban_vocabulary::command::Command;

use super::frame::{Area, Body, FontCard, Frame, HOST, Nack};
use super::settings::Settings;
use crate::DriverError;
use crate::link::onbon::Reach;
use crate::link::onbon::board::{Answer, Card, Talk};

impl Card for Settings {
    type Codec = FontCard;

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn parties(frame: &Frame) -> (u16, u16) {
        (frame.from, frame.to)
    }

    async fn greet(&mut self, _: &mut Talk<Self>) -> Result<(), DriverError> {
        Ok(())
    }

    /// Any answer will do: its form is not documented, and a card that does not know the question
    /// is there as well.
    async fn probe(&mut self, talk: &mut Talk<Self>) -> Result<Option<String>, DriverError> {
        let said = |frame: &Frame| Some(frame.body.clone());
        Ok(match talk.ask(&self.frame(Body::Ping), said).await? {
            Body::Nack(nack) if ![Nack::NO_GROUP, Nack::NO_COMMAND].contains(&nack) => {
                Some(format!("the card says: {nack}"))
            }
            _ => None,
        })
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn request(&mut self, command: &Command) -> Result<Vec<u8>, String> {
        let body = match command {
            Command::Power { on } => Body::Power(*on),
            Command::Restart {} => return Err("a font card cannot be restarted".into()),
            Command::Display(display) => show(self.area(display)),
        };
        Ok(self.frame(body))
    }

    fn answer(frame: &Frame) -> Option<Answer> {
        match frame.body {
            Body::Ack => Some(Ok(())),
            Body::Nack(nack) => Some(Err(nack)),
            _ => None,
        }
    }
}

impl Settings {
    fn frame(&self, body: Body) -> Vec<u8> {
        let (to, from) = (self.reach.address, HOST);
        Frame { to, from, body }.encode()
    }
}

fn show(area: Area) -> Body {
    if area.text.is_empty() {
        return Body::Clear;
    }
    Body::Show {
        remove: Vec::new(),
        areas: vec![area],
    }
}
