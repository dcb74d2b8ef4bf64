//! Sparkplug B 3.0, the side of the host: births say what there is, data says what changed, deaths
//! that it is gone. What data cannot be understood without is asked for again.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use zhiban_vocabulary::device::InputState;
use zhiban_vocabulary::measurement::Reading;
use zhiban_vocabulary::report::Observation;

use super::model::{Presence, Problem, Quantity, Said, Sample, Translated, observe};
use super::payload::{self, BOOLEAN, Held, Metric, Payload};
use super::topics::SPARKPLUG;

/// Metrics one edge node may have with its devices, and nodes one credential may speak for.
const METRICS_MAX: usize = 256;
const NODES_MAX: usize = 16;
const ALIASES_MAX: usize = 1_024;
/// Longest text that is remembered, to know whether a birth says news.
const TEXT_BYTES_MAX: usize = 256;
/// How long the host waits before it asks for a birth again; doubled each time in vain.
const ASK_AFTER: SignedDuration = SignedDuration::from_secs(10);
const ASK_AFTER_MAX: SignedDuration = SignedDuration::from_mins(10);
const REBIRTH: &str = "Node Control/Rebirth";
const BIRTH_NUMBER: &str = "bdSeq";
/// What some nodes call a payload that has another in it.
const COMPRESSED: &str = "SPBV1.0_COMPRESSED";
/// Properties that name a unit; the makers do not agree.
const UNIT_PROPERTIES: [&str; 5] = ["engUnit", "engUnits", "Engineering Units", "unit", "units"];

/// Edge nodes of one credential.
#[derive(Debug, Default)]
pub(super) struct Plug {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Default)]
struct Node {
    is_born: bool,
    /// Of the last message; the next has one more.
    seq: Option<u64>,
    birth_number: Option<u64>,
    metrics: BTreeMap<String, Known>,
    /// Names by alias.
    aliases: HashMap<u64, String>,
    /// When a birth was asked for last, and how long to wait before the next time.
    asked: Option<(Timestamp, SignedDuration)>,
}

/// What a birth said of a metric.
#[derive(Debug, Clone)]
struct Known {
    datatype: u32,
    unit: Option<String>,
    quantity: Quantity,
    last: Option<Held>,
}

/// A topic of an edge node.
#[derive(Debug, Clone, Copy)]
struct Place<'t> {
    group: &'t str,
    what: &'t str,
    node: &'t str,
    device: Option<&'t str>,
}

impl<'t> Place<'t> {
    fn of(topic: &'t str) -> Option<Self> {
        let levels: Vec<&str> = topic.split('/').collect();
        let (group, what, node, device) = match levels[..] {
            [SPARKPLUG, group, what, node] => (group, what, node, None),
            [SPARKPLUG, group, what, node, device] => (group, what, node, Some(device)),
            _ => return None,
        };
        Some(Self {
            group,
            what,
            node,
            device,
        })
    }

    fn name(&self, metric: &str) -> String {
        match self.device {
            Some(device) => format!("{device}/{metric}"),
            None => metric.to_owned(),
        }
    }

    /// What is here or gone.
    fn part(&self) -> String {
        match self.device {
            Some(device) => format!("{}/{device}", self.node),
            None => self.node.to_owned(),
        }
    }
}

impl Plug {
    /// Takes a message; `None` where it is none of Sparkplug's.
    pub(super) fn hear(
        &mut self,
        presence: &mut Presence,
        topic: &str,
        payload: &[u8],
        now: Timestamp,
    ) -> Option<Translated> {
        let place = Place::of(topic)?;
        let payload = match decode(payload) {
            Ok(payload) => payload,
            Err(problem) => return Some(Translated::refused(problem)),
        };
        let key = format!("{}/{}", place.group, place.node);
        if !self.nodes.contains_key(&key) && self.nodes.len() >= NODES_MAX {
            return Some(Translated::refused(Problem::unreadable(
                "too many edge nodes",
            )));
        }
        let node = self.nodes.entry(key).or_default();
        let translated = match (place.what, place.device) {
            ("NBIRTH", None) => node.birth(presence, place, &payload),
            ("DBIRTH", Some(_)) => node.device_birth(presence, place, &payload, now),
            ("NDATA", None) | ("DDATA", Some(_)) => node.data(place, &payload, now),
            ("NDEATH", None) => node.death(presence, place, &payload),
            ("DDEATH", Some(_)) => {
                let mut orders = Vec::new();
                node.count(place, &payload, now, &mut orders);
                Translated {
                    orders,
                    ..gone(presence, &place.part())
                }
            }
            (what, _) => {
                Translated::unclear(Problem::unknown(format!("no message {what:?} of a device")))
            }
        };
        Some(translated)
    }
}

impl Node {
    fn birth(
        &mut self,
        presence: &mut Presence,
        place: Place<'_>,
        payload: &Payload,
    ) -> Translated {
        let before = std::mem::take(&mut self.metrics);
        let asked = self.asked;
        *self = Self {
            is_born: true,
            seq: payload.seq,
            birth_number: birth_number(payload),
            // Asking in vain goes on slower; a node that was born is not in vain.
            asked: asked.map(|(at, _)| (at, ASK_AFTER)),
            ..Self::default()
        };
        self.learn(place, payload, &before);
        // What its devices said last is known again when they are born.
        for (name, known) in before {
            if name.contains('/') && self.metrics.len() < METRICS_MAX {
                self.metrics.entry(name).or_insert(known);
            }
        }
        let mut translated = self.values(place, payload);
        translated
            .said
            .extend(presence.note(&place.part(), true).map(Said::now));
        translated
    }

    fn device_birth(
        &mut self,
        presence: &mut Presence,
        place: Place<'_>,
        payload: &Payload,
        now: Timestamp,
    ) -> Translated {
        let mut orders = Vec::new();
        self.count(place, payload, now, &mut orders);
        let before = self.metrics.clone();
        self.learn(place, payload, &before);
        let mut translated = self.values(place, payload);
        translated
            .said
            .extend(presence.note(&place.part(), true).map(Said::now));
        translated.orders = orders;
        translated
    }

    fn data(&mut self, place: Place<'_>, payload: &Payload, now: Timestamp) -> Translated {
        let mut orders = Vec::new();
        self.count(place, payload, now, &mut orders);
        let mut translated = self.values(place, payload);
        let is_unclear = translated.problem.is_some();
        if is_unclear && orders.is_empty() {
            self.ask(place, now, &mut orders);
        }
        translated.orders = orders;
        translated
    }

    fn death(
        &mut self,
        presence: &mut Presence,
        place: Place<'_>,
        payload: &Payload,
    ) -> Translated {
        // The will of an earlier connection, late. A number that is ahead is a death all the same:
        // pysparkplug counts on before it says good-bye.
        if let (Some(said), Some(known)) = (birth_number(payload), self.birth_number)
            && (1..=128).contains(&(known.wrapping_sub(said) % 256))
        {
            return Translated::said(Vec::new());
        }
        self.is_born = false;
        let parts: Vec<String> = self.device_parts(place);
        for part in parts {
            presence.forget(&part);
        }
        gone(presence, &place.part())
    }

    fn device_parts(&self, place: Place<'_>) -> Vec<String> {
        let devices = self.metrics.keys().filter_map(|name| name.split_once('/'));
        let mut parts: Vec<String> = devices
            .map(|(device, _)| format!("{}/{device}", place.node))
            .collect();
        parts.dedup();
        parts
    }

    /// Follows the numbers; where one is missing, or no birth came before, the node is asked.
    fn count(
        &mut self,
        place: Place<'_>,
        payload: &Payload,
        now: Timestamp,
        orders: &mut Vec<(String, Vec<u8>)>,
    ) {
        let expected = self.seq.map(|seq| (seq + 1) % 256);
        let is_gap = payload.seq.is_some() && payload.seq != expected;
        self.seq = payload.seq.or(self.seq);
        if !self.is_born || is_gap {
            self.ask(place, now, orders);
        }
    }

    fn ask(&mut self, place: Place<'_>, now: Timestamp, orders: &mut Vec<(String, Vec<u8>)>) {
        let pause = match self.asked {
            Some((at, pause)) if now.duration_since(at) < pause => return,
            Some((_, pause)) => (pause * 2).min(ASK_AFTER_MAX),
            None => ASK_AFTER,
        };
        self.asked = Some((now, pause));
        let topic = format!("{SPARKPLUG}/{}/NCMD/{}", place.group, place.node);
        orders.push((topic, rebirth(now)));
    }

    /// Takes up what a birth says there is.
    fn learn(&mut self, place: Place<'_>, payload: &Payload, before: &BTreeMap<String, Known>) {
        for metric in &payload.metrics {
            let Some(own) = metric.name.as_deref().filter(|own| is_value(own)) else {
                continue;
            };
            let name = place.name(own);
            if self.metrics.len() >= METRICS_MAX && !self.metrics.contains_key(&name) {
                continue;
            }
            if let Some(alias) = metric.alias
                && self.aliases.len() < ALIASES_MAX
            {
                self.aliases.insert(alias, name.clone());
            }
            let unit = unit(metric);
            let known = Known {
                datatype: metric.datatype.unwrap_or(0),
                quantity: quantity(own, unit.as_deref()),
                unit,
                last: before.get(&name).and_then(|known| known.last.clone()),
            };
            self.metrics.insert(name, known);
        }
    }

    /// The values of a message that are news: a birth says again what is known.
    fn values(&mut self, place: Place<'_>, payload: &Payload) -> Translated {
        let is_birth = place.what.ends_with("BIRTH");
        let (mut said, mut samples, mut unclear) = (Vec::new(), Vec::new(), Vec::new());
        for metric in &payload.metrics {
            let name = match self.name(place, metric) {
                Ok(Some(name)) => name,
                Ok(None) => continue,
                Err(shown) => {
                    unclear.push(shown);
                    continue;
                }
            };
            if metric.is_null == Some(true) {
                continue;
            }
            let Some(held) = self.held(&name, metric) else {
                unclear.push(name);
                continue;
            };
            if self.is_known(&name, &held) && is_birth {
                continue;
            }
            let time = time(metric.timestamp.or(payload.timestamp));
            // A past that is not dated cannot be placed.
            if metric.is_historical == Some(true) && time.is_none() {
                unclear.push(name);
                continue;
            }
            let reading = match held {
                Held::Number(number) => Reading::Number(number),
                Held::Text(text) => Reading::text(&text),
                Held::Boolean(on) => {
                    let observation = Observation::Input(InputState { input: name, on });
                    said.push(Said { time, observation });
                    continue;
                }
            };
            samples.push(self.sample(name, reading, time));
        }
        said.extend(observe(samples));
        Translated {
            problem: problem(&unclear),
            ..Translated::said(said)
        }
    }

    /// Whose value it is; `Ok(None)` for what is no value, `Err` for what nobody announced.
    fn name(&self, place: Place<'_>, metric: &Metric) -> Result<Option<String>, String> {
        let own = metric.name.as_deref().filter(|own| !own.is_empty());
        match (own, metric.alias) {
            (Some(own), _) if !is_value(own) => Ok(None),
            (Some(own), _) => {
                let name = place.name(own);
                match self.metrics.contains_key(&name) || self.metrics.len() < METRICS_MAX {
                    true => Ok(Some(name)),
                    false => Err(format!("{name}: more than {METRICS_MAX} metrics")),
                }
            }
            (None, Some(alias)) => match self.aliases.get(&alias) {
                Some(name) => Ok(Some(name.clone())),
                None => Err(format!("alias {alias}")),
            },
            (None, None) => Err("a metric without a name".into()),
        }
    }

    fn held(&self, name: &str, metric: &Metric) -> Option<Held> {
        let known = self.metrics.get(name);
        let datatype = metric.datatype.or(known.map(|known| known.datatype));
        payload::held(metric.value.as_ref()?, datatype.unwrap_or(0))
    }

    /// Whether the metric said that before; notes what it says now.
    fn is_known(&mut self, name: &str, held: &Held) -> bool {
        let Some(known) = self.metrics.get_mut(name) else {
            return false;
        };
        let is_long = matches!(held, Held::Text(text) if text.len() > TEXT_BYTES_MAX);
        let before = known.last.take();
        known.last = (!is_long).then(|| held.clone());
        before.as_ref() == Some(held)
    }

    fn sample(&self, name: String, value: Reading, time: Option<Timestamp>) -> Sample {
        let known = self.metrics.get(&name);
        let quantity = known.map_or(Quantity::Other, |known| known.quantity);
        Sample {
            is_main: self.main(quantity) == Some(&name),
            quantity,
            unit: known.and_then(|known| known.unit.clone()),
            time,
            ..Sample::plain(name, value)
        }
    }

    fn main(&self, quantity: Quantity) -> Option<&String> {
        let is_meant = |known: &Known| known.quantity == quantity && quantity != Quantity::Other;
        let mut fitting = self.metrics.iter().filter(|(_, known)| is_meant(known));
        fitting.next().map(|(name, _)| name)
    }
}

fn decode(bytes: &[u8]) -> Result<Payload, Problem> {
    let payload = Payload::decode(bytes)
        .map_err(|error| Problem::unreadable(format!("no payload of Sparkplug B: {error}")))?;
    if payload.uuid.as_deref() == Some(COMPRESSED) {
        return Err(Problem::unreadable(
            "the payload is compressed; turn that off",
        ));
    }
    Ok(payload)
}

fn gone(presence: &mut Presence, part: &str) -> Translated {
    let said = presence.note(part, false).map(Said::now);
    Translated::said(said.into_iter().collect())
}

/// Not the numbers and switches of the protocol itself.
fn is_value(name: &str) -> bool {
    let is_control = name.starts_with("Node Control/") || name.starts_with("Device Control/");
    name != BIRTH_NUMBER && !is_control
}

fn birth_number(payload: &Payload) -> Option<u64> {
    let mut metrics = payload.metrics.iter();
    let metric = metrics.find(|metric| metric.name.as_deref() == Some(BIRTH_NUMBER))?;
    match metric.value.as_ref()? {
        payload::Value::Int(number) => Some((*number).into()),
        payload::Value::Long(number) => Some(*number),
        _ => None,
    }
}

fn unit(metric: &Metric) -> Option<String> {
    let properties = metric.properties.as_ref()?;
    let mut pairs = properties.keys.iter().zip(&properties.values);
    let (_, value) = pairs.find(|(key, _)| UNIT_PROPERTIES.contains(&key.as_str()))?;
    value.text.clone()
}

/// The unit says it better than the name.
fn quantity(name: &str, unit: Option<&str>) -> Quantity {
    let last = name.rsplit('/').next().unwrap_or(name);
    match unit.map_or(Quantity::Other, Quantity::of_unit) {
        Quantity::Other => Quantity::of_name(last),
        quantity => quantity,
    }
}

fn time(milliseconds: Option<u64>) -> Option<Timestamp> {
    let milliseconds = i64::try_from(milliseconds?).ok()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

fn problem(unclear: &[String]) -> Option<Problem> {
    if unclear.is_empty() {
        return None;
    }
    let mut reason = format!("not understood: {}", unclear.join(", "));
    reason.truncate(reason.floor_char_boundary(200));
    Some(Problem::unreadable(reason))
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// The command that asks an edge node to say everything anew.
fn rebirth(now: Timestamp) -> Vec<u8> {
    let timestamp = Some(milliseconds(now));
    let metric = Metric {
        name: Some(REBIRTH.into()),
        timestamp,
        datatype: Some(BOOLEAN),
        value: Some(payload::Value::Boolean(true)),
        ..Metric::default()
    };
    let payload = Payload {
        timestamp,
        metrics: vec![metric],
        ..Payload::default()
    };
    payload.encode_to_vec()
}

/// Where the host says whether it is there.
pub(super) fn host_topic(host: &str) -> String {
    format!("{SPARKPLUG}/STATE/{host}")
}

/// Since when it is, or that it goes: both with the same time.
pub(super) fn host_state(is_online: bool, since: Timestamp) -> Vec<u8> {
    let timestamp = milliseconds(since);
    let state = serde_json::json!({ "online": is_online, "timestamp": timestamp });
    state.to_string().into_bytes()
}
