//! Who is connected, what each device listens to, and what is kept for one that comes back.
//!
//! A device has one seat. A connection sits from its CONNACK until its link to the router is
//! closed; one that comes later asks the sitting one to leave and waits. So the router never sees
//! two links of one client, and nothing of the old connection can touch the new one.
//!
//! Sessions are kept in memory: after a restart every device is told that its session is gone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use zhiban_vocabulary::DeviceId;

use super::limit::Bucket;
use super::outbox::Outbox;
use super::packet::Qos;
use super::rights::matches;

/// Different filters one device may use while the gateway runs: the router forgets none.
const FILTERS_MAX: usize = 64;
/// Different topics of one device that are passed on while the gateway runs: the same.
const TOPICS_MAX: usize = 1_000;
/// Dead letters one device may cause at once, and after that.
const LETTERS_BURST: u32 = 50;
const LETTER_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) qos: Qos,
    /// MQTT 5: the device does not want to hear itself.
    pub(super) no_local: bool,
}

/// What is kept of a session between two connections.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) outbox: Outbox,
    /// Whether the router keeps a link's state for it.
    pub(super) linked: bool,
    /// `None`: for ever.
    pub(super) until: Option<Instant>,
}

#[derive(Debug)]
struct Session {
    seat: Arc<tokio::sync::Mutex<()>>,
    /// The latest connection, and how it is told that it is no longer.
    latest: Option<(u64, CancellationToken)>,
    filters: BTreeMap<String, Granted>,
    parked: Option<Parked>,
    filters_seen: HashSet<u64>,
    topics_seen: HashSet<u64>,
    letters: Bucket,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            seat: Arc::default(),
            latest: None,
            filters: BTreeMap::new(),
            parked: None,
            filters_seen: HashSet::new(),
            topics_seen: HashSet::new(),
            letters: Bucket::new(LETTER_EVERY, LETTERS_BURST),
        }
    }
}

/// All sessions. Only devices that proved who they are get one, so their number is bounded.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<DeviceId, Session>>);

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscribed {
    New,
    Again,
    TooMany,
}

impl Sessions {
    /// Makes connection `number` the latest of its device and asks an earlier one to leave.
    pub(super) fn arrive(
        &self,
        device: &DeviceId,
        number: u64,
    ) -> (Arc<tokio::sync::Mutex<()>>, CancellationToken) {
        let mut sessions = self.lock();
        let session = sessions.entry(device.clone()).or_default();
        let leave = CancellationToken::new();
        if let Some((_, earlier)) = session.latest.replace((number, leave.clone())) {
            earlier.cancel();
        }
        (Arc::clone(&session.seat), leave)
    }

    /// What an earlier connection left; forgotten for a clean start, or when its time is over.
    pub(super) fn resume(&self, device: &DeviceId, clean_start: bool) -> Option<Parked> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(device)?;
        let now = Instant::now();
        let parked = session
            .parked
            .take()
            .filter(|parked| !clean_start && parked.until.is_none_or(|until| until > now));
        if parked.is_none() {
            session.filters.clear();
        }
        parked
    }

    /// Called by the connection that has the seat, just before it gives it up.
    pub(super) fn leave(&self, device: &DeviceId, number: u64, parked: Option<Parked>) {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(device) else {
            return;
        };
        if parked.is_none() {
            session.filters.clear();
        }
        session.parked = parked;
        let is_latest = |latest: &(u64, CancellationToken)| latest.0 == number;
        if session.latest.as_ref().is_some_and(is_latest) {
            session.latest = None;
        }
    }

    pub(super) fn subscribe(
        &self,
        device: &DeviceId,
        filter: &str,
        granted: Granted,
    ) -> Subscribed {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(device) else {
            return Subscribed::TooMany;
        };
        if !seen(&mut session.filters_seen, filter, FILTERS_MAX) {
            return Subscribed::TooMany;
        }
        match session.filters.insert(filter.to_owned(), granted) {
            Some(_) => Subscribed::Again,
            None => Subscribed::New,
        }
    }

    /// Whether there was such a subscription.
    pub(super) fn unsubscribe(&self, device: &DeviceId, filter: &str) -> bool {
        let mut sessions = self.lock();
        let session = sessions.get_mut(device);
        session.is_some_and(|session| session.filters.remove(filter).is_some())
    }

    /// The best QoS `device` was granted for `topic`.
    pub(super) fn granted(&self, device: &DeviceId, topic: &str) -> Option<Qos> {
        let sessions = self.lock();
        let filters = &sessions.get(device)?.filters;
        let fitting = filters
            .iter()
            .filter(|(filter, _)| matches(filter, topic))
            .map(|(_, granted)| granted.qos);
        fitting.max()
    }

    /// Whether a message on a topic of `device` has a listener and may go to the router.
    pub(super) fn wants(&self, device: &DeviceId, topic: &str, from_itself: bool) -> bool {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(device) else {
            return false;
        };
        let hears = |(filter, granted): (&String, &Granted)| {
            !(granted.no_local && from_itself) && matches(filter, topic)
        };
        if !session.filters.iter().any(hears) {
            return false;
        }
        let passes = !from_itself || seen(&mut session.topics_seen, topic, TOPICS_MAX);
        if !passes {
            metrics::counter!("zhiban_mqtt_not_passed_on_total").increment(1);
        }
        passes
    }

    /// Whether one more dead letter of `device` is kept.
    pub(super) fn may_bury(&self, device: &DeviceId) -> bool {
        let mut sessions = self.lock();
        let session = sessions.get_mut(device);
        session.is_some_and(|session| session.letters.try_take(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes `text`; false when there would be too many different ones.
fn seen(set: &mut HashSet<u64>, text: &str, count_max: usize) -> bool {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let hash = hasher.finish();
    set.contains(&hash) || (set.len() < count_max && set.insert(hash))
}
