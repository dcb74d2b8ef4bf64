//! Asks the printer in a steady rhythm and reports what has changed.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::printer::PrinterHealth;
use zhiban_vocabulary::report::Observation;

use super::exchange::Printer;
use super::frame::Condition;
use super::settings::Settings;
use crate::link::Link;
use crate::{Driver, DriverError, Running, Session};

/// Polls in a row that may fail before the device counts as down: a printer that prints for
/// somebody else may refuse a connection for a while.
const MISSES_MAX: u32 = 3;

pub(crate) struct EscPosPrinter {
    settings: Settings,
}

impl EscPosPrinter {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for EscPosPrinter {
    fn device(&self) -> DeviceKind {
        DeviceKind::Printer
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.link.name().to_owned())
    }

    fn patience(&self) -> Duration {
        self.settings.poll + 60 * self.settings.timeout + Duration::from_secs(60)
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let mut watch = Watch {
                settings: &self.settings,
                session: &session,
                printer: None,
                reported: None,
                identified: !self.settings.identity,
            };
            let Err(error) = watch.forever().await;
            error
        })
    }
}

struct Watch<'s> {
    settings: &'s Settings,
    session: &'s Session,
    printer: Option<Printer>,
    reported: Option<PrinterHealth>,
    identified: bool,
}

impl Watch<'_> {
    async fn forever(&mut self) -> Result<Infallible, DriverError> {
        // What an earlier session asked may still be answered.
        let mut stale = true;
        let mut misses = 0;
        loop {
            let next = Instant::now() + self.settings.poll;
            match self.poll(stale).await {
                Ok(()) => (stale, misses) = (false, 0),
                Err(error @ DriverError::NotTaken(_)) => return Err(error),
                Err(error) => {
                    misses += 1;
                    if self.reported.is_none() || misses >= MISSES_MAX {
                        return Err(error);
                    }
                    tracing::debug!(%error, misses, "poll failed");
                    stale = true;
                    self.printer = None;
                    self.session.outlet.beat();
                }
            }
            self.wait(next).await?;
        }
    }

    async fn poll(&mut self, stale: bool) -> Result<(), DriverError> {
        let link = &self.settings.link;
        let mut printer = self.open(stale).await?;
        let polled = printer.poll().await;
        self.session.outlet.bad_frames(printer.take_bad());
        let Some(answers) = polled.map_err(|error| link.lost(error))? else {
            let text = format!("{}: no clear answer to DLE EOT", link.name());
            return Err(DriverError::Device(text));
        };
        let asked = Condition::from_answers(answers);
        // What it told while it was asked is newer than the answers.
        let condition = printer.take_told().unwrap_or(asked);
        self.report(condition).await?;
        if !self.identified && !condition.offline {
            let identity = printer.identity().await;
            self.report_identity(identity.map_err(|error| link.lost(error))?)
                .await?;
        }
        // Many printers on the network take one connection, which printing needs.
        let keep = self.settings.asb || matches!(link, Link::Serial(_));
        self.printer = keep.then_some(printer);
        Ok(())
    }

    async fn open(&mut self, stale: bool) -> Result<Printer, DriverError> {
        if let Some(printer) = self.printer.take() {
            return Ok(printer);
        }
        let link = &self.settings.link;
        let wire = link.open(self.session.line.tap()).await?;
        let mut printer = Printer::new(wire, self.settings.timeout);
        let opened = async {
            if stale {
                printer.drain(self.settings.timeout).await?;
            }
            if self.settings.asb {
                printer.tell_changes().await?;
            }
            Ok(())
        };
        opened.await.map_err(|error| link.lost(error))?;
        Ok(printer)
    }

    /// Waits for the next poll, and meanwhile reports what the printer tells by itself.
    async fn wait(&mut self, next: Instant) -> Result<(), DriverError> {
        while self.settings.asb
            && let Some(printer) = &mut self.printer
        {
            let Ok(told) = timeout_at(next, printer.listen()).await else {
                return Ok(());
            };
            match told {
                Ok(condition) => self.report(condition).await?,
                Err(error) => return Err(self.settings.link.lost(error).into()),
            }
        }
        sleep_until(next).await;
        Ok(())
    }

    async fn report(&mut self, condition: Condition) -> Result<(), DriverError> {
        let outlet = &self.session.outlet;
        match condition.trouble() {
            None => outlet.alive().await?,
            Some(trouble) => outlet.degraded(trouble).await?,
        }
        let health = condition.health();
        if self.reported.as_ref() != Some(&health) {
            let observation = Observation::Printer(health.clone());
            outlet.deliver(observation).await?;
            self.reported = Some(health);
        }
        Ok(())
    }

    async fn report_identity(&mut self, identity: DeviceIdentity) -> Result<(), DriverError> {
        if identity != DeviceIdentity::default() {
            let observation = Observation::Identity(identity);
            self.session.outlet.deliver(observation).await?;
        }
        self.identified = true;
        Ok(())
    }
}
