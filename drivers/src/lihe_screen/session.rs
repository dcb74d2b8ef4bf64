//! Tells the screen what to show, waits until it says so, and reports what came of it.

use std::convert::Infallible;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use zhiban_vocabulary::command::{Command, Display, Failure};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, TicketNumber};

use super::frame::{Body, Call, Frame, NUMBER_MAX, Parser};
use super::settings::Settings;
use super::to_gbk;
use crate::link::{self, LinkError, Wire};
use crate::{Driver, DriverError, Order, Running, Session};

/// How often an idle screen is asked whether it is still there.
const PROBE_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct LiheScreen {
    settings: Settings,
}

impl LiheScreen {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for LiheScreen {
    fn device(&self) -> DeviceKind {
        DeviceKind::WindowScreen
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
    let mut line = Line {
        settings,
        outlet: session.outlet,
        wires: session.line,
        parser: Parser::default(),
    };
    line.probe().await?;
    loop {
        let Ok(order) = timeout(PROBE_EVERY, commands.next()).await else {
            line.probe().await?;
            continue;
        };
        let Command::Display(display) = &order.command else {
            order.failed(Failure::Unsupported, "a screen shows and does nothing else");
            continue;
        };
        match line.send(display).await {
            Ok(attempts) => line.report(order, attempts).await?,
            Err(error) => {
                commands.give_back(order);
                return Err(error.into());
            }
        }
    }
}

struct Line<'s> {
    settings: &'s Settings,
    outlet: crate::Outlet,
    wires: link::Line,
    parser: Parser,
}

impl Line<'_> {
    /// Sends a command until acknowledged. Gives the attempt that was, `None` when none was.
    async fn send(&mut self, display: &Display) -> Result<Option<u32>, LinkError> {
        let body = body_of(display, self.settings);
        self.exchange(&body, |answer| *answer == Body::Ack).await
    }

    /// Reports what came of a command, and leaves no answer of it outstanding.
    async fn report(&mut self, order: Order, attempts: Option<u32>) -> Result<(), DriverError> {
        let shown = ScreenShown::of(&order.command, attempts.is_some());
        if attempts.is_some() {
            self.outlet.alive().await?;
        }
        self.outlet.deliver(Observation::ScreenShown(shown)).await?;
        match attempts {
            Some(_) => order.done(),
            None => order.failed(Failure::Unanswered, "the screen did not acknowledge"),
        }
        if attempts == Some(1) {
            return Ok(());
        }
        // An acknowledgement does not say of what. The answer to the probe comes behind any that
        // is late, so the next command cannot be taken for acknowledged by it.
        self.probe().await
    }

    /// Asks for the version: the one question every card answers differently from a command.
    async fn probe(&mut self) -> Result<(), DriverError> {
        let is_version = |answer: &Body| matches!(answer, Body::Version { .. });
        let attempts = self.exchange(&Body::VersionQuery, is_version).await?;
        if attempts.is_none() {
            let address = self.settings.address;
            return Err(DriverError::Silent { address });
        }
        Ok(self.outlet.alive().await?)
    }

    /// Sends until answered. Gives the number of the attempt that was, `None` when none was.
    async fn exchange(
        &mut self,
        body: &Body,
        is_answer: impl Fn(&Body) -> bool,
    ) -> Result<Option<u32>, LinkError> {
        let frame = Frame {
            address: self.settings.address,
            body: body.clone(),
        };
        let bytes = frame.encode();
        let wires = self.wires.clone();
        for attempt in 1..=self.settings.retries + 1 {
            // The other screens of the line have their turn between two attempts.
            let mut turn = wires.turn().await;
            let wire = turn.wire(&self.settings.link, wires.tap()).await?;
            match self.attempt(wire, &bytes, &is_answer).await {
                Ok(true) => return Ok(Some(attempt)),
                Ok(false) => {}
                Err(error) => {
                    *turn = link::Open::Nothing;
                    return Err(self.settings.link.lost(error));
                }
            }
        }
        Ok(None)
    }

    async fn attempt(
        &mut self,
        wire: &mut Box<dyn Wire>,
        bytes: &[u8],
        is_answer: impl Fn(&Body) -> bool,
    ) -> std::io::Result<bool> {
        self.discard_input(wire).await?;
        self.parser.forget();
        wire.write_all(bytes).await?;
        self.answered(wire, is_answer).await
    }

    /// Reads until the answer comes or its time is over. Frames of other addresses, and our own
    /// as some adapters echo them, are passed over.
    async fn answered(
        &mut self,
        wire: &mut Box<dyn Wire>,
        is_answer: impl Fn(&Body) -> bool,
    ) -> std::io::Result<bool> {
        let until = Instant::now() + self.settings.ack_timeout;
        while let Ok(frames) = timeout_at(until, self.receive(wire)).await {
            let address = self.settings.address;
            let mut frames = frames?.into_iter();
            if frames.any(|frame| frame.address == address && is_answer(&frame.body)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn receive(&mut self, wire: &mut Box<dyn Wire>) -> std::io::Result<Vec<Frame>> {
        let mut bytes = [0; 256];
        let read = match wire.read(&mut bytes).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            some => some,
        };
        let frames = self.parser.feed(&bytes[..read]);
        self.outlet.bad_frames(self.parser.take_bad());
        Ok(frames)
    }

    /// Nothing that arrived before a command was sent can be its answer.
    async fn discard_input(&mut self, wire: &mut Box<dyn Wire>) -> std::io::Result<()> {
        while let Ok(frames) = timeout(Duration::ZERO, self.receive(wire)).await {
            frames?;
        }
        Ok(())
    }
}

/// The frame for a command: the standard one where the number fits, else text.
fn body_of(display: &Display, settings: &Settings) -> Body {
    match display {
        Display::Welcome => Body::Welcome,
        Display::Pause => Body::Pause,
        Display::Serving { .. } => Body::Serving,
        Display::Call { ticket, counter } => call_of(ticket, counter, settings),
        Display::Text { text, .. } => Body::Text(to_gbk(text)),
    }
}

fn call_of(ticket: &TicketNumber, counter: &CounterId, settings: &Settings) -> Body {
    match (split(ticket.as_str()), settings.window(counter)) {
        (Some((prefix, number)), Some(window)) => Body::Call(Call {
            prefix,
            number,
            window,
        }),
        _ => Body::Text(to_gbk(&format!("请{ticket}到{counter}号窗口"))),
    }
}

/// A ticket number as letter and number, when it has that form.
fn split(ticket: &str) -> Option<(Option<u8>, u16)> {
    let (prefix, digits) = match ticket.as_bytes().first()? {
        letter @ b'A'..=b'Z' => (Some(*letter), &ticket[1..]),
        _ => (None, ticket),
    };
    // `parse` alone would also take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok().filter(|number| *number <= NUMBER_MAX)?;
    Some((prefix, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ticket: &str, counter: &str, expected: &str) {
        let text = "link = { tcp = 'h:4001' }\naddress = 3\nwindows = { VIP = 9 }";
        let settings = super::super::settings::decode(toml::from_str(text).unwrap()).unwrap();
        let body = call_of(
            &ticket.parse().unwrap(),
            &counter.parse().unwrap(),
            &settings,
        );
        assert_eq!(body.to_string(), expected);
    }

    #[test]
    fn a_call_that_does_not_fit_the_standard_frame_goes_as_text() {
        check("B016", "3", "call B16 at window 3");
        check("1234", "VIP", "call 1234 at window 9");
        check("A9999", "99", "call A9999 at window 99");
        check("A10000", "3", "text 请A10000到3号窗口");
        check("AB12", "3", "text 请AB12到3号窗口");
        check("a12", "3", "text 请a12到3号窗口");
        check("A", "3", "text 请A到3号窗口");
        check("贵宾001", "3", "text 请贵宾001到3号窗口");
        check("A1", "东厅", "text 请A1到东厅号窗口");
        check("𠮷1", "3", "text 请?1到3号窗口");
    }
}
