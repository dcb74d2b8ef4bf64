//! A report: one thing one device said, whichever door it came through.
//!
//! Every door hands the journal the same three things: who (bound to the connection, never read
//! from the payload), what kind, and the payload bytes. [`parse`] is the only reader of those
//! bytes, at the door (to refuse what cannot be understood) and again in every follower.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use self::fields::Fields;
use crate::climate::ClimateSample;
use crate::command::CommandState;
use crate::counter::{CounterChange, CounterKey};
use crate::device::{
    DeviceAlarm, DeviceHealth, DeviceIdentity, InputState, ScreenShown, ScreenText,
};
use crate::kiosk::{self, KioskHealth, KioskTransaction};
use crate::measurement::Measurement;
use crate::people::PeopleCount;
use crate::power::{EnergyReading, PowerState};
use crate::printer::PrinterHealth;
use crate::queue::{TicketEvent, TicketStep};
use crate::rating::Rating;
use crate::time::BusinessDay;
use crate::{BootId, DeviceId};

mod fields;
mod schema;

pub use self::schema::schema;

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// Kind of a report; its text is the last part of the MQTT topic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($variant,)* }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// `None` for a kind this version does not know.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    TicketIssued = "ticket.issued",
    TicketCalled = "ticket.called",
    TicketRecalled = "ticket.recalled",
    TicketStarted = "ticket.started",
    TicketFinished = "ticket.finished",
    TicketNoShow = "ticket.no-show",
    TicketTransferred = "ticket.transferred",
    TicketCancelled = "ticket.cancelled",
    CounterState = "counter.state",
    CounterKey = "counter.key",
    RatingGiven = "rating.given",
    KioskHealth = "kiosk.health",
    KioskTxn = "kiosk.txn",
    Climate = "climate",
    Energy = "energy",
    PeopleCount = "people.count",
    Measurement = "measurement",
    PowerState = "power.state",
    PrinterHealth = "printer.health",
    InputState = "input.state",
    DeviceHealth = "device.health",
    DeviceIdentity = "device.identity",
    DeviceAlarm = "device.alarm",
    CommandState = "command.state",
    ScreenShown = "screen.shown",
    ScreenText = "screen.text",
    DayClosed = "day.closed",
}

impl Kind {
    /// Measurements go to `m/`, health to `status/health`, everything else is an event (`e/`).
    #[must_use]
    pub fn is_measurement(self) -> bool {
        matches!(
            self,
            Self::Climate | Self::Energy | Self::PeopleCount | Self::Measurement
        )
    }

    /// Kinds only the hall itself may report; refused at every door.
    #[must_use]
    pub fn is_internal(self) -> bool {
        matches!(self, Self::DayClosed)
    }

    /// Kinds a maker may put a customer's number into although he must not: of these nothing is
    /// kept or told but what their fields are for.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self, Self::KioskTxn)
    }
}

/// What was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Observation {
    Ticket(TicketEvent),
    Counter(CounterChange),
    CounterKey(CounterKey),
    Rating(Rating),
    KioskHealth(KioskHealth),
    KioskTransaction(KioskTransaction),
    Climate(ClimateSample),
    Energy(EnergyReading),
    PeopleCount(PeopleCount),
    Measurement(Measurement),
    Power(PowerState),
    Printer(PrinterHealth),
    Input(InputState),
    Health(DeviceHealth),
    Identity(DeviceIdentity),
    Alarm(DeviceAlarm),
    Command(CommandState),
    ScreenShown(ScreenShown),
    ScreenText(ScreenText),
    DayClosed(DayClosed),
}

/// `day.closed`: the hall closes its books on a day; open tickets become abandoned (F-20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayClosed {
    pub day: BusinessDay,
}

impl Observation {
    #[must_use]
    pub fn kind(&self) -> Kind {
        use crate::queue::TicketStep as Step;
        match self {
            Self::Ticket(event) => match event.step {
                Step::Issued { .. } => Kind::TicketIssued,
                Step::Called { .. } => Kind::TicketCalled,
                Step::Recalled { .. } => Kind::TicketRecalled,
                Step::Started { .. } => Kind::TicketStarted,
                Step::Finished { .. } => Kind::TicketFinished,
                Step::NoShow {} => Kind::TicketNoShow,
                Step::Transferred { .. } => Kind::TicketTransferred,
                Step::Cancelled {} => Kind::TicketCancelled,
            },
            Self::Counter(_) => Kind::CounterState,
            Self::CounterKey(_) => Kind::CounterKey,
            Self::Rating(_) => Kind::RatingGiven,
            Self::KioskHealth(_) => Kind::KioskHealth,
            Self::KioskTransaction(_) => Kind::KioskTxn,
            Self::Climate(_) => Kind::Climate,
            Self::Energy(_) => Kind::Energy,
            Self::PeopleCount(_) => Kind::PeopleCount,
            Self::Measurement(_) => Kind::Measurement,
            Self::Power(_) => Kind::PowerState,
            Self::Printer(_) => Kind::PrinterHealth,
            Self::Input(_) => Kind::InputState,
            Self::Health(_) => Kind::DeviceHealth,
            Self::Identity(_) => Kind::DeviceIdentity,
            Self::Alarm(_) => Kind::DeviceAlarm,
            Self::Command(_) => Kind::CommandState,
            Self::ScreenShown(_) => Kind::ScreenShown,
            Self::ScreenText(_) => Kind::ScreenText,
            Self::DayClosed(_) => Kind::DayClosed,
        }
    }
}

/// The device's own number for a report; (device, boot, seq) is unique in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    pub boot: BootId,
    pub seq: u64,
}

/// A payload that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Absent for devices that do not number their reports.
    pub origin: Option<Origin>,
    /// The device's own time; absent when it has no clock.
    pub time: Option<Timestamp>,
    pub observation: Observation,
}

/// Why a payload was not understood. `code` is stable and shown translated, the text says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("payload is not a JSON object: {0}")]
    BadJson(String),
    #[error("unknown kind {0:?}")]
    UnknownKind(String),
    #[error("{kind}: {problem}")]
    BadField { kind: &'static str, problem: String },
    #[error("seq without boot: a device that numbers its reports must name its boot too")]
    SeqWithoutBoot,
}

impl Malformed {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadJson(_) => "bad-json",
            Self::UnknownKind(_) => "unknown-kind",
            Self::BadField { .. } => "bad-field",
            Self::SeqWithoutBoot => "seq-without-boot",
        }
    }
}

/// Reads a payload of the given kind. Fields this version does not know are ignored here and kept
/// in the journal's copy of the bytes, unless the kind [is private](Kind::is_private).
///
/// # Errors
/// [`Malformed`] with the field and what was expected; of a private kind never with a value.
pub fn parse(kind_text: &str, payload: &[u8]) -> Result<Parsed, Malformed> {
    let kind =
        Kind::from_text(kind_text).ok_or_else(|| Malformed::UnknownKind(shorten(kind_text)))?;
    let mut fields = Fields::read(payload).map_err(|error| match kind.is_private() {
        // An error of the data would tell them.
        true if error.is_data() => Malformed::BadJson("expected an object".into()),
        _ => Malformed::BadJson(error.to_string()),
    })?;
    if kind.is_private() {
        fields.keep_values_secret(kiosk::expected);
    }
    let bad_field = |error: serde_json::Error| Malformed::BadField {
        kind: kind.as_str(),
        problem: error.to_string(),
    };
    let time: Option<Timestamp> = fields.take("time").map_err(bad_field)?;
    let boot: Option<BootId> = fields.take("boot").map_err(bad_field)?;
    let seq: Option<u64> = fields.take("seq").map_err(bad_field)?;
    let origin = match (boot, seq) {
        (Some(boot), Some(seq)) => Some(Origin { boot, seq }),
        (_, None) => None,
        (None, Some(_)) => return Err(Malformed::SeqWithoutBoot),
    };
    let observation = observe(kind, fields).map_err(bad_field)?;
    Ok(Parsed {
        origin,
        time,
        observation,
    })
}

/// The payload bytes of a report, as [`parse`] reads them back. Of an identity, which may be put
/// together of what a peer says at length, texts that are too long are cut.
#[must_use]
pub fn compose(
    observation: &Observation,
    time: Option<Timestamp>,
    origin: Option<&Origin>,
) -> Vec<u8> {
    let value = match observation {
        Observation::Identity(identity) => serde_json::to_value(identity.clone().cut()),
        other => serde_json::to_value(other),
    };
    let mut fields = match value {
        Ok(Value::Object(fields)) => fields,
        // Every observation is a struct with text keys.
        _ => Map::new(),
    };
    fields.remove("type");
    if let Some(time) = time {
        fields.insert("time".into(), Value::String(time.to_string()));
    }
    if let Some(origin) = origin {
        fields.insert("boot".into(), Value::String(origin.boot.to_string()));
        fields.insert("seq".into(), Value::from(origin.seq));
    }
    Value::Object(fields).to_string().into_bytes()
}

fn observe(kind: Kind, mut fields: Fields<'_>) -> Result<Observation, serde_json::Error> {
    match kind {
        Kind::TicketIssued
        | Kind::TicketCalled
        | Kind::TicketRecalled
        | Kind::TicketStarted
        | Kind::TicketFinished
        | Kind::TicketNoShow
        | Kind::TicketTransferred
        | Kind::TicketCancelled => ticket_event(kind, &mut fields).map(Observation::Ticket),
        Kind::CounterState => fields.read_all().map(Observation::Counter),
        Kind::CounterKey => fields.read_all().map(Observation::CounterKey),
        Kind::RatingGiven => fields.read_all().map(Observation::Rating),
        Kind::KioskHealth => fields.read_all().map(Observation::KioskHealth),
        Kind::KioskTxn => transaction(&mut fields).map(Observation::KioskTransaction),
        Kind::Climate => fields.read_all().map(Observation::Climate),
        Kind::Energy => fields.read_all().map(Observation::Energy),
        Kind::PeopleCount => fields.read_all().map(Observation::PeopleCount),
        Kind::Measurement => fields.read_all().map(Observation::Measurement),
        Kind::PowerState => fields.read_all().map(Observation::Power),
        Kind::PrinterHealth => fields.read_all().map(Observation::Printer),
        Kind::InputState => fields.read_all().map(Observation::Input),
        Kind::DeviceHealth => fields.read_all().map(Observation::Health),
        Kind::DeviceIdentity => identity(fields).map(Observation::Identity),
        Kind::DeviceAlarm => fields.read_all().map(Observation::Alarm),
        Kind::CommandState => fields.read_all().map(Observation::Command),
        Kind::ScreenShown => fields.read_all().map(Observation::ScreenShown),
        Kind::ScreenText => fields.read_all().map(Observation::ScreenText),
        Kind::DayClosed => fields.read_all().map(Observation::DayClosed),
    }
}

/// The kind comes from the topic, so the step is chosen by it, not by anything in the payload.
fn ticket_event(kind: Kind, fields: &mut Fields<'_>) -> Result<TicketEvent, serde_json::Error> {
    let ticket = fields.need("ticket")?;
    let step = match kind {
        Kind::TicketIssued => TicketStep::Issued {
            queue: fields.need("queue")?,
            class: fields.take("class")?.unwrap_or_default(),
            service: fields.take("service")?,
        },
        Kind::TicketCalled => TicketStep::Called {
            counter: fields.need("counter")?,
            staff: fields.take("staff")?,
        },
        Kind::TicketRecalled => TicketStep::Recalled {
            counter: fields.need("counter")?,
        },
        Kind::TicketStarted => TicketStep::Started {
            counter: fields.need("counter")?,
            staff: fields.take("staff")?,
        },
        Kind::TicketFinished => TicketStep::Finished {
            service: fields.take("service")?,
        },
        Kind::TicketTransferred => TicketStep::Transferred {
            queue: fields.need("queue")?,
            counter: fields.take("counter")?,
        },
        Kind::TicketCancelled => TicketStep::Cancelled {},
        _ => TicketStep::NoShow {},
    };
    Ok(TicketEvent { ticket, step })
}

fn identity(fields: Fields<'_>) -> Result<DeviceIdentity, serde_json::Error> {
    let identity: DeviceIdentity = fields.read_all()?;
    let max = DeviceIdentity::CHARS_MAX;
    match identity.too_long() {
        Some(name) => Err(serde_json::Error::custom(format_args!(
            "field {name:?}: expected at most {max} characters"
        ))),
        None => Ok(identity),
    }
}

/// Field by field, so that an error names the one that is wrong.
fn transaction(fields: &mut Fields<'_>) -> Result<KioskTransaction, serde_json::Error> {
    let TransactionKind(kind) = fields.need("kind")?;
    Ok(KioskTransaction {
        id: fields.need("id")?,
        kind,
        amount_fen: fields.take_given("amount_fen")?.unwrap_or_default(),
        method: fields.need("method")?,
        succeeded: fields.need("succeeded")?,
        number_hash: fields.take("number_hash")?,
    })
}

/// A text that is no [`Kind`]: whoever leaves the kind of the report beside the fields of the
/// transaction has no place for that of the business.
struct TransactionKind(String);

impl<'de> Deserialize<'de> for TransactionKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Kind::from_text(&text) {
            None => Ok(Self(text)),
            Some(_) => Err(D::Error::custom("the kind of a report")),
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A report as a wired driver or the hall itself makes it, before the journal numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub device: DeviceId,
    pub origin: Origin,
    pub time: Option<Timestamp>,
    pub observation: Observation,
}

#[cfg(test)]
mod tests;
