//! The events module of an Orchestra, which posts what happens to one web hook.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::frame;
use crate::SettingsError;
use crate::link::Tap;
use crate::link::http::{Base, Client, HttpError};

/// Numbers of service points are the unit's number behind this.
const UNITS: u64 = 120_000_000_000;

/// What happens to a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisitStep<'s> {
    Create { ticket: &'s str, queue: &'s str },
    Call { counter: u64, user: &'s str },
    Confirm { counter: u64, user: &'s str },
    End { counter: u64 },
}

/// An Orchestra with one branch.
#[derive(Debug)]
pub struct OrchestraSimulator {
    hook: Client,
    branch: u64,
}

impl OrchestraSimulator {
    /// One that posts to this address.
    ///
    /// # Errors
    /// [`SettingsError`] for anything but a plain `http` address.
    pub fn new(hook: &str, branch: u64) -> Result<Self, SettingsError> {
        let hook = Client::new(Base::read("hook", hook)?, Tap::default());
        Ok(Self { hook, branch })
    }

    /// Posts an event of a visit. Without an error it is on disk.
    ///
    /// # Errors
    /// [`HttpError`]. A real Orchestra then forgets the address; this one can be asked again.
    pub async fn visit(
        &self,
        visit: u64,
        at: Timestamp,
        step: &VisitStep<'_>,
    ) -> Result<(), HttpError> {
        let (name, counter, mut parameters) = match step {
            VisitStep::Create { ticket, queue } => (
                "VISIT_CREATE",
                None,
                json!({ "ticket": ticket, "queueName": queue, "queueType": "QUEUE", "service": 1 }),
            ),
            VisitStep::Call { counter, user } => {
                ("VISIT_CALL", Some(*counter), json!({ "user": user }))
            }
            VisitStep::Confirm { counter, user } => {
                ("VISIT_CONFIRM", Some(*counter), json!({ "user": user }))
            }
            VisitStep::End { counter } => ("VISIT_END", Some(*counter), json!({})),
        };
        parameters["visitId"] = visit.into();
        self.post(name, at, counter, parameters).await
    }

    /// Somebody signs on at a counter, or off.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub async fn session(
        &self,
        counter: u64,
        user: Option<&str>,
        at: Timestamp,
    ) -> Result<(), HttpError> {
        let name = match user {
            Some(_) => "USER_SERVICE_POINT_SESSION_START",
            None => "USER_SERVICE_POINT_SESSION_END",
        };
        self.post(name, at, Some(counter), json!({ "user": user })).await
    }

    async fn post(
        &self,
        name: &str,
        at: Timestamp,
        counter: Option<u64>,
        parameters: Value,
    ) -> Result<(), HttpError> {
        let mut all = Map::new();
        all.insert("branchId".into(), self.branch.into());
        if let Some(counter) = counter {
            all.insert("servicePointLogicId".into(), counter.into());
            all.insert("servicePointName".into(), format!("Counter {counter}").into());
        }
        if let Value::Object(parameters) = parameters {
            all.extend(parameters);
        }
        let unit = counter.map(|counter| UNITS + counter);
        let body = frame::write(name, at, unit, &all);
        self.hook.post("", &body).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
