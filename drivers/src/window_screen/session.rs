//! Tells the screen what to show and, where its family answers, waits for that.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zhiban_vocabulary::command::{Command, Display, Failure};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use super::family::{
    Body, Family, Frame, Kuiwen, Reply, Ruize, Tally, Yinda, Yongtai, Zhongyi,
};
use super::settings::{Name, Settings};
use crate::link::framer::Framer;
use crate::link::{self, LinkError, Wire};
use crate::{Driver, DriverError, Order, Outlet, Running, Session};

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
    let mut screen = Screen::<F> {
        settings,
        outlet: session.outlet,
        wires: session.line,
        framer: Framer::default(),
        sequence: 0,
        family: PhantomData,
    };
    screen.look().await?;
    loop {
        let Ok(order) = timeout(IDLE_EVERY, commands.next()).await else {
            screen.look().await?;
            continue;
        };
        let Command::Display(display) = &order.command else {
            order.failed(Failure::Unsupported, "a screen shows and does nothing else");
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
    outlet: Outlet,
    wires: link::Line,
    framer: Framer<F>,
    sequence: u8,
    family: PhantomData<F>,
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
                Ok(self.outlet.alive().await?)
            }
            Reply::Answer => {
                self.open().await?;
                self.outlet.beat();
                Ok(())
            }
            // An open port is all there is to know.
            Reply::None => {
                self.open().await?;
                Ok(self.outlet.alive().await?)
            }
        }
    }

    async fn open(&mut self) -> Result<(), LinkError> {
        let wires = self.wires.clone();
        let mut turn = wires.turn().await;
        turn.wire(&self.settings.link, wires.tap()).await?;
        Ok(())
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
            let text = format!("a {} screen cannot show that", F::NAME);
            order.failed(Failure::Unsupported, text);
            return Ok(());
        }
        if outcome != Outcome::Unanswered {
            self.outlet.alive().await?;
        }
        let shown = ScreenShown::of(&order.command, matches!(outcome, Outcome::Done(_)));
        self.outlet.deliver(Observation::ScreenShown(shown)).await?;
        match outcome {
            Outcome::Refused(_) => order.failed(Failure::Refused, "the screen refused it"),
            Outcome::Unanswered => {
                order.failed(Failure::Unanswered, "the screen did not answer");
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

    /// Sends frames until answered, or as often as the family wants them.
    async fn exchange(&mut self, bodies: &[Body]) -> Result<Outcome, LinkError> {
        let frames: Vec<Vec<u8>> = bodies.iter().map(|body| self.encode(body)).collect();
        let attempts = match F::REPLY {
            Reply::None => 1,
            _ => self.settings.retries + 1,
        };
        let wires = self.wires.clone();
        for attempt in 1..=attempts {
            // The other devices of the line have their turn between two attempts.
            let mut turn = wires.turn().await;
            let wire = turn.wire(&self.settings.link, wires.tap()).await?;
            let answer = match self.attempt(wire, &frames).await {
                Ok(answer) => answer,
                Err(error) => {
                    *turn = link::Open::Nothing;
                    return Err(self.settings.link.lost(error));
                }
            };
            match answer {
                _ if F::REPLY == Reply::None => return Ok(Outcome::Sent),
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

    async fn attempt(
        &mut self,
        wire: &mut Box<dyn Wire>,
        frames: &[Vec<u8>],
    ) -> std::io::Result<Option<Body>> {
        self.discard_input(wire).await?;
        self.framer.forget();
        let (times, pause) = F::TIMES;
        for time in 1..=times {
            for frame in frames {
                wire.write_all(frame).await?;
            }
            if time < times {
                sleep(pause).await;
            }
        }
        match F::REPLY {
            Reply::None => Ok(None),
            _ => self.answer(wire).await,
        }
    }

    /// Reads until the answer comes or its time is over. Frames of other addresses, and our own
    /// as some adapters echo them, are passed over.
    async fn answer(&mut self, wire: &mut Box<dyn Wire>) -> std::io::Result<Option<Body>> {
        let until = Instant::now() + self.settings.ack_timeout;
        let address = self.settings.address;
        let is_answer = |frame: &Frame| {
            let ours = frame.address.is_none_or(|other| other == address);
            ours && matches!(frame.body, Body::Done | Body::Refused | Body::Here)
        };
        while let Ok(frames) = timeout_at(until, self.receive(wire)).await {
            if let Some(frame) = frames?.into_iter().find(is_answer) {
                return Ok(Some(frame.body));
            }
        }
        Ok(None)
    }

    async fn receive(&mut self, wire: &mut Box<dyn Wire>) -> std::io::Result<Vec<Frame>> {
        let mut bytes = [0; 256];
        let read = match wire.read(&mut bytes).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            some => some,
        };
        let frames = self.framer.feed(&bytes[..read]);
        self.outlet.bad_frames(self.framer.take_bad());
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
