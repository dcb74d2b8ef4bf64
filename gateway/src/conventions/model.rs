//! What foreign devices say, in our words: values become reports, parts that come and go become
//! the health of the device.

use std::collections::BTreeMap;

use jiff::Timestamp;
use zhiban_vocabulary::climate::{ClimateSample, Tenths};
use zhiban_vocabulary::device::{DeviceAlarm, DeviceHealth, HealthStatus, Severity};
use zhiban_vocabulary::measurement::{Measurement, Reading};
use zhiban_vocabulary::power::EnergyReading;
use zhiban_vocabulary::report::Observation;

use super::topics::Topics;

/// Parts of a device whose coming and going is followed.
const PARTS_MAX: usize = 256;
/// Alarm of a value we cannot read as its maker means it.
const NEEDS_MAPPING: &str = "needs-mapping";

/// One report to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The device's own time, where it says one.
    pub(crate) time: Option<Timestamp>,
    pub(crate) observation: Observation,
}

impl Said {
    pub(super) fn now(observation: Observation) -> Self {
        Self {
            time: None,
            observation,
        }
    }
}

/// Why a message is kept as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl Problem {
    pub(super) fn outside(topic: &str) -> Self {
        Self {
            code: "topic-not-permitted",
            reason: format!("names {topic:?}, which is not below the device's own prefixes"),
        }
    }

    pub(super) fn unreadable(reason: impl Into<String>) -> Self {
        Self {
            code: "bad-field",
            reason: reason.into(),
        }
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self {
            code: "unknown-kind",
            reason: reason.into(),
        }
    }
}

/// What became of one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) said: Vec<Said>,
    /// Set where the message, or a part of it, was not understood.
    pub(crate) problem: Option<Problem>,
    /// Whether a retained message may be kept: not one that must not hold.
    pub(crate) holds: bool,
    /// Messages to the device itself.
    pub(crate) orders: Vec<(String, Vec<u8>)>,
}

impl Translated {
    pub(super) fn said(said: Vec<Said>) -> Self {
        Self {
            said,
            holds: true,
            ..Self::default()
        }
    }

    pub(super) fn refused(problem: Problem) -> Self {
        Self {
            problem: Some(problem),
            ..Self::default()
        }
    }

    /// Not understood, but harmless.
    pub(super) fn unclear(problem: Problem) -> Self {
        Self {
            holds: true,
            ..Self::refused(problem)
        }
    }

    /// Adds what another message says; the first problem stays.
    pub(super) fn and(&mut self, other: Self) {
        self.said.extend(other.said);
        self.problem = self.problem.take().or(other.problem);
        self.orders.extend(other.orders);
    }
}

impl From<Result<Translated, Problem>> for Translated {
    fn from(result: Result<Self, Problem>) -> Self {
        result.unwrap_or_else(Self::refused)
    }
}

/// Refuses a topic that is not the device's own.
pub(super) fn must_own(own: &Topics, topic: &str) -> Result<(), Problem> {
    match own.own(topic) {
        true => Ok(()),
        false => Err(Problem::outside(topic)),
    }
}

/// One form for the addresses makers write in many.
pub(super) fn mac(text: &str) -> String {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() != 12 {
        return text.to_owned();
    }
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.collect::<Vec<_>>().join(":").to_ascii_lowercase()
}

/// What a value measures, as far as we have a word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Quantity {
    Temperature,
    Humidity,
    Power,
    Energy,
    Voltage,
    Other,
}

impl Quantity {
    /// By the words makers use for the kind of a value.
    pub(super) fn of_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "temperature" | "temp" => Self::Temperature,
            "humidity" => Self::Humidity,
            "power" => Self::Power,
            "energy" | "total" => Self::Energy,
            "voltage" => Self::Voltage,
            _ => Self::Other,
        }
    }

    pub(super) fn of_unit(unit: &str) -> Self {
        match unit {
            "°C" | "℃" | "C" | "degC" | "°F" | "℉" | "F" | "degF" | "K" => Self::Temperature,
            "%RH" | "% RH" | "%rH" => Self::Humidity,
            "mW" | "W" | "kW" | "MW" => Self::Power,
            "Wh" | "kWh" | "MWh" => Self::Energy,
            "mV" | "V" | "kV" => Self::Voltage,
            _ => Self::Other,
        }
    }

    /// The value in our unit; `None` for a unit that is another quantity's.
    fn convert(self, value: f64, unit: Option<&str>) -> Option<f64> {
        let factor = match (self, unit) {
            (Self::Temperature, Some("°F" | "℉" | "F" | "degF")) => {
                return Some((value - 32.0) / 1.8);
            }
            (Self::Temperature, Some("K")) => return Some(value - 273.15),
            (Self::Temperature, None | Some("°C" | "℃" | "C" | "degC"))
            | (Self::Humidity, None | Some("%" | "%RH" | "% RH" | "%rH"))
            | (Self::Power, None | Some("W"))
            | (Self::Energy, Some("Wh"))
            | (Self::Voltage, None | Some("V")) => 1.0,
            (Self::Power, Some("mW")) | (Self::Voltage, Some("mV")) => 0.001,
            (Self::Power, Some("kW"))
            | (Self::Energy, Some("kWh"))
            | (Self::Voltage, Some("kV")) => 1_000.0,
            (Self::Power, Some("MW")) | (Self::Energy, Some("MWh")) => 1_000_000.0,
            _ => return None,
        };
        Some(value * factor)
    }
}

/// One value of one part of a device.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) quantity: Quantity,
    /// The one of its quantity that stands for the whole device; others keep their name.
    pub(super) is_main: bool,
    pub(super) value: Reading,
    pub(super) unit: Option<String>,
    pub(super) time: Option<Timestamp>,
}

impl Sample {
    pub(super) fn plain(name: impl Into<String>, value: Reading) -> Self {
        Self {
            name: name.into(),
            quantity: Quantity::Other,
            is_main: false,
            value,
            unit: None,
            time: None,
        }
    }

    /// In our unit, where it is a number of the quantity that stands for the device.
    fn main(&self, quantity: Quantity) -> Option<f64> {
        let is_meant = self.is_main && self.quantity == quantity;
        let number = self.value.number().filter(|_| is_meant)?;
        quantity.convert(number, self.unit.as_deref())
    }
}

/// The reports the values of one message make. Temperature and humidity said together are one
/// sample of the air, and likewise the readings of a meter; what is left keeps its name.
pub(super) fn observe(mut samples: Vec<Sample>) -> Vec<Said> {
    let mut said: Vec<Said> = take_climate(&mut samples).into_iter().collect();
    said.extend(take_energy(&mut samples));
    said.extend(samples.into_iter().map(|sample| Said {
        time: sample.time,
        observation: Observation::Measurement(Measurement {
            name: sample.name,
            value: sample.value,
            unit: sample.unit,
        }),
    }));
    said
}

/// Takes the value that stands for the device, with its time.
fn take<T>(
    samples: &mut Vec<Sample>,
    quantity: Quantity,
    time: Option<Option<Timestamp>>,
    read: impl Fn(f64) -> Option<T>,
) -> Option<(T, Option<Timestamp>)> {
    let found = samples.iter().enumerate().find_map(|(at, sample)| {
        let fits = time.is_none_or(|time| time == sample.time);
        let value = sample.main(quantity).filter(|_| fits).and_then(&read)?;
        Some((at, value))
    });
    let (at, value) = found?;
    Some((value, samples.remove(at).time))
}

fn take_climate(samples: &mut Vec<Sample>) -> Option<Said> {
    let (temperature, time) = take(samples, Quantity::Temperature, None, Tenths::from_number)?;
    let humidity = take(samples, Quantity::Humidity, Some(time), Tenths::from_number);
    Some(Said {
        time,
        observation: Observation::Climate(ClimateSample {
            temperature,
            humidity: humidity.map(|(humidity, _)| humidity),
        }),
    })
}

fn take_energy(samples: &mut Vec<Sample>) -> Option<Said> {
    // What is read together is one reading, so all parts must be of one time.
    let mut time = None;
    let energy = take(samples, Quantity::Energy, time, watt_hours);
    time = time.or(energy.map(|(_, at)| at));
    let power = take(samples, Quantity::Power, time, Tenths::from_number);
    time = time.or(power.map(|(_, at)| at));
    let voltage = take(samples, Quantity::Voltage, time, Tenths::from_number);
    time = time.or(voltage.map(|(_, at)| at));
    let reading = EnergyReading {
        energy_wh: energy.map(|(value, _)| value),
        power: power.map(|(value, _)| value),
        voltage: voltage.map(|(value, _)| value),
    };
    Some(Said {
        time: time?,
        observation: Observation::Energy(reading),
    })
}

fn watt_hours(value: f64) -> Option<u64> {
    if !(0.0..=9.0e15).contains(&value) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked"
    )]
    let whole = value.round() as u64;
    Some(whole)
}

/// A value that is kept as it came, and the word to the hall that somebody has to look at it.
pub(super) fn needs_mapping(name: &str, problem: &str) -> Said {
    let alarm = DeviceAlarm {
        alarm: format!("{NEEDS_MAPPING}:{name}"),
        severity: Severity::Warning,
        text: Some(problem.to_owned()),
    };
    Said::now(Observation::Alarm(alarm))
}

/// The maker has put it right, or taken the value away.
pub(super) fn mapping_cleared(name: &str) -> Said {
    let alarm = DeviceAlarm {
        alarm: format!("{NEEDS_MAPPING}:{name}"),
        severity: Severity::Cleared,
        text: None,
    };
    Said::now(Observation::Alarm(alarm))
}

/// Which parts of the device are there.
#[derive(Debug, Default)]
pub(super) struct Presence {
    parts: BTreeMap<String, bool>,
    last: Option<DeviceHealth>,
}

impl Presence {
    /// Notes that a part is there or gone; gives the health of the device where that changed it.
    pub(super) fn note(&mut self, part: &str, is_here: bool) -> Option<Observation> {
        if self.parts.contains_key(part) || self.parts.len() < PARTS_MAX {
            self.parts.insert(part.to_owned(), is_here);
        }
        self.health()
    }

    /// The part is no longer spoken of.
    pub(super) fn forget(&mut self, part: &str) {
        self.parts.remove(part);
    }

    /// `None` where nothing changed, or nothing is known.
    pub(super) fn health(&mut self) -> Option<Observation> {
        if self.parts.is_empty() {
            return None;
        }
        let gone: Vec<&str> = self
            .parts
            .iter()
            .filter(|(_, is_here)| !**is_here)
            .map(|(part, _)| part.as_str())
            .collect();
        let status = match gone.len() {
            0 => HealthStatus::Up,
            count if count == self.parts.len() => HealthStatus::Down,
            _ => HealthStatus::Degraded,
        };
        let detail = (!gone.is_empty()).then(|| {
            let mut detail = format!("gone: {}", gone.join(", "));
            detail.truncate(detail.floor_char_boundary(200));
            detail
        });
        let health = DeviceHealth { status, detail };
        if self.last.as_ref() == Some(&health) {
            return None;
        }
        self.last = Some(health.clone());
        Some(Observation::Health(health))
    }
}
