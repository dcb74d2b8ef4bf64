//! Asks the sensor in a steady rhythm and reports every sample.

use std::convert::Infallible;

use tokio::time::{MissedTickBehavior, interval};
use zhiban_vocabulary::report::Observation;

use super::frame;
use super::settings::Settings;
use crate::link::modbus::{Master, ModbusError, Read};
use crate::{Driver, DriverError, Outlet, Running, Session};

/// Polls in a row that may fail before the device counts as down: one lost answer on a long bus
/// is no outage.
const MISSES_MAX: u32 = 3;

pub(crate) struct ModbusClimate {
    settings: Settings,
}

impl ModbusClimate {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for ModbusClimate {
    fn device(&self) -> zhiban_vocabulary::device::DeviceKind {
        zhiban_vocabulary::device::DeviceKind::ClimateSensor
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.link.name().to_owned())
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = poll_forever(&self.settings, &session).await;
            error
        })
    }
}

async fn poll_forever(settings: &Settings, session: &Session) -> Result<Infallible, DriverError> {
    let outlet = &session.outlet;
    let reads = frame::plan(&settings.map);
    let mut master = Master::new(
        settings.link.clone(),
        session.line.clone(),
        settings.unit,
        settings.deadline,
    );
    let mut ticks = interval(settings.poll);
    // A sensor that was slow is not asked twice in a row to make up for it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut misses = 0;
    loop {
        ticks.tick().await;
        match poll(&mut master, &reads).await {
            Ok(answers) => {
                misses = 0;
                outlet.alive().await?;
                report(settings, outlet, &answers).await?;
            }
            Err(ModbusError::Link(error)) => return Err(error.into()),
            Err(error) => {
                misses += 1;
                if !matches!(error, ModbusError::Timeout { .. }) {
                    outlet.bad_frame();
                }
                if misses >= MISSES_MAX {
                    return Err(error.into());
                }
                tracing::debug!(?master, %error, misses, "poll failed");
            }
        }
    }
}

/// All requests of one poll, or none: half a sample would pair values of different moments.
async fn poll(master: &mut Master, reads: &[Read]) -> Result<Vec<(Read, Vec<u16>)>, ModbusError> {
    let mut answers = Vec::with_capacity(reads.len());
    for read in reads {
        answers.push((*read, master.read(*read).await?));
    }
    Ok(answers)
}

async fn report(
    settings: &Settings,
    outlet: &Outlet,
    answers: &[(Read, Vec<u16>)],
) -> Result<(), DriverError> {
    let decoded = frame::decode(&settings.map, answers);
    outlet.bad_frames(decoded.bad);
    if let Some(sample) = decoded.sample {
        outlet.deliver(Observation::Climate(sample)).await?;
    }
    Ok(())
}
