//! `gateway.toml`.

mod closing;
mod retention;

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::civil::Time;
use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;
use zhiban_vocabulary::climate::Tenths;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::{CounterId, DeviceId, QueueId, StaffId, StoreId};

pub use closing::Closing;
pub use retention::Retention;

use crate::read::{ConfigError, Problem, parse, read};
use crate::shared::{
    Backup, ReplayClock, WebConfig, check_backup, check_clock, check_host_and_port, check_listen,
    check_web,
};

/// Configuration of one hall's gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    pub hall: Hall,
    #[serde(default, rename = "queue")]
    pub queues: Vec<Queue>,
    #[serde(default, rename = "counter")]
    pub counters: Vec<Counter>,
    #[serde(default)]
    pub staff: Vec<Staff>,
    #[serde(default)]
    pub climate: Climate,
    #[serde(default)]
    pub mqtt: Mqtt,
    pub web: WebConfig,
    #[serde(default)]
    pub uplink: Uplink,
    #[serde(default)]
    pub registry: Registry,
    #[serde(default)]
    pub closing: Closing,
    #[serde(default)]
    pub backup: Backup,
    #[serde(default)]
    pub retention: Retention,
    #[serde(default, rename = "device")]
    pub devices: Vec<WiredDevice>,
    #[serde(default)]
    pub clock: Option<ReplayClock>,
}

/// `[hall]`: E-01 as far as the box needs it. Flows down from the centre in a later version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hall {
    pub store: StoreId,
    pub name: String,
    #[serde(default)]
    pub city: Option<String>,
    /// Grade (等级); halls of one grade are compared with each other.
    #[serde(default)]
    pub grade: Option<String>,
    /// IANA name, such as `Asia/Shanghai`.
    pub time_zone: String,
    pub opens: Time,
    pub closes: Time,
    /// When the books of a day are closed and open tickets become abandoned.
    #[serde(default = "default_day_closes")]
    pub day_closes: Time,
    /// Whether a rating given during the service ends it, as a call of the next customer does
    /// (F-21).
    #[serde(default = "yes")]
    pub rating_ends_ticket: bool,
    /// Directory of the database and secrets; made when missing.
    pub data: PathBuf,
}

fn yes() -> bool {
    true
}

fn default_day_closes() -> Time {
    jiff::civil::time(23, 0, 0, 0)
}

impl Hall {
    /// The hall's zone; the check made sure that it exists.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }
}

/// `[[queue]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub id: QueueId,
    pub name: String,
}

/// `[[counter]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    pub id: CounterId,
    pub name: String,
}

/// `[[staff]]`: names behind staff numbers; master data from the centre in a later version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    pub id: StaffId,
    pub name: String,
}

/// `[climate]`: the band of F-32.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Climate {
    /// °C, inclusive
    pub band_low: Tenths,
    /// °C, inclusive
    pub band_high: Tenths,
}

impl Default for Climate {
    fn default() -> Self {
        Self {
            band_low: Tenths(200),
            band_high: Tenths(240),
        }
    }
}

/// `[mqtt]`: the door for devices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    pub listen: SocketAddr,
    /// Allows unencrypted MQTT on an address other than loopback.
    pub allow_plaintext: bool,
    /// The encrypted door; absent: there is none.
    pub tls: Option<MqttTls>,
    /// Largest packet taken, in bytes, 1024..=1048576.
    pub packet_bytes_max: u32,
    /// Messages a device may send per second, on average; beyond, it is slowed down.
    pub messages_per_s: u32,
    /// Messages a device may send at once after a silence.
    pub burst: u32,
    pub connections_max: u32,
    pub connections_per_address_max: u32,
    /// Zone of Tasmota devices that tell their time without one, such as `+08:00`. Absent: their
    /// reports are booked at the time of arrival.
    pub tasmota_offset: Option<String>,
}

/// `[mqtt.tls]`: MQTT within TLS 1.2 or 1.3, with certificates of the hall's own authority.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttTls {
    pub listen: SocketAddr,
    /// What devices call the box besides the address they reach it at and `zhiban-<store>.local`:
    /// host names, or addresses before a translation.
    #[serde(default)]
    pub names: Vec<String>,
}

impl Mqtt {
    /// `None` where it is not given; a wrong one was refused when the configuration was read.
    #[must_use]
    pub fn tasmota_offset(&self) -> Option<Offset> {
        self.tasmota_offset.as_deref().and_then(read_offset)
    }
}

/// `+08:00`
fn read_offset(text: &str) -> Option<Offset> {
    jiff::fmt::strtime::parse("%:z", text).ok()?.offset()
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            allow_plaintext: false,
            tls: None,
            packet_bytes_max: 65_536,
            messages_per_s: 200,
            burst: 1_000,
            connections_max: 1_000,
            connections_per_address_max: 200,
            tasmota_offset: None,
        }
    }
}

/// `[uplink]`: the way to the centre. A hall that is not enrolled works alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uplink {
    /// Doors of the centre as `host:port`, tried in order. Empty: those the centre told when the hall
    /// enrolled.
    pub centre: Vec<String>,
    /// Seconds between heartbeats, 1..=3600, jittered.
    pub heartbeat_s: u32,
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            centre: Vec::new(),
            heartbeat_s: 60,
        }
    }
}

/// `[registry]`: how the hall treats devices that change or are too many.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// What becomes of a kiosk whose address or identity changed, until a person grants it
    /// (S0-2.5-3b, X-09).
    pub changes: Changes,
    /// Different models of kiosk a hall may have without asking (S0-2.5-3a).
    pub kiosk_models_max: u32,
    /// How many devices of each kind the hall should have, by master data.
    pub expected: std::collections::BTreeMap<DeviceKind, u32>,
}

/// What a change does until it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Changes {
    /// The device goes on, marked as provisional.
    Lenient,
    /// The device is shut out.
    Strict,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            changes: Changes::Lenient,
            kiosk_models_max: 2,
            expected: std::collections::BTreeMap::new(),
        }
    }
}

/// `[[device]]`: a wired device. Its settings belong to the driver and are checked by it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WiredDevice {
    pub id: DeviceId,
    #[serde(default)]
    pub name: Option<String>,
    pub driver: String,
    /// The counter it stands at.
    #[serde(default)]
    pub counter: Option<CounterId>,
    #[serde(default)]
    pub settings: toml::Table,
}

impl GatewayConfig {
    /// Reads and checks the file. Driver settings are checked by the drivers.
    ///
    /// # Errors
    /// [`ConfigError`] names file, key, expected and found.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        read(file, check)
    }

    /// As [`GatewayConfig::read`], from text; `file` is for messages.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        parse(file, text, check)
    }
}

fn check(config: &GatewayConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_web(&config.web, &mut problems);
    check_listen(
        "mqtt",
        config.mqtt.listen,
        config.mqtt.allow_plaintext,
        &mut problems,
    );
    check_clock(config.clock.as_ref(), &mut problems);
    check_hall(&config.hall, &mut problems);
    check_limits(&config.mqtt, &mut problems);
    check_unique(
        "queue",
        config.queues.iter().map(|queue| &queue.id),
        &mut problems,
    );
    check_unique(
        "counter",
        config.counters.iter().map(|counter| &counter.id),
        &mut problems,
    );
    check_unique(
        "staff",
        config.staff.iter().map(|staff| &staff.id),
        &mut problems,
    );
    check_unique(
        "device",
        config.devices.iter().map(|device| &device.id),
        &mut problems,
    );
    check_device_counters(config, &mut problems);
    closing::check(&config.closing, &config.hall, &mut problems);
    check_backup(&config.backup, &config.hall.data, &mut problems);
    retention::check(&config.retention, &mut problems);
    check_uplink(&config.uplink, &mut problems);
    let (low, high) = (config.climate.band_low, config.climate.band_high);
    if low > high {
        let found = format!("{} > {}", low.0, high.0);
        let expected = "at most climate.band_high";
        problems.push(Problem::new("climate.band_low", expected, found));
    }
    problems
}

fn check_hall(hall: &Hall, problems: &mut Vec<Problem>) {
    if TimeZone::get(&hall.time_zone).is_err() {
        let found = format!("{:?}", hall.time_zone);
        problems.push(Problem::new("hall.time_zone", "an IANA zone name", found));
    }
    if hall.opens >= hall.closes {
        problems.push(Problem::new(
            "hall.closes",
            format!("later than {}", hall.opens),
            hall.closes,
        ));
    }
    if hall.day_closes < hall.closes {
        let expected = format!("not before hall.closes {}", hall.closes);
        problems.push(Problem::new("hall.day_closes", expected, hall.day_closes));
    }
    if hall.name.trim().is_empty() {
        problems.push(Problem::new("hall.name", "a name", "an empty text"));
    }
}

fn check_limits(mqtt: &Mqtt, problems: &mut Vec<Problem>) {
    let limits = [
        (
            "mqtt.packet_bytes_max",
            mqtt.packet_bytes_max,
            1_024,
            1_048_576,
        ),
        ("mqtt.messages_per_s", mqtt.messages_per_s, 1, 1_000_000),
        ("mqtt.burst", mqtt.burst, 1, 1_000_000),
        ("mqtt.connections_max", mqtt.connections_max, 1, 100_000),
        (
            "mqtt.connections_per_address_max",
            mqtt.connections_per_address_max,
            1,
            100_000,
        ),
    ];
    for (key, value, min, max) in limits {
        if !(min..=max).contains(&value) {
            problems.push(Problem::new(
                key,
                format!("a number from {min} to {max}"),
                value,
            ));
        }
    }
    let offset = mqtt.tasmota_offset.as_deref();
    if let Some(text) = offset.filter(|text| read_offset(text).is_none()) {
        let expected = "an offset such as +08:00";
        problems.push(Problem::new("mqtt.tasmota_offset", expected, text));
    }
}

fn check_uplink(uplink: &Uplink, problems: &mut Vec<Problem>) {
    for door in &uplink.centre {
        check_host_and_port("uplink.centre", door, problems);
    }
    if !(1..=3600).contains(&uplink.heartbeat_s) {
        let (expected, found) = ("a number from 1 to 3600", uplink.heartbeat_s);
        problems.push(Problem::new("uplink.heartbeat_s", expected, found));
    }
}

fn check_unique<'c, T: Eq + Hash + Display + 'c>(
    key: &str,
    ids: impl Iterator<Item = &'c T>,
    problems: &mut Vec<Problem>,
) {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            problems.push(Problem::new(
                format!("{key}.id"),
                "each id once",
                format!("{id} twice"),
            ));
        }
    }
}

fn check_device_counters(config: &GatewayConfig, problems: &mut Vec<Problem>) {
    for device in &config.devices {
        let Some(counter) = &device.counter else {
            continue;
        };
        if !config.counters.iter().any(|known| known.id == *counter) {
            let key = format!("device {}.counter", device.id);
            problems.push(Problem::new(key, "the id of a [[counter]]", counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../samples/gateway.toml");

    fn check_text(text: &str) -> String {
        match GatewayConfig::parse(Path::new("gateway.toml"), text) {
            Ok(_) => "ok".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_sample_is_accepted() {
        assert_eq!(check_text(SAMPLE), "ok");
    }

    #[test]
    fn a_typo_is_refused_with_file_line_and_key() {
        let error = check_text(&SAMPLE.replace("day_closes", "day_close"));
        assert!(error.starts_with("gateway.toml: "), "{error}");
        assert!(
            error.contains("line ") && error.contains("unknown field `day_close`"),
            "{error}"
        );
    }

    #[test]
    fn every_problem_is_listed_with_key_expected_and_found() {
        let text = SAMPLE
            .replace("opens = \"08:30:00\"", "opens = \"19:30:00\"")
            .replace("127.0.0.1:1883", "0.0.0.0:1883")
            .replace("# tasmota_offset = \"+08:00\"", "tasmota_offset = \"8\"")
            .replace("after_minutes = 15", "after_minutes = 361")
            .replace("Asia/Shanghai", "Asia/Shang");
        let error = check_text(&text);
        for part in [
            "mqtt.listen: expected a loopback address, or mqtt.allow_plaintext = true, found 0.0.0.0:1883",
            "mqtt.tasmota_offset: expected an offset such as +08:00, found 8",
            "hall.closes: expected later than 19:30:00, found 18:00:00",
            "hall.time_zone: expected an IANA zone name, found \"Asia/Shang\"",
            "closing.after_minutes: expected a number from 0 to 360, found 361",
        ] {
            assert!(error.contains(part), "{error}\n  lacks {part}");
        }
    }

    #[test]
    fn a_device_at_an_unknown_counter_is_refused() {
        let error = check_text(&SAMPLE.replace("counter = \"1\"", "counter = \"99\""));
        assert!(
            error.contains("expected the id of a [[counter]], found 99"),
            "{error}"
        );
    }
}
