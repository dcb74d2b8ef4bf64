//! A hall as the centre knows it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::envelope::LiveSnapshot;
use zhiban_vocabulary::facts::HallProfile;

/// One line of the registry.
#[derive(Debug, Clone)]
pub struct Hall {
    pub store: StoreId,
    /// Absent until the hall has sent it.
    pub profile: Option<HallProfile>,
    pub first_seen: Timestamp,
    /// By the centre's clock; absent for a hall that was never heard.
    pub last_seen: Option<Timestamp>,
    pub version: Option<String>,
    pub backlog: Option<u64>,
    /// Age of the oldest item that waits in the hall.
    pub oldest_unsent_s: Option<u32>,
    /// The first day it has facts of, in days since 1970.
    pub first_day: Option<i64>,
    /// When two boxes were last seen to speak for it.
    pub twin: Option<Timestamp>,
    /// What the hall said of itself at this time of its own clock.
    pub live: Option<(Timestamp, LiveSnapshot)>,
}

impl Hall {
    /// The readable name, or the id until the profile came.
    #[must_use]
    pub fn name(&self) -> &str {
        self.profile
            .as_ref()
            .map_or(self.store.as_str(), |profile| &profile.name)
    }

    /// Halls of one grade are compared with each other.
    #[must_use]
    pub fn peer_group(&self) -> Option<&str> {
        self.profile.as_ref()?.grade.as_deref()
    }

    /// The zone of the hall's clocks.
    #[must_use]
    pub fn zone(&self) -> Option<TimeZone> {
        TimeZone::get(&self.profile.as_ref()?.time_zone).ok()
    }

    /// The readable name of a queue, or its id.
    #[must_use]
    pub fn queue_name<'h>(&'h self, queue: &'h str) -> &'h str {
        let queues = self.profile.iter().flat_map(|profile| &profile.queues);
        queues
            .into_iter()
            .find(|(id, _)| id.as_str() == queue)
            .map_or(queue, |(_, name)| name)
    }
}

/// What is wrong with a profile, if anything.
#[must_use]
pub(super) fn problem_of(profile: &HallProfile) -> Option<&'static str> {
    if TimeZone::get(&profile.time_zone).is_err() {
        return Some("profile names an unknown time zone");
    }
    if profile.opens >= profile.closes {
        return Some("profile closes before it opens");
    }
    None
}
