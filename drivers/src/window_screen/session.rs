//! Tells the screen what to show and, where its family answers, waits for that.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use super::family::{
    Body, Family, Frame, Kuiwen, Reply, Ruize, Tally, Yinda, Yongtai, Zhongyi,
};
use super::settings::{Name, Settings};
use crate::link::LinkError;
use crate::link::ask::Asker;
use crate::{Driver, DriverError, Order, Running, Session};

/// How often an idle screen is asked whether it is there, or the session says that it is.
const IDLE_EVERY: Duration = Duration::from_secs(30);
/// Deadlines that are waited for an answer that is late, before the next command.
const LATE: u32 = 3;

pub(crate) struct WindowScreen {
    settings: Settings,
}

impl WindowScreen {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for WindowScreen {
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
        match self.settings.family {
            Name::Zhongyi => run::<Zhongyi>(self.settings, session),
            Name::Ruize => run::<Ruize>(self.settings, session),
            Name::Yinda => run::<Yinda>(self.settings, session),
            Name::Yongtai => run::<Yongtai>(self.settings, session),
            Name::Kuiwen => run::<Kuiwen>(self.settings, session),
            Name::Tally => run::<Tally>(self.settings, session),
        }
    }
}

fn run<F: Family>(settings: Settings, session: Session) -> Running {
    Box::pin(async move {
        let Err(error) = serve::<F>(settings, session).await;
        error
    })
}

async fn serve<F: Family>(settings: Settings, session: Session) -> Result<Infallible, DriverError> {
    let mut commands = session.commands;
    let mut asker = Asker::new(
        settings.link.clone(),
        session.line,
        session.outlet,
        settings.ack_timeout,
        settings.retries + 1,
    );
    asker.times = F::TIMES;
    let mut screen = Screen::<F> {
        settings,
        asker,
        sequence: 0,
    };
    screen.look().await?;
    loop {
        let Ok(order) = timeout(IDLE_EVERY, commands.next()).await else {
            screen.look().await?;
            continue;
        };
        let Command::Display(display) = &order.command else {
            order.failed("a screen shows and does nothing else");
            continue;
        };
        match screen.show(display).await {
            Ok(outcome) => screen.report(order, outcome).await?,
            Err(error) => {
                commands.give_back(order);
                return Err(error.into());
            }
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A family that never answers.
    Sent,
    /// Answered, at this attempt.
    Done(u32),
    Refused(u32),
    Unanswered,
    /// Such as a text on a board of digits.
    Unshowable,
}

struct Screen<F: Family> {
    settings: Settings,
    asker: Asker<F>,
    sequence: u8,
}

impl<F: Family> Screen<F> {
    /// Sees whether the screen is there, as far as its family lets one see.
    async fn look(&mut self) -> Result<(), DriverError> {
        match F::REPLY {
            Reply::Poll => {
                let outcome = self.exchange(&[Body::Poll]).await?;
                if outcome == Outcome::Unanswered {
                    return Err(self.silent());
                }
                Ok(self.asker.outlet.alive().await?)
            }
            Reply::Answer => {
                self.asker.open().await?;
                self.asker.outlet.beat();
                Ok(())
            }
            // An open port is all there is to know.
            Reply::None => {
                self.asker.open().await?;
                Ok(self.asker.outlet.alive().await?)
            }
        }
    }

    fn silent(&self) -> DriverError {
        let address = self.settings.address;
        DriverError::Device(format!("{} screen {address} does not answer", F::NAME))
    }

    async fn show(&mut self, display: &Display) -> Result<Outcome, LinkError> {
        let Some(mut bodies) = F::show(&self.settings.content(display)) else {
            return Ok(Outcome::Unshowable);
        };
        self.sequence = self.sequence.wrapping_add(1);
        if F::REPLY == Reply::Poll {
            bodies.push(Body::Poll);
        }
        self.exchange(&bodies).await
    }

    /// Reports what came of a command, and leaves no answer of it outstanding.
    async fn report(&mut self, order: Order, outcome: Outcome) -> Result<(), DriverError> {
        if outcome == Outcome::Unshowable {
            order.failed(format!("a {} screen cannot show that", F::NAME));
            return Ok(());
        }
        if outcome != Outcome::Unanswered {
            self.asker.outlet.alive().await?;
        }
        let confirmed = matches!(outcome, Outcome::Done(_));
        let can_say = F::REPLY != Reply::None;
        let shown = ScreenShown::of(&order.command, can_say.then_some(confirmed));
        self.asker.outlet.deliver(Observation::ScreenShown(shown)).await?;
        match outcome {
            Outcome::Refused(_) => order.failed("the screen refused it"),
            Outcome::Unanswered => {
                order.put_off("the screen did not answer");
                return Err(self.silent());
            }
            _ => order.done(),
        }
        if let Outcome::Done(2..) | Outcome::Refused(2..) = outcome {
            // An answer does not say of what. The one that was late must not be the next command's.
            sleep(self.settings.ack_timeout * LATE).await;
        }
        Ok(())
    }

    /// Sends frames until answered, or as often as the family wants them. Frames of other
    /// addresses, and our own as some adapters echo them, are passed over.
    async fn exchange(&mut self, bodies: &[Body]) -> Result<Outcome, LinkError> {
        let frames: Vec<u8> = bodies.iter().flat_map(|body| self.encode(body)).collect();
        if F::REPLY == Reply::None {
            self.asker.send(&frames).await?;
            return Ok(Outcome::Sent);
        }
        let address = self.settings.address;
        let answer = |frame: &Frame| {
            let ours = frame.address.is_none_or(|other| other == address);
            let is_answer = matches!(frame.body, Body::Done | Body::Refused | Body::Here);
            (ours && is_answer).then(|| frame.body.clone())
        };
        for attempt in 1..=self.asker.attempts {
            match self.asker.attempt(&frames, answer).await? {
                Some(Body::Refused) => return Ok(Outcome::Refused(attempt)),
                Some(_) => return Ok(Outcome::Done(attempt)),
                None => {}
            }
        }
        Ok(Outcome::Unanswered)
    }

    fn encode(&self, body: &Body) -> Vec<u8> {
        F::encode(&Frame {
            address: Some(self.settings.address),
            sequence: self.sequence,
            body: body.clone(),
        })
    }
}
