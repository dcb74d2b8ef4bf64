//! Tasmota's own discovery and telemetry. Specification: tasmota.github.io, "MQTT" and "Commands";
//! the discovery messages as Home Assistant's integration documents them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::{Map, Value};
use zhiban_vocabulary::device::{DeviceIdentity, InputState};
use zhiban_vocabulary::measurement::Reading;
use zhiban_vocabulary::report::Observation;

use super::model::{
    self, Presence, Problem, Quantity, Said, Sample, Translated, must_own, observe,
};
use super::topics::Topics;

/// Values one message may have.
const VALUES_MAX: usize = 256;
/// Sensors of the chip itself say nothing of the hall.
const CHIP: [&str; 2] = ["ESP32", "ESP8266"];
/// The device about itself, every five minutes; understood and not kept.
const HOUSEKEEPING: [&str; 9] = [
    "Uptime",
    "UptimeSec",
    "Heap",
    "Sleep",
    "SleepMode",
    "LoadAvg",
    "MqttCount",
    "Berry",
    "TotalStartTime",
];

/// What discovery says of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// Where it reports, with a slash at the end.
    telemetry: String,
    status: String,
    online: String,
    offline: String,
}

/// Tasmota devices of one credential.
#[derive(Debug, Default)]
pub(super) struct Tasmota {
    known: BTreeMap<String, Known>,
    identity: Option<DeviceIdentity>,
    /// Of device times without a zone.
    offset: Option<Offset>,
}

impl Tasmota {
    pub(super) fn new(offset: Option<Offset>) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    /// Takes `tasmota/discovery/<MAC>/config` or `/sensors`; `None` for any other topic.
    pub(super) fn announce(
        &mut self,
        own: &Topics,
        topic: &str,
        payload: &[u8],
    ) -> Option<Translated> {
        let rest = topic.strip_prefix("tasmota/discovery/")?;
        let (mac, what) = rest.split_once('/')?;
        if payload.is_empty() {
            self.known.remove(mac);
            return Some(Translated::said(Vec::new()));
        }
        let result = match what {
            "config" => self.keep(own, mac, payload).map(Translated::said),
            // The same values come by telemetry, with their time.
            "sensors" if self.known.contains_key(mac) => Ok(Translated::said(Vec::new())),
            "sensors" => Err(Problem::unknown(format!("no config of {mac} came before"))),
            _ => return None,
        };
        Some(result.into())
    }

    fn keep(&mut self, own: &Topics, mac: &str, payload: &[u8]) -> Result<Vec<Said>, Problem> {
        let config = object(payload)?;
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let need = |name: &str| {
            text(name).ok_or_else(|| Problem::unreadable(format!("no text {name:?} in the config")))
        };
        if need("mac")? != mac {
            return Err(Problem::unreadable(format!(
                "mac is not {mac}, as the topic says"
            )));
        }
        let prefixes = config.get("tp").and_then(Value::as_array);
        let prefix = |at: usize, usual: &'static str| {
            let given = prefixes.and_then(|all| all.get(at)).and_then(Value::as_str);
            given.unwrap_or(usual).to_owned()
        };
        let form = text("ft").unwrap_or("%prefix%/%topic%/");
        let place = |prefix: &str| -> Result<String, Problem> {
            let whole = form
                .replace("%prefix%", prefix)
                .replace("%topic%", need("t")?);
            let whole = format!("{}/", whole.trim_end_matches('/'));
            must_own(own, &whole)?;
            Ok(whole)
        };
        let known = Known {
            telemetry: place(&prefix(2, "tele"))?,
            status: place(&prefix(1, "stat"))?,
            online: text("onln").unwrap_or("Online").to_owned(),
            offline: text("ofln").unwrap_or("Offline").to_owned(),
        };
        if self.known.len() >= VALUES_MAX {
            return Err(Problem::unreadable("too many devices of one credential"));
        }
        self.known.insert(mac.to_owned(), known);
        let identity = DeviceIdentity {
            model: text("md").map(str::to_owned),
            firmware: text("sw").map(str::to_owned),
            mac: Some(model::mac(mac)),
            ..DeviceIdentity::default()
        };
        // A credential that speaks for several devices is none of them.
        if self.known.len() > 1 || self.identity.as_ref() == Some(&identity) {
            return Ok(Vec::new());
        }
        self.identity = Some(identity.clone());
        Ok(vec![Said::now(Observation::Identity(identity))])
    }

    /// Takes telemetry; `None` where it is none of Tasmota's.
    pub(super) fn hear(
        &self,
        presence: &mut Presence,
        topic: &str,
        payload: &[u8],
    ) -> Option<Translated> {
        let (place, what) = topic.rsplit_once('/')?;
        let place = format!("{place}/");
        let known = self
            .known
            .values()
            .find(|known| known.telemetry == place || known.status == place);
        // Discovery can be off; then the usual form of the topics is all there is.
        let is_usual = place.starts_with("tele/") || place.starts_with("stat/");
        if known.is_none() && !is_usual {
            return None;
        }
        let result = match what {
            "LWT" => status(presence, known, topic, payload),
            "SENSOR" | "STATE" | "RESULT" => self.values(payload).map(Translated::said),
            _ if what.starts_with("INFO") => Ok(Translated::said(Vec::new())),
            // `stat/…/POWER1 ON` says again what RESULT said.
            _ if what.starts_with("POWER") => Ok(Translated::said(Vec::new())),
            _ => return None,
        };
        // Only discovery can be refused as a whole.
        Some(result.unwrap_or_else(Translated::unclear))
    }

    fn values(&self, payload: &[u8]) -> Result<Vec<Said>, Problem> {
        let fields = object(payload)?;
        let time = fields.get("Time").and_then(Value::as_str);
        let time = time.map(|text| self.time(text)).transpose()?.flatten();
        let unit = fields
            .get("TempUnit")
            .and_then(Value::as_str)
            .unwrap_or("C");
        let mut values = Values {
            unit: format!("°{unit}"),
            ..Values::default()
        };
        for (name, value) in &fields {
            if name != "Time" && name != "TempUnit" && !HOUSEKEEPING.contains(&name.as_str()) {
                values.add(name, name, value, false);
            }
        }
        let Values {
            mut said,
            mut samples,
            ..
        } = values;
        for sample in &mut samples {
            sample.time = time;
        }
        for one in &mut said {
            one.time = time;
        }
        said.extend(observe(samples));
        Ok(said)
    }

    /// `None` for a local time while nobody said where the device is.
    fn time(&self, text: &str) -> Result<Option<Timestamp>, Problem> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Some(time));
        }
        let local: DateTime = text
            .parse()
            .map_err(|_| Problem::unreadable(format!("Time {text:?} is no time")))?;
        Ok(self
            .offset
            .and_then(|offset| offset.to_timestamp(local).ok()))
    }
}

fn object(payload: &[u8]) -> Result<Map<String, Value>, Problem> {
    let read = serde_json::from_slice(payload);
    read.map_err(|error: serde_json::Error| Problem {
        code: "bad-json",
        reason: error.to_string(),
    })
}

fn status(
    presence: &mut Presence,
    known: Option<&Known>,
    topic: &str,
    payload: &[u8],
) -> Result<Translated, Problem> {
    let (online, offline) = known.map_or(("Online", "Offline"), |known| {
        (&known.online[..], &known.offline[..])
    });
    let text = String::from_utf8_lossy(payload);
    let is_here = match text.trim() {
        "" => return Ok(Translated::said(Vec::new())),
        text if text == online => true,
        text if text == offline => false,
        text => {
            let problem = format!("expected {online:?} or {offline:?}, found {text:?}");
            return Err(Problem::unreadable(problem));
        }
    };
    let said = presence.note(topic, is_here).map(Said::now);
    Ok(Translated::said(said.into_iter().collect()))
}

/// Values of one message under way.
#[derive(Default)]
struct Values {
    said: Vec<Said>,
    samples: Vec<Sample>,
    unit: String,
    has_air: bool,
}

impl Values {
    /// `path` names the value, `name` is its last part.
    fn add(&mut self, path: &str, name: &str, value: &Value, is_main: bool) {
        if self.said.len() + self.samples.len() >= VALUES_MAX {
            return;
        }
        match value {
            Value::Object(fields) if is_switch(name) => self.add_switch(name, fields),
            Value::Object(fields) => self.add_fields(path, name, fields),
            Value::Array(values) => {
                for (at, value) in values.iter().enumerate() {
                    self.add(&format!("{path}.{}", at + 1), name, value, false);
                }
            }
            Value::String(text) if is_switch(name) => self.add_input(name, text),
            Value::Number(number) => {
                let reading = Reading::Number(number.clone());
                self.add_sample(path, name, reading, is_main);
            }
            Value::String(text) => self.add_sample(path, name, Reading::of(text), is_main),
            Value::Bool(on) => self.add_input(path, if *on { "ON" } else { "OFF" }),
            Value::Null => {}
        }
    }

    /// The first sensor with a temperature measures the air of the hall; ENERGY is the meter.
    fn add_fields(&mut self, path: &str, name: &str, fields: &Map<String, Value>) {
        let is_air = fields.contains_key("Temperature") && !CHIP.contains(&name) && !self.has_air;
        self.has_air |= is_air;
        let is_meter = name == "ENERGY";
        for (name, value) in fields {
            if !HOUSEKEEPING.contains(&name.as_str()) {
                self.add(&format!("{path}.{name}"), name, value, is_air || is_meter);
            }
        }
    }

    /// `{"Switch1":{"Action":"ON"}}`
    fn add_switch(&mut self, name: &str, fields: &Map<String, Value>) {
        let state = ["Action", "STATE", "State"]
            .iter()
            .find_map(|key| fields.get(*key)?.as_str());
        if let Some(state) = state {
            self.add_input(name, state);
        }
    }

    fn add_input(&mut self, name: &str, state: &str) {
        match state.to_ascii_uppercase().as_str() {
            on @ ("ON" | "OFF") => {
                let (input, on) = (name.to_owned(), on == "ON");
                self.said
                    .push(Said::now(Observation::Input(InputState { input, on })));
            }
            _ => self.add_sample(name, name, Reading::text(state), false),
        }
    }

    fn add_sample(&mut self, path: &str, name: &str, value: Reading, is_main: bool) {
        let quantity = Quantity::of_name(name);
        let unit = match quantity {
            Quantity::Temperature => Some(self.unit.clone()),
            Quantity::Humidity => Some("%".into()),
            Quantity::Power => Some("W".into()),
            Quantity::Energy => Some("kWh".into()),
            Quantity::Voltage => Some("V".into()),
            Quantity::Other => None,
        };
        let unit = unit.filter(|_| value.number().is_some());
        self.samples.push(Sample {
            is_main,
            quantity,
            unit,
            ..Sample::plain(path, value)
        });
    }
}

/// `Switch1` of a contact; `POWER1` of a relay is no contact and keeps its word.
fn is_switch(name: &str) -> bool {
    let number = name
        .strip_prefix("Switch")
        .or_else(|| name.strip_prefix("SWITCH"));
    number.is_some_and(|number| number.chars().all(|digit| digit.is_ascii_digit()))
}
