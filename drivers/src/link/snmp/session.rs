//! The session of a device that is read by SNMP: asks in a steady rhythm and reports what has
//! changed.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::report::Observation;

use super::{Agent, AgentSettings, Walk};
use crate::{Driver, DriverError, Outlet, Running, Session};

/// What is read of an agent, and what it means.
pub(crate) trait Subject: Send + 'static {
    type State: Clone + Send;

    const DEVICE: DeviceKind;
    /// Columns of which an agent that has such a thing has one at least.
    const MARKS: &[&[u32]];
    /// The columns of the state, and those of the identity.
    const STATE: &[&[u32]];
    const IDENTITY: &[&[u32]];
    /// What an agent without state lacks.
    const LACK: &str;

    /// `None` when the agent has no such thing.
    fn read(walk: &Walk) -> Option<Self::State>;

    fn identity(walk: &Walk) -> DeviceIdentity;

    fn trouble(state: &Self::State) -> Option<String>;

    /// Whether a state is worth a report after the last one.
    fn is_news(last: Option<&Self::State>, state: &Self::State) -> bool;

    fn observation(state: Self::State) -> Observation;
}

pub(crate) struct Polled<S> {
    settings: AgentSettings,
    subject: PhantomData<S>,
}

impl<S> Polled<S> {
    pub(crate) fn new(settings: AgentSettings) -> Self {
        let subject = PhantomData;
        Self { settings, subject }
    }
}

impl<S: Subject> Driver for Polled<S> {
    fn device(&self) -> DeviceKind {
        S::DEVICE
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.access.peer.clone())
    }

    fn patience(&self) -> Duration {
        self.settings.patience()
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = poll_forever::<S>(&self.settings, &session).await;
            error
        })
    }
}

async fn poll_forever<S: Subject>(
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
        let walked = agent.walk(S::STATE).await;
        outlet.bad_frames(agent.take_strays());
        let Some(state) = S::read(&walked?) else {
            let (peer, lack) = (&settings.access.peer, S::LACK);
            return Err(DriverError::Device(format!("{peer}: answers, but {lack}")));
        };
        match S::trouble(&state) {
            None => outlet.alive().await?,
            Some(trouble) => outlet.degraded(trouble).await?,
        }
        let is_first = reported.is_none();
        if S::is_news(reported.as_ref(), &state) {
            outlet.deliver(S::observation(state.clone())).await?;
            reported = Some(state);
        }
        if is_first {
            // Who it is matters less than how it is: an agent that will not say is read on.
            match agent.walk(S::IDENTITY).await {
                Ok(walk) => report(outlet, S::identity(&walk)).await?,
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
