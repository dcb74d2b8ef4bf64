//! Health of a program, part by part. A part is well only while it proves so again and again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How a part does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Works, but a person should look.
    Degraded,
    Failing,
}

/// One part as shown on `/health`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Part {
    pub part: &'static str,
    pub status: Status,
    pub detail: String,
    /// Seconds since the part last said anything.
    pub age_s: u64,
    /// It said nothing for too long: it hangs, or is not there.
    #[serde(skip)]
    pub is_silent: bool,
}

/// The whole, as bad as its worst part.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Report {
    pub status: Status,
    pub parts: Vec<Part>,
}

impl Report {
    /// The part of this name, if it ever said anything.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.part == name)
    }
}

struct Said {
    status: Status,
    detail: String,
    at: Instant,
    silence_max: Duration,
}

/// Collects what the parts say; cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Said>>>);

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Health")
            .field(&self.report().status)
            .finish()
    }
}

impl Health {
    /// Notes how `part` does. It counts as failing when it then stays silent for `silence_max`.
    pub fn say(
        &self,
        part: &'static str,
        status: Status,
        detail: impl Into<String>,
        silence_max: Duration,
    ) {
        let said = Said {
            status,
            detail: detail.into(),
            at: Instant::now(),
            silence_max,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(part, said);
    }

    #[must_use]
    pub fn report(&self) -> Report {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parts: Vec<_> = said.iter().map(|(part, said)| judge(part, said)).collect();
        let status = parts
            .iter()
            .map(|part| part.status)
            .max()
            .unwrap_or(Status::Failing);
        Report { status, parts }
    }
}

fn judge(part: &'static str, said: &Said) -> Part {
    let age = said.at.elapsed();
    let age_s = age.as_secs();
    if age > said.silence_max {
        let detail = format!("silent; last said: {}", said.detail);
        return Part {
            part,
            status: Status::Failing,
            detail,
            age_s,
            is_silent: true,
        };
    }
    Part {
        part,
        status: said.status,
        detail: said.detail.clone(),
        age_s,
        is_silent: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_failure_and_the_worst_part_counts() {
        let health = Health::default();
        assert_eq!(
            health.report().status,
            Status::Failing,
            "nothing proved yet"
        );
        health.say("journal", Status::Ok, "", Duration::from_secs(60));
        health.say(
            "uplink",
            Status::Degraded,
            "centre away",
            Duration::from_secs(60),
        );
        assert_eq!(health.report().status, Status::Degraded);
        health.say("mqtt", Status::Ok, "", Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(health.report().status, Status::Failing);
    }
}
