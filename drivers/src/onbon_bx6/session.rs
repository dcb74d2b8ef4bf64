//! Asks the card who and how it is, and switches the board.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::timeout;
use zhiban_vocabulary::command::{Command, Failure};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::report::Observation;

use super::frame::{ANY_CARD, ANY_TYPE, Body, Frame, GraphicCard, HOST, Head, Identity, Nack, model};
use super::settings::Settings;
use crate::link::LinkError;
use crate::link::ask::Asker;
use crate::{Driver, DriverError, NotTaken, Running, Session};

/// How often an idle card is asked how it is.
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
        device: ANY_TYPE,
        sequence: 0,
        is_set_up: true,
        is_locked: false,
    };
    talk.greet().await?;
    loop {
        let Ok(order) = timeout(PROBE_EVERY, commands.next()).await else {
            talk.probe().await?;
            continue;
        };
        let Command::Power { on } = order.command else {
            let text = "showing texts on a BX-6 card is not supported yet";
            order.failed(Failure::Unsupported, text);
            continue;
        };
        match talk.tell(Body::Power(on)).await {
            Ok(Some(Ok(()))) => order.done(),
            Ok(Some(Err(nack))) => order.failed(Failure::Refused, nack.to_string()),
            Ok(None) => {
                order.failed(Failure::Unanswered, "the card does not answer");
                return Err(talk.silent());
            }
            Err(error) => {
                commands.give_back(order);
                return Err(error.into());
            }
        }
        talk.say_how_it_is().await?;
    }
}

struct Talk<'s> {
    settings: &'s Settings,
    asker: Asker<GraphicCard>,
    /// Type of the card, once it has said it.
    device: u16,
    sequence: u16,
    is_set_up: bool,
    is_locked: bool,
}

impl Talk<'_> {
    /// Asks who it is, says so, and takes away what was left behind.
    async fn greet(&mut self) -> Result<(), DriverError> {
        let identity = |body: &Body| match body {
            Body::Identity(identity) => Some(identity.clone()),
            _ => None,
        };
        let Some(identity) = self.ask(Body::Ping, identity).await? else {
            return Err(self.silent());
        };
        self.device = identity.device;
        let said = Observation::Identity(identity_of(&identity));
        self.asker.outlet.deliver(said).await?;
        self.is_set_up = identity.is_set_up;
        if self.settings.remove_at_start && self.tell(Body::Remove(Vec::new())).await?.is_none() {
            return Err(self.silent());
        }
        self.probe().await
    }

    async fn probe(&mut self) -> Result<(), DriverError> {
        let status = |body: &Body| match body {
            Body::Status(status) => Some(*status),
            _ => None,
        };
        let Some(status) = self.ask(Body::AskStatus, status).await? else {
            return Err(self.silent());
        };
        self.is_locked = status.is_locked;
        Ok(self.say_how_it_is().await?)
    }

    async fn say_how_it_is(&self) -> Result<(), NotTaken> {
        let outlet = &self.asker.outlet;
        if !self.is_set_up {
            let detail = "nobody told the card what its screen is like";
            return outlet.degraded(detail.to_owned()).await;
        }
        if self.is_locked {
            let detail = "the screen is locked and shows the same until unlocked";
            return outlet.degraded(detail.to_owned()).await;
        }
        outlet.alive().await
    }

    /// Gives what the card says to a command, `None` when it says nothing.
    async fn tell(&mut self, body: Body) -> Result<Option<Result<(), Nack>>, LinkError> {
        let answer = |body: &Body| match body {
            Body::Ack => Some(Ok(())),
            Body::Nack(nack) => Some(Err(*nack)),
            _ => None,
        };
        let mut left = self.settings.retries;
        loop {
            let told = self.ask(body.clone(), answer).await?;
            match told {
                Some(Err(nack)) if nack.passes() && left > 0 => left -= 1,
                told => return Ok(told),
            }
            tokio::time::sleep(self.settings.ack_timeout).await;
        }
    }

    async fn ask<T>(
        &mut self,
        body: Body,
        answer: impl Fn(&Body) -> Option<T>,
    ) -> Result<Option<T>, LinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let to = self.settings.address;
        let head = match body {
            Body::Remove(_) => Head::Dynamic,
            _ => Head::Common {
                sequence: self.sequence,
            },
        };
        let (from, device) = (HOST, self.device);
        let request = Frame {
            to,
            from,
            device,
            head,
            body,
        };
        // Our own frames, as some adapters echo them, and those of other cards are no answers.
        let is_ours = |frame: &Frame| {
            frame.to == HOST && (to == ANY_CARD || [to, ANY_CARD].contains(&frame.from))
        };
        let answer = |frame: &Frame| answer(&frame.body).filter(|_| is_ours(frame));
        self.asker.ask(&request.encode(), answer).await
    }

    fn silent(&self) -> DriverError {
        let name = self.settings.link.name();
        DriverError::Device(format!("the board at {name} does not answer"))
    }
}

pub(super) fn identity_of(identity: &Identity) -> DeviceIdentity {
    let named = model(identity.device).map(str::to_owned);
    let firmware = Some(identity.firmware.clone());
    DeviceIdentity {
        vendor: Some("Onbon".into()),
        model: Some(named.unwrap_or_else(|| format!("BX type {:04X}", identity.device))),
        serial: identity.barcode.clone(),
        firmware: firmware.filter(|firmware| !firmware.is_empty()),
        ..DeviceIdentity::default()
    }
}
