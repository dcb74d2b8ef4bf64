//! Asks the UPS in a steady rhythm and reports what has changed.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::report::Observation;

use super::mib;
use crate::link::snmp::{Agent, AgentSettings};
use crate::ups::{is_news, trouble};
use crate::{Driver, DriverError, Outlet, Running, Session};

pub(crate) struct SnmpUps {
    settings: AgentSettings,
}

impl SnmpUps {
    pub(crate) fn new(settings: AgentSettings) -> Self {
        Self { settings }
    }
}

impl Driver for SnmpUps {
    fn device(&self) -> DeviceKind {
        DeviceKind::Ups
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.access.peer.clone())
    }

    fn patience(&self) -> Duration {
        self.settings.patience()
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = poll_forever(&self.settings, &session).await;
            error
        })
    }
}

async fn poll_forever(
    settings: &AgentSettings,
    session: &Session,
) -> Result<Infallible, DriverError> {
    let outlet = &session.outlet;
    let mut agent = Agent::open(settings.access.clone(), session.line.tap().clone()).await?;
    let mut ticks = interval(settings.poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = None;
    loop {
        ticks.tick().await;
        let walked = agent.walk(mib::STATE).await;
        outlet.bad_frames(agent.take_strays());
        let Some(state) = mib::state(&walked?) else {
            let peer = &settings.access.peer;
            let text = format!("{peer}: answers, but does not say where the power comes from");
            return Err(DriverError::Device(text));
        };
        match trouble(&state) {
            None => outlet.alive().await?,
            Some(trouble) => outlet.degraded(trouble.into()).await?,
        }
        let is_first = reported.is_none();
        if is_news(reported.as_ref(), &state) {
            outlet.deliver(Observation::Power(state.clone())).await?;
            reported = Some(state);
        }
        if is_first {
            // Who it is matters less than how it is: an agent that will not say is read on.
            match agent.walk(mib::IDENTITY).await {
                Ok(walk) => report(outlet, mib::identity(&walk)).await?,
                Err(error) => tracing::debug!(%error, "no identity"),
            }
        }
    }
}

async fn report(outlet: &Outlet, identity: DeviceIdentity) -> Result<(), DriverError> {
    if identity != DeviceIdentity::default() {
        outlet.deliver(Observation::Identity(identity)).await?;
    }
    Ok(())
}
