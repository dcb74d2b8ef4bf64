//! Tells the board what to show and reports what the card said to it.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::timeout;
use zhiban_vocabulary::command::{Command, Display, Failure};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use super::frame::{ANY_CARD, Area, Body, FontCard, Frame, HOST, Nack};
use super::settings::Settings;
use crate::link::LinkError;
use crate::link::ask::Asker;
use crate::{Driver, DriverError, Order, Running, Session};

/// How often an idle board is asked whether it is still there.
const PROBE_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Board {
    settings: Settings,
}

impl Board {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Board {
    fn device(&self) -> DeviceKind {
        DeviceKind::LedBoard
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.link.name().to_owned())
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(&self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: &Settings, session: Session) -> Result<Infallible, DriverError> {
    let mut commands = session.commands;
    let mut talk = Talk {
        settings,
        asker: Asker::new(
            settings.link.clone(),
            session.line,
            session.outlet,
            settings.ack_timeout,
            settings.retries + 1,
        ),
    };
    talk.probe().await?;
    loop {
        let Ok(order) = timeout(PROBE_EVERY, commands.next()).await else {
            talk.probe().await?;
            continue;
        };
        let Some(body) = body_of(&order.command, settings) else {
            order.failed(Failure::Unsupported, "a font card cannot be restarted");
            continue;
        };
        match talk.tell(body).await {
            Ok(answer) => talk.report(order, answer).await?,
            Err(error) => {
                commands.give_back(order);
                return Err(error.into());
            }
        }
    }
}

/// What a card says to a command.
type Answer = Result<(), Nack>;

struct Talk<'s> {
    settings: &'s Settings,
    asker: Asker<FontCard>,
}

impl Talk<'_> {
    /// Any answer will do: its form is not documented, and a card that does not know the question
    /// is there as well.
    async fn probe(&mut self) -> Result<(), DriverError> {
        let (to, from, body) = (self.settings.address, HOST, Body::Ping);
        let request = Frame { to, from, body }.encode();
        let answer = |frame: &Frame| sign_of_life(frame, to);
        match self.asker.ask(&request, answer).await? {
            None => return Err(self.silent()),
            Some(Ok(()) | Err(Nack::NO_GROUP | Nack::NO_COMMAND)) => {
                self.asker.outlet.alive().await?;
            }
            Some(Err(nack)) => {
                let detail = format!("the card says: {nack}");
                self.asker.outlet.degraded(detail).await?;
            }
        }
        Ok(())
    }

    /// Gives what the card says, `None` when it says nothing.
    async fn tell(&mut self, body: Body) -> Result<Option<Answer>, LinkError> {
        let (to, from) = (self.settings.address, HOST);
        let request = Frame { to, from, body }.encode();
        let mut left = self.settings.retries;
        loop {
            let answer = self.asker.ask(&request, |frame| answer_of(frame, to)).await?;
            match answer {
                Some(Err(nack)) if nack.passes() && left > 0 => left -= 1,
                answer => return Ok(answer),
            }
            tokio::time::sleep(self.settings.ack_timeout).await;
        }
    }

    async fn report(&mut self, order: Order, answer: Option<Answer>) -> Result<(), DriverError> {
        if answer.is_some() {
            self.asker.outlet.alive().await?;
        }
        if let Command::Display(_) = &order.command {
            let shown = ScreenShown::of(&order.command, matches!(answer, Some(Ok(()))));
            let shown = Observation::ScreenShown(shown);
            self.asker.outlet.deliver(shown).await?;
        }
        match answer {
            Some(Ok(())) => order.done(),
            Some(Err(nack)) => order.failed(Failure::Refused, nack.to_string()),
            None => {
                order.failed(Failure::Unanswered, "the card does not answer");
                return Err(self.silent());
            }
        }
        Ok(())
    }

    fn silent(&self) -> DriverError {
        let name = self.settings.link.name();
        DriverError::Device(format!("the board at {name} does not answer"))
    }
}

/// Our own frames, as some adapters echo them, and those of other cards are not for us.
fn is_for_us(frame: &Frame, asked: u16) -> bool {
    frame.to == HOST && (asked == ANY_CARD || [asked, ANY_CARD].contains(&frame.from))
}

fn answer_of(frame: &Frame, asked: u16) -> Option<Answer> {
    let is_answer = matches!(frame.body, Body::Ack | Body::Nack(_));
    sign_of_life(frame, asked).filter(|_| is_answer)
}

fn sign_of_life(frame: &Frame, asked: u16) -> Option<Answer> {
    let answer = match frame.body {
        Body::Nack(nack) => Err(nack),
        _ => Ok(()),
    };
    is_for_us(frame, asked).then_some(answer)
}

/// `None` for what a font card cannot do.
fn body_of(command: &Command, settings: &Settings) -> Option<Body> {
    let area = match command {
        Command::Power { on } => return Some(Body::Power(*on)),
        Command::Restart {} => return None,
        Command::Display(Display::Welcome) => settings.welcome(),
        Command::Display(Display::Pause) => settings.pause(),
        Command::Display(Display::Serving { ticket }) => settings.serving(ticket),
        Command::Display(Display::Call { ticket, counter }) => settings.call(ticket, counter),
        Command::Display(Display::Text { text, speak }) => settings.text(text, *speak),
    };
    Some(show(area))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: u16, to: u16, body: Body, expected: [Option<Answer>; 2]) {
        let frame = Frame { to, from, body };
        let said = [answer_of(&frame, 7), sign_of_life(&frame, 7)];
        assert_eq!(said, expected, "{frame}");
    }

    #[test]
    fn only_what_the_asked_card_says_to_us_is_an_answer() {
        let other = |command| Body::Other {
            group: 0xA2,
            command,
        };
        let busy = Nack(3);
        check(7, HOST, Body::Ack, [Some(Ok(())); 2]);
        check(ANY_CARD, HOST, Body::Nack(busy), [Some(Err(busy)); 2]);
        check(7, HOST, other(0x80), [None, Some(Ok(()))]);
        check(8, HOST, Body::Ack, [None; 2]);
        check(HOST, 7, Body::Ping, [None; 2]);
    }
}
