//! Devices of the showroom that speak other makers' forms over MQTT, with the payloads such devices
//! really send: a Zigbee sensor behind zigbee2mqtt (announced to Home Assistant), a plug with
//! Tasmota, a gateway of the switch room as an edge node of Sparkplug B.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use prost::Message;
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, QoS};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};
use zhiban_vocabulary::device::DeviceKind;

use super::life::Moment;
use crate::harness::NewDevice;
use crate::harness::clock::ReplayClock;

/// Hall seconds between two reports of a device.
const TELL_EVERY_S: f64 = 300.0;
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// More than is ever said at once.
const MESSAGES_MAX: usize = 64;

const ZIGBEE: &str = "0x00158d0008a1b2c3";
const PLUG: &str = "tasmota_345678";
const PLUG_MAC: &str = "A4CF12345678";
const NODE: &str = "switch-room";

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    HomeAssistant,
    Tasmota,
    Sparkplug,
}

impl Form {
    pub const ALL: [Self; 3] = [Self::HomeAssistant, Self::Tasmota, Self::Sparkplug];

    /// What a person registers.
    #[must_use]
    pub fn device(self) -> NewDevice {
        let (id, kind, name, topics) = match self {
            Self::HomeAssistant => (
                "zigbee-1",
                DeviceKind::ClimateSensor,
                "会议室温湿度",
                vec!["zigbee2mqtt".to_owned()],
            ),
            // Not `+/…`, which would be a topic of zigbee2mqtt's, too.
            Self::Tasmota => (
                "plug-1",
                DeviceKind::EnergyMeter,
                "等候区饮水机插座",
                ["cmnd", "stat", "tele"]
                    .map(|root| format!("{root}/{PLUG}"))
                    .to_vec(),
            ),
            Self::Sparkplug => (
                "node-1",
                DeviceKind::EnergyMeter,
                "空调配电采集器",
                vec![format!("spBv1.0/hall/+/{NODE}")],
            ),
        };
        NewDevice {
            id: id.parse().expect("a device id"),
            kind,
            name: Some(name.to_owned()),
            counter: None,
            topics,
        }
    }

    fn will(self) -> LastWill {
        let (topic, payload) = match self {
            Self::HomeAssistant => (
                "zigbee2mqtt/bridge/state".to_owned(),
                br#"{"state":"offline"}"#.to_vec(),
            ),
            Self::Tasmota => (format!("tele/{PLUG}/LWT"), b"Offline".to_vec()),
            Self::Sparkplug => (format!("spBv1.0/hall/NDEATH/{NODE}"), death()),
        };
        LastWill::new(topic, payload, QoS::AtLeastOnce, self != Self::Sparkplug)
    }

    /// What the device wants to hear.
    fn subscription(self) -> String {
        match self {
            Self::HomeAssistant => "homeassistant/status".to_owned(),
            Self::Tasmota => format!("cmnd/{PLUG}/#"),
            Self::Sparkplug => format!("spBv1.0/hall/NCMD/{NODE}"),
        }
    }

    /// What it says when it has connected, or is asked to say all again.
    fn announce(self, now: Timestamp) -> Vec<Said> {
        match self {
            Self::HomeAssistant => zigbee_announces(),
            Self::Tasmota => plug_announces(),
            Self::Sparkplug => {
                let topic = format!("spBv1.0/hall/NBIRTH/{NODE}");
                vec![Said::now(topic, birth(now))]
            }
        }
    }

    fn tell(self, now: Timestamp, zone: &TimeZone, seq: u64) -> Said {
        let local = now.to_zoned(zone.clone());
        let minute = u32::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
        let minute = minute.unwrap_or(0);
        match self {
            Self::HomeAssistant => Said::now("zigbee2mqtt/meeting-room".into(), air(minute)),
            Self::Tasmota => {
                let time = local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
                Said::now(format!("tele/{PLUG}/SENSOR"), plug(minute, &time))
            }
            Self::Sparkplug => {
                let topic = format!("spBv1.0/hall/NDATA/{NODE}");
                Said::now(topic, data(minute, now, seq))
            }
        }
    }
}

/// One message.
#[derive(Debug)]
struct Said {
    topic: String,
    payload: Vec<u8>,
    retain: bool,
}

impl Said {
    fn now(topic: String, payload: Vec<u8>) -> Self {
        let retain = false;
        Self {
            topic,
            payload,
            retain,
        }
    }

    fn kept(topic: impl Into<String>, payload: &impl ToString) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.to_string().into_bytes(),
            retain: true,
        }
    }
}

fn zigbee_announces() -> Vec<Said> {
    let quantity = |class: &str, unit: &str| {
        let config = json!({
            "availability": [{
                "topic": "zigbee2mqtt/bridge/state", "value_template": "{{ value_json.state }}",
            }],
            "device": {
                "identifiers": [format!("zigbee2mqtt_{ZIGBEE}")], "manufacturer": "Aqara",
                "model": "Temperature and humidity sensor (WSDCGQ11LM)", "name": "meeting-room",
            },
            "device_class": class, "enabled_by_default": true, "state_class": "measurement",
            "state_topic": "zigbee2mqtt/meeting-room", "unit_of_measurement": unit,
            "unique_id": format!("{ZIGBEE}_{class}_zigbee2mqtt"),
            "value_template": format!("{{{{ value_json.{class} }}}}"),
        });
        Said::kept(
            format!("homeassistant/sensor/{ZIGBEE}/{class}/config"),
            &config,
        )
    };
    // The state last: said before the discovery that names its topic, it means nothing to the hall.
    vec![
        quantity("temperature", "°C"),
        quantity("humidity", "%"),
        Said::kept("zigbee2mqtt/bridge/state", &json!({ "state": "online" })),
    ]
}

fn air(minute: u32) -> Vec<u8> {
    // Warmer towards the afternoon, and when a meeting is on.
    let warm = 20.5 + f64::from(minute.min(960)) / 400.0;
    let meeting = (570..660).contains(&minute);
    let temperature = if meeting { warm + 0.8 } else { warm };
    let humidity = if meeting { 47.5 } else { 42.0 };
    json!({
        "battery": 91, "humidity": humidity, "linkquality": 120,
        "temperature": tenths(temperature), "voltage": 2_995,
    })
    .to_string()
    .into_bytes()
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn plug_announces() -> Vec<Said> {
    let config = json!({
        "ip": "192.168.4.7", "dn": "Water", "fn": ["Water", null], "hn": PLUG, "mac": PLUG_MAC,
        "md": "Sonoff POW", "ty": 0, "if": 0, "ofln": "Offline", "onln": "Online",
        "state": ["OFF", "ON", "TOGGLE", "HOLD"], "sw": "13.4.0", "t": PLUG,
        "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1], "swc": [0], "ver": 1,
    });
    let sensors = json!({ "sn": { "ENERGY": { "Total": 0, "Power": 0, "Voltage": 0 } }, "ver": 1 });
    vec![
        Said::kept(format!("tele/{PLUG}/LWT"), &"Online"),
        Said::kept(format!("tasmota/discovery/{PLUG_MAC}/config"), &config),
        Said::kept(format!("tasmota/discovery/{PLUG_MAC}/sensors"), &sensors),
    ]
}

fn plug(minute: u32, time: &str) -> Vec<u8> {
    // It heats for ten minutes of every hour; an eighth of a kWh each time.
    let heats = (480..1_080).contains(&minute) && minute % 60 < 10;
    let hours = f64::from(minute.clamp(480, 1_080) - 480) / 60.0;
    let meter = json!({
        "TotalStartTime": time, "Total": 318.5 + tenths(hours * 1.25) / 10.0,
        "Power": if heats { 762 } else { 2 }, "Voltage": 229, "Current": if heats { 3.33 } else { 0.01 },
    });
    json!({ "Time": time, "ENERGY": meter })
        .to_string()
        .into_bytes()
}

/// The payload of Sparkplug B, as far as it is needed here.
#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    seq: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    datatype: Option<u32>,
    #[prost(message, optional, tag = "9")]
    properties: Option<Properties>,
    #[prost(uint64, optional, tag = "11")]
    long: Option<u64>,
    #[prost(float, optional, tag = "12")]
    float: Option<f32>,
    #[prost(bool, optional, tag = "14")]
    boolean: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct Properties {
    #[prost(string, repeated, tag = "1")]
    keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    values: Vec<Property>,
}

#[derive(Clone, PartialEq, Message)]
struct Property {
    #[prost(uint32, optional, tag = "1")]
    datatype: Option<u32>,
    #[prost(string, optional, tag = "8")]
    text: Option<String>,
}

const UINT64: u32 = 8;
const FLOAT: u32 = 9;
const BOOLEAN: u32 = 11;
const STRING: u32 = 12;
const POWER: u64 = 1;
const SUPPLY_AIR: u64 = 2;

fn death() -> Vec<u8> {
    let metrics = vec![birth_number()];
    Payload {
        timestamp: None,
        metrics,
        seq: None,
    }
    .encode_to_vec()
}

fn birth_number() -> Metric {
    Metric {
        name: Some("bdSeq".into()),
        datatype: Some(UINT64),
        long: Some(0),
        ..Metric::default()
    }
}

fn birth(now: Timestamp) -> Vec<u8> {
    let quantity = |name: &str, alias, unit: &str, value| Metric {
        name: Some(name.into()),
        datatype: Some(FLOAT),
        properties: Some(Properties {
            keys: vec!["engUnit".into()],
            values: vec![Property {
                datatype: Some(STRING),
                text: Some(unit.into()),
            }],
        }),
        ..measured(alias, now, value)
    };
    let rebirth = Metric {
        name: Some("Node Control/Rebirth".into()),
        datatype: Some(BOOLEAN),
        boolean: Some(false),
        ..Metric::default()
    };
    let metrics = vec![
        birth_number(),
        rebirth,
        quantity("Cooling/Power", POWER, "W", 1_450.0),
        quantity("Cooling/Supply pressure", SUPPLY_AIR, "Pa", 320.0),
    ];
    Payload {
        timestamp: ms(now),
        metrics,
        seq: Some(0),
    }
    .encode_to_vec()
}

fn data(minute: u32, now: Timestamp, seq: u64) -> Vec<u8> {
    let share = Moment::at(minute).power / 6_200.0;
    // Singles are what such nodes send.
    let power = (1_450.0 * share).round() as f32;
    let metrics = vec![
        measured(POWER, now, power),
        measured(SUPPLY_AIR, now, (320.0 * share) as f32),
    ];
    Payload {
        timestamp: ms(now),
        metrics,
        seq: Some(seq),
    }
    .encode_to_vec()
}

fn measured(alias: u64, now: Timestamp, value: f32) -> Metric {
    Metric {
        alias: Some(alias),
        timestamp: ms(now),
        float: Some(value),
        ..Metric::default()
    }
}

fn ms(time: Timestamp) -> Option<u64> {
    u64::try_from(time.as_millisecond()).ok()
}

/// Plays a device of this form for as long as it is polled.
pub async fn play(form: Form, secret: String, address: String, clock: ReplayClock, zone: TimeZone) {
    let id = form.device().id;
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, "1883"));
    let mut options = MqttOptions::new(id.as_str(), host, port.parse().unwrap_or(1883));
    options.set_credentials(id.as_str(), secret);
    options.set_last_will(form.will());
    let (client, events) = AsyncClient::new(options, MESSAGES_MAX);
    let every = Duration::from_secs_f64((TELL_EVERY_S / f64::from(clock.speed)).max(0.5));
    let device = Device {
        form,
        client,
        clock,
        zone,
        seq: AtomicU64::new(0),
        is_born: AtomicBool::new(false),
    };
    // Side by side: the library must not be interrupted in the middle of a packet.
    tokio::join!(device.connect(events), device.tell(every));
}

struct Device {
    form: Form,
    client: AsyncClient,
    clock: ReplayClock,
    zone: TimeZone,
    /// Of Sparkplug: counts up to 255 and begins at 0 again.
    seq: AtomicU64,
    is_born: AtomicBool,
}

impl Device {
    async fn connect(&self, mut events: EventLoop) {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let topic = self.form.subscription();
                    let _ = self.client.try_subscribe(topic, QoS::AtLeastOnce);
                    self.announce();
                }
                // Whatever the hall says to a node here is that it wants to hear all again.
                Ok(Event::Incoming(Packet::Publish(_))) if self.form == Form::Sparkplug => {
                    self.announce();
                }
                Ok(_) => {}
                Err(_) => {
                    self.is_born.store(false, Ordering::Release);
                    sleep(RECONNECT_AFTER).await;
                }
            }
        }
    }

    async fn tell(&self, every: Duration) {
        let mut tell = interval(every);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tell.tick().await;
            if self.is_born.load(Ordering::Acquire) {
                let seq = (self.seq.fetch_add(1, Ordering::AcqRel) + 1) % 256;
                self.say(self.form.tell(self.clock.now(), &self.zone, seq));
            }
        }
    }

    fn announce(&self) {
        self.seq.store(0, Ordering::Release);
        for said in self.form.announce(self.clock.now()) {
            self.say(said);
        }
        self.is_born.store(true, Ordering::Release);
    }

    fn say(&self, said: Said) {
        // The queue to the library is larger than what is ever said at once.
        let qos = QoS::AtLeastOnce;
        let _ = self
            .client
            .try_publish(said.topic, qos, said.retain, said.payload);
    }
}
