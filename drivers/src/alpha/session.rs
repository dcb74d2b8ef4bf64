//! Sends texts to a sign. The sign says nothing in return.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use super::settings::Settings;
use crate::link::{Line, LinkError, Open, Wire};
use crate::{Driver, DriverError, Running, Session};

/// How often the link to an idle sign is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Sign {
    settings: Settings,
}

impl Sign {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Sign {
    fn device(&self) -> DeviceKind {
        DeviceKind::LedBoard
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.link.name().to_owned())
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.settings.address()]
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(&self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: &Settings, session: Session) -> Result<Infallible, DriverError> {
    let (outlet, line, mut commands) = (session.outlet, session.line, session.commands);
    send(settings, &line, &[]).await?;
    outlet.alive().await?;
    loop {
        let Ok(order) = timeout(LOOK_EVERY, commands.next()).await else {
            send(settings, &line, &[]).await?;
            outlet.alive().await?;
            continue;
        };
        let Command::Display(display) = &order.command else {
            order.failed("a sign shows and does nothing else");
            continue;
        };
        let bytes = settings.frame(display).encode();
        if let Err(error) = send(settings, &line, &bytes).await {
            commands.give_back(order);
            return Err(error.into());
        }
        outlet.alive().await?;
        let shown = ScreenShown::of(&order.command, None);
        outlet.deliver(Observation::ScreenShown(shown)).await?;
        order.done();
    }
}

/// Resolves when the link has taken the bytes and did not break while the sign digested them.
async fn send(settings: &Settings, line: &Line, bytes: &[u8]) -> Result<(), LinkError> {
    let mut turn = line.turn().await;
    if is_gone(&mut turn).await {
        *turn = Open::Nothing;
    }
    let mut wire = turn.take(&settings.link, line.tap(), Duration::ZERO).await?;
    let sent = sending(&mut wire, bytes, settings.rest).await;
    *turn = match sent {
        Ok(()) => Open::Wire(wire),
        Err(_) => Open::Nothing,
    };
    sent.map_err(|error| settings.link.lost(error))
}

async fn sending(wire: &mut Box<dyn Wire>, bytes: &[u8], rest: Duration) -> io::Result<()> {
    wire.write_all(bytes).await?;
    listen(wire, rest).await
}

/// Whether the other end closed an open connection meanwhile, as converters do with idle ones.
async fn is_gone(open: &mut Open) -> bool {
    match open {
        Open::Wire(wire) => listen(wire, Duration::ZERO).await.is_err(),
        _ => false,
    }
}

/// Reads what nobody asked for; fails when the link breaks within `time`.
async fn listen(wire: &mut Box<dyn Wire>, time: Duration) -> io::Result<()> {
    let mut bytes = [0; 64];
    let reading = async {
        while wire.read(&mut bytes).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    timeout(time, reading).await.unwrap_or(Ok(()))
}
