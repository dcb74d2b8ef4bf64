//! Health of a program, part by part. A part is well only while it proves so again and again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::said::Said;

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
    /// In English.
    pub detail: String,
    pub detail_zh: String,
    /// Seconds since the part last said anything.
    pub age_s: u64,
    /// It said nothing for too long: it hangs, or is not there.
    #[serde(skip)]
    pub is_silent: bool,
}

impl Part {
    /// Says no more of it than how it does.
    pub fn hide_detail(&mut self) {
        self.detail.clear();
        self.detail_zh.clear();
    }

    /// What it says, in both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        Said::new(&self.detail_zh, &self.detail)
    }
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

struct Word {
    status: Status,
    detail: Said,
    at: Instant,
    silence_max: Duration,
}

/// Collects what the parts say; cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Word>>>);

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
        detail: impl Into<Said>,
        silence_max: Duration,
    ) {
        let said = Word {
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

fn judge(part: &'static str, said: &Word) -> Part {
    let age = said.at.elapsed();
    let age_s = age.as_secs();
    let is_silent = age > said.silence_max;
    let detail = if is_silent {
        let Said { zh, en } = &said.detail;
        Said::new(
            format!("没有消息；最后一次：{zh}"),
            format!("silent; last said: {en}"),
        )
    } else {
        said.detail.clone()
    };
    Part {
        part,
        status: if is_silent {
            Status::Failing
        } else {
            said.status
        },
        detail: detail.en,
        detail_zh: detail.zh,
        age_s,
        is_silent,
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
        health.say(
            "journal",
            Status::Ok,
            String::new(),
            Duration::from_secs(60),
        );
        health.say(
            "uplink",
            Status::Degraded,
            String::from("centre away"),
            Duration::from_secs(60),
        );
        assert_eq!(health.report().status, Status::Degraded);
        health.say("mqtt", Status::Ok, String::new(), Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(health.report().status, Status::Failing);
    }
}
