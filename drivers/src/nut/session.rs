//! Asks the server in a steady rhythm and reports what has changed.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::power::PowerState;
use zhiban_vocabulary::report::Observation;

use super::client::{Client, NutError};
use super::settings::Settings;
use super::state::{Vars, identity, state};
use crate::ups::{is_news, trouble};
use crate::{Driver, DriverError, Outlet, Running, Session};

pub(crate) struct NutUps {
    settings: Settings,
}

impl NutUps {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for NutUps {
    fn device(&self) -> DeviceKind {
        DeviceKind::Ups
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.peer.clone())
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.settings.ups.clone()]
    }

    fn patience(&self) -> Duration {
        self.settings.poll + 3 * self.settings.timeout + Duration::from_secs(60)
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = poll_forever(&self.settings, &session).await;
            error
        })
    }
}

impl From<NutError> for DriverError {
    fn from(error: NutError) -> Self {
        match error {
            NutError::Link(error) => error.into(),
            other => Self::Device(other.to_string()),
        }
    }
}

async fn poll_forever(settings: &Settings, session: &Session) -> Result<Infallible, DriverError> {
    let tap = session.line.tap();
    let mut client = Client::connect(settings.peer.clone(), settings.timeout, tap).await?;
    if let Some(user) = &settings.user {
        client.sign_in(user).await?;
    }
    let mut ticks = interval(settings.poll);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut teller = Teller {
        outlet: &session.outlet,
        state: None,
        identity: DeviceIdentity::default(),
    };
    loop {
        ticks.tick().await;
        teller.tell(&client.vars(&settings.ups).await?).await?;
    }
}

/// Reports what is new.
struct Teller<'s> {
    outlet: &'s Outlet,
    state: Option<PowerState>,
    identity: DeviceIdentity,
}

impl Teller<'_> {
    async fn tell(&mut self, vars: &Vars) -> Result<(), DriverError> {
        let Some(state) = state(vars) else {
            let status = vars.get("ups.status").map_or("", String::as_str);
            let text = format!("ups.status {status:?} does not say where the power comes from");
            return Ok(self.outlet.degraded(text).await?);
        };
        match trouble(&state) {
            None => self.outlet.alive().await?,
            Some(trouble) => self.outlet.degraded(trouble.into()).await?,
        }
        if is_news(self.state.as_ref(), &state) {
            let observation = Observation::Power(state.clone());
            self.outlet.deliver(observation).await?;
            self.state = Some(state);
        }
        // A server that has just found the UPS learns its name a moment later.
        let identity = identity(vars);
        if identity != self.identity {
            let observation = Observation::Identity(identity.clone());
            self.outlet.deliver(observation).await?;
            self.identity = identity;
        }
        Ok(())
    }
}
