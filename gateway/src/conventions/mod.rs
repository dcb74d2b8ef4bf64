//! Forms devices of other makers speak, taken as they are: Home Assistant's discovery, Tasmota's,
//! Sparkplug B.
//!
//! Pure: one message of one device in, reports in our words out ([`Translator::take`]). The MQTT
//! door asks before it commits, so what is said here is on disk before the device is told that
//! its message was taken. Who may use which topic is in [`topics`]; `README.md` says what is
//! proven against whose programs.

mod discovery;
mod homeassistant;
mod model;
mod payload;
mod sparkplug;
mod tasmota;
mod template;
#[cfg(test)]
mod tests;
mod thin_edge;
mod topics;

use std::collections::{BTreeMap, HashMap};

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

pub(crate) use model::{Problem, Said, Translated};
pub(crate) use thin_edge::measurements;
pub(crate) use topics::Topics;

use discovery::Place;
use homeassistant::Home;
use model::Presence;
use sparkplug::Plug;
use tasmota::Tasmota;

const HOME_ASSISTANT_STATUS: &str = "homeassistant/status";

/// What the hall itself says in these forms, to whoever listens.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    /// Name of the host towards Sparkplug: the hall's own.
    pub(crate) host: String,
    /// Since when it is there.
    pub(crate) since: Timestamp,
}

impl Words {
    /// Topics and payloads; a device hears those it listens to.
    pub(crate) fn all(&self, is_online: bool) -> [(String, Vec<u8>); 2] {
        let word: &[u8] = if is_online { b"online" } else { b"offline" };
        let state = sparkplug::host_state(is_online, self.since);
        [
            (HOME_ASSISTANT_STATUS.to_owned(), word.to_vec()),
            (sparkplug::host_topic(&self.host), state),
        ]
    }
}

/// What one credential has announced so far, while it is connected.
#[derive(Debug)]
pub(crate) struct Translator {
    own: Topics,
    home: Home,
    tasmota: Tasmota,
    plug: Plug,
    presence: Presence,
    /// Retained messages of an earlier connection the device has not said again yet.
    kept: HashMap<String, [u8; 32]>,
    /// Retained messages on topics it may yet announce: zigbee2mqtt says first whether a thing is
    /// there, then what it is.
    early: BTreeMap<String, Early>,
}

/// A retained message nothing is announced of.
#[derive(Debug)]
struct Early {
    payload: Vec<u8>,
    came: Timestamp,
    /// Whether somebody was told that nothing is announced of it.
    is_told: bool,
}

/// Messages kept for an announcement to come, and how long one may be in bytes. Longer ones, such as
/// zigbee2mqtt's own `bridge/info`, are no value of a thing.
const EARLY_MAX: usize = 256;
const EARLY_BYTES_MAX: usize = 4 << 10;
/// What is not announced by then is shown as not understood.
const EARLY_FOR: SignedDuration = SignedDuration::from_secs(60);

impl Translator {
    /// Takes up what the device announced before, from its retained messages: topic and payload.
    pub(crate) fn new(
        own: Topics,
        offset: Option<Offset>,
        kept: &[(String, Vec<u8>)],
        now: Timestamp,
    ) -> Self {
        let mut translator = Self {
            own,
            home: Home::default(),
            tasmota: Tasmota::new(offset),
            plug: Plug::default(),
            presence: Presence::default(),
            kept: HashMap::new(),
            early: BTreeMap::new(),
        };
        let is_discovery =
            |topic: &str| Place::of(topic).is_some() || topic.starts_with("tasmota/");
        for first in [true, false] {
            for (topic, payload) in kept
                .iter()
                .filter(|(topic, _)| is_discovery(topic) == first)
            {
                // It was reported when it came.
                let _ = translator.translate(topic, payload, true, now);
                translator.kept.insert(topic.clone(), digest(payload));
            }
        }
        translator
    }

    /// Takes one message on a topic the device may use.
    pub(crate) fn take(
        &mut self,
        topic: &str,
        payload: &[u8],
        retain: bool,
        now: Timestamp,
    ) -> Translated {
        // A device that comes back says again what is retained; that is no news.
        let before = self.kept.remove(topic);
        if retain && before == Some(digest(payload)) {
            return Translated::said(Vec::new());
        }
        self.translate(topic, payload, retain, now)
    }

    fn translate(
        &mut self,
        topic: &str,
        payload: &[u8],
        retain: bool,
        now: Timestamp,
    ) -> Translated {
        if let Some(place) = Place::of(topic) {
            let (home, presence) = (&mut self.home, &mut self.presence);
            let announced = home.announce(&self.own, presence, topic, place, payload);
            return self.hear_early(announced, now);
        }
        if let Some(announced) = self.tasmota.announce(&self.own, topic, payload) {
            return self.hear_early(announced, now);
        }
        if payload.is_empty() {
            self.early.remove(topic);
            return Translated::said(Vec::new());
        }
        match self.hear(topic, payload, now) {
            Some(translated) => translated,
            None if retain || self.early.contains_key(topic) => {
                self.keep_early(topic, payload, now)
            }
            None => Translated::unclear(unannounced()),
        }
    }

    fn hear(&mut self, topic: &str, payload: &[u8], now: Timestamp) -> Option<Translated> {
        let presence = &mut self.presence;
        self.plug
            .hear(presence, topic, payload, now)
            .or_else(|| self.home.hear(presence, topic, payload))
            .or_else(|| self.tasmota.hear(presence, topic, payload))
    }

    fn keep_early(&mut self, topic: &str, payload: &[u8], now: Timestamp) -> Translated {
        let before = self.early.remove(topic);
        if payload.len() > EARLY_BYTES_MAX || self.early.len() == EARLY_MAX {
            return Translated::unclear(unannounced());
        }
        let early = Early {
            payload: payload.to_vec(),
            came: before.as_ref().map_or(now, |before| before.came),
            is_told: before.is_some_and(|before| before.is_told),
        };
        self.early.insert(topic.to_owned(), early);
        Translated::said(Vec::new())
    }

    /// Topics and payloads nothing has been announced of for a minute; each once. They still wait.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Vec<(String, Vec<u8>)> {
        let late = |early: &Early| !early.is_told && now.duration_since(early.came) >= EARLY_FOR;
        let mut overdue = Vec::new();
        for (topic, early) in self.early.iter_mut().filter(|(_, early)| late(early)) {
            early.is_told = true;
            overdue.push((topic.clone(), early.payload.clone()));
        }
        overdue
    }

    /// What came before it was announced.
    fn hear_early(&mut self, mut announced: Translated, now: Timestamp) -> Translated {
        for (topic, early) in std::mem::take(&mut self.early) {
            match self.hear(&topic, &early.payload, now) {
                Some(translated) => announced.and(translated),
                None => drop(self.early.insert(topic, early)),
            }
        }
        announced
    }
}

/// Why such a message is a dead letter.
pub(crate) fn unannounced() -> Problem {
    Problem::unknown("the device announced nothing on this topic")
}

fn digest(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(payload).into()
}
