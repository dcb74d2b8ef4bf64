//! Tells the screen what to show, waits until it says so, and reports what came of it.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::timeout;
use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, TicketNumber};

use super::frame::{Body, Call, Frame, Lihe, NUMBER_MAX};
use super::settings::Settings;
use super::to_gbk;
use crate::link::LinkError;
use crate::link::ask::Asker;
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

    fn addresses(&self) -> Vec<String> {
        vec![self.settings.address.to_string()]
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
        asker: Asker::new(
            settings.link.clone(),
            session.line,
            session.outlet,
            settings.ack_timeout,
            settings.retries + 1,
        ),
    };
    line.probe().await?;
    loop {
        let Ok(order) = timeout(PROBE_EVERY, commands.next()).await else {
            line.probe().await?;
            continue;
        };
        let Command::Display(display) = &order.command else {
            order.failed("a screen shows and does nothing else");
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
    asker: Asker<Lihe>,
}

impl Line<'_> {
    /// Sends a command until acknowledged. Gives the attempt that was, `None` when none was.
    async fn send(&mut self, display: &Display) -> Result<Option<u32>, LinkError> {
        let body = body_of(display, self.settings);
        self.exchange(&body, |answer| *answer == Body::Ack).await
    }

    /// Reports what came of a command, and leaves no answer of it outstanding.
    async fn report(&mut self, order: Order, attempts: Option<u32>) -> Result<(), DriverError> {
        let shown = ScreenShown::of(&order.command, Some(attempts.is_some()));
        if attempts.is_some() {
            self.asker.outlet.alive().await?;
        }
        self.asker.outlet.deliver(Observation::ScreenShown(shown)).await?;
        match attempts {
            Some(_) => order.done(),
            None => order.put_off("the screen did not acknowledge"),
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
        Ok(self.asker.outlet.alive().await?)
    }

    /// Sends until answered. Gives the number of the attempt that was, `None` when none was.
    /// Frames of other addresses, and our own as some adapters echo them, are passed over.
    async fn exchange(
        &mut self,
        body: &Body,
        is_answer: impl Fn(&Body) -> bool,
    ) -> Result<Option<u32>, LinkError> {
        let address = self.settings.address;
        let body = body.clone();
        let bytes = Frame { address, body }.encode();
        let answer =
            |frame: &Frame| (frame.address == address && is_answer(&frame.body)).then_some(());
        for attempt in 1..=self.asker.attempts {
            if self.asker.attempt(&bytes, answer).await?.is_some() {
                return Ok(Some(attempt));
            }
        }
        Ok(None)
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
