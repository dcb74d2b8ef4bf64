//! Asks the device in a steady rhythm, reports what it holds, and switches it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::report::Observation;

use super::frame;
use super::settings::Settings;
use crate::link::modbus::{Master, ModbusError, Read};
use crate::{Driver, DriverError, Order, Outlet, Running, Session};

/// Polls in a row that may fail before the device counts as down: one lost answer on a long bus
/// is no outage.
const MISSES_MAX: u32 = 3;

pub(crate) struct Modbus {
    settings: Settings,
}

impl Modbus {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Modbus {
    fn device(&self) -> DeviceKind {
        self.settings.map.kind.device()
    }

    fn has_switch(&self) -> bool {
        self.settings.map.switch.is_some()
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.link.name().to_owned())
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.settings.unit.to_string()]
    }

    /// A device that never answers is told from a session that hangs.
    fn patience(&self) -> Duration {
        Duration::from_secs(60) + self.settings.poll * 2 + self.settings.deadline * 100
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
    let line = session.line.clone();
    let master = Master::new(settings.link.clone(), line, settings.unit, settings.deadline);
    let mut device = Device {
        settings,
        outlet: session.outlet,
        reads: frame::plan(&settings.map),
        master,
        misses: 0,
        inputs: BTreeMap::new(),
        is_named: false,
    };
    let mut ticks = ticks(settings.poll);
    loop {
        tokio::select! {
            _ = ticks.tick() => device.poll().await?,
            order = commands.next() => {
                if let Some(order) = device.obey(order).await? {
                    commands.give_back(order);
                    tokio::time::sleep(settings.deadline).await;
                }
            }
        }
    }
}

fn ticks(poll: Duration) -> Interval {
    let mut ticks = interval(poll);
    // A device that was slow is not asked twice in a row to make up for it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

struct Device<'s> {
    settings: &'s Settings,
    outlet: Outlet,
    reads: Vec<Read>,
    master: Master,
    misses: u32,
    /// Contacts as they were last reported.
    inputs: BTreeMap<String, bool>,
    is_named: bool,
}

impl Device<'_> {
    async fn poll(&mut self) -> Result<(), DriverError> {
        self.outlet.beat();
        match self.read_all().await {
            Ok(answers) => {
                self.misses = 0;
                self.outlet.alive().await?;
                self.name().await?;
                self.report(&answers).await
            }
            Err(error) => self.miss(error),
        }
    }

    /// One bad exchange is borne, a broken link is not.
    fn miss(&mut self, error: ModbusError) -> Result<(), DriverError> {
        if let ModbusError::Link(error) = error {
            return Err(error.into());
        }
        self.misses += 1;
        if !matches!(error, ModbusError::Timeout { .. }) {
            self.outlet.bad_frame();
        }
        if self.misses >= MISSES_MAX {
            return Err(error.into());
        }
        tracing::debug!(master = ?self.master, %error, misses = self.misses, "poll failed");
        Ok(())
    }

    /// All requests of one poll, or none: half a sample would pair values of different moments.
    async fn read_all(&mut self) -> Result<Vec<(Read, Vec<u16>)>, ModbusError> {
        let mut answers = Vec::with_capacity(self.reads.len());
        for read in &self.reads {
            answers.push((*read, self.master.read(*read).await?));
        }
        Ok(answers)
    }

    /// Reports the serial number, once.
    async fn name(&mut self) -> Result<(), DriverError> {
        let Some(register) = self.settings.map.serial.as_ref().filter(|_| !self.is_named) else {
            return Ok(());
        };
        let read = frame::read_of(register);
        let words = match self.master.read(read).await {
            Ok(words) => words,
            Err(error) => return self.miss(error),
        };
        self.is_named = true;
        let identity = DeviceIdentity {
            model: Some(self.settings.map.title.clone()).filter(|title| !title.is_empty()),
            serial: frame::number(register, read, words),
            ..DeviceIdentity::default()
        };
        Ok(self.outlet.deliver(Observation::Identity(identity)).await?)
    }

    async fn report(&mut self, answers: &[(Read, Vec<u16>)]) -> Result<(), DriverError> {
        let decoded = frame::decode(&self.settings.map, answers);
        self.outlet.bad_frames(decoded.bad);
        for observation in decoded.observations {
            let contact = match &observation {
                Observation::Input(state) => Some((state.input.clone(), state.on)),
                _ => None,
            };
            if let Some((input, on)) = &contact
                && self.inputs.get(input) == Some(on)
            {
                continue;
            }
            self.outlet.deliver(observation).await?;
            self.inputs.extend(contact);
        }
        Ok(())
    }

    /// Gives an order back that did not get through.
    async fn obey(&mut self, order: Order) -> Result<Option<Order>, DriverError> {
        let Command::Power { on } = order.command else {
            order.failed("the device can only be switched");
            return Ok(None);
        };
        let Some(coil) = self.settings.map.switch else {
            order.failed("the map of the device has no switch");
            return Ok(None);
        };
        match self.master.switch(coil.address, on).await {
            Ok(()) => {
                order.done();
                Ok(None)
            }
            Err(error @ ModbusError::Exception { .. }) => {
                order.failed(error.to_string());
                Ok(None)
            }
            Err(error) => {
                self.miss(error)?;
                Ok(Some(order))
            }
        }
    }
}
