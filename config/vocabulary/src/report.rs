//! A report: one thing one device said, whichever door it came through.
//!
//! Every door hands the journal the same three things: who (bound to the connection, never read
//! from the payload), what kind, and the payload bytes. [`parse`] is the only reader of those
//! bytes, at the door (to refuse what cannot be understood) and again in every follower.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::fields::Fields;
use crate::climate::ClimateSample;
use crate::command::CommandState;
use crate::counter::{CounterChange, CounterKey};
use crate::device::{
    DeviceAlarm, DeviceHealth, DeviceIdentity, InputState, ScreenShown, ScreenText,
};
use crate::kiosk::{KioskHealth, KioskTransaction};
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
/// in the journal's copy of the bytes.
///
/// # Errors
/// [`Malformed`] with the field and what was expected.
pub fn parse(kind_text: &str, payload: &[u8]) -> Result<Parsed, Malformed> {
    let kind =
        Kind::from_text(kind_text).ok_or_else(|| Malformed::UnknownKind(shorten(kind_text)))?;
    let mut fields =
        Fields::read(payload).map_err(|error| Malformed::BadJson(error.to_string()))?;
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

/// The payload bytes of a report, as [`parse`] reads them back.
#[must_use]
pub fn compose(
    observation: &Observation,
    time: Option<Timestamp>,
    origin: Option<&Origin>,
) -> Vec<u8> {
    let mut fields = match serde_json::to_value(observation) {
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
        Kind::KioskTxn => fields.read_all().map(Observation::KioskTransaction),
        Kind::Climate => fields.read_all().map(Observation::Climate),
        Kind::Energy => fields.read_all().map(Observation::Energy),
        Kind::PeopleCount => fields.read_all().map(Observation::PeopleCount),
        Kind::Measurement => fields.read_all().map(Observation::Measurement),
        Kind::PowerState => fields.read_all().map(Observation::Power),
        Kind::PrinterHealth => fields.read_all().map(Observation::Printer),
        Kind::InputState => fields.read_all().map(Observation::Input),
        Kind::DeviceHealth => fields.read_all().map(Observation::Health),
        Kind::DeviceIdentity => fields.read_all().map(Observation::Identity),
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
mod tests {
    use super::*;

    fn check(kind: &str, payload: &str, expected: &str) {
        let answer = match parse(kind, payload.as_bytes()) {
            Ok(parsed) => format!("{:?}", parsed.observation.kind()),
            Err(error) => format!("{}: {error}", error.code()),
        };
        assert!(
            answer.contains(expected),
            "{kind} {payload}\n  gave {answer}\n  not  {expected}"
        );
    }

    #[test]
    fn bad_payloads_name_what_is_wrong_and_where() {
        check(
            "ticket.issued",
            "{",
            "bad-json: payload is not a JSON object: EOF",
        );
        check("ticket.issued", "[1]", "bad-json");
        check(
            "ticket.eaten",
            "{}",
            "unknown-kind: unknown kind \"ticket.eaten\"",
        );
        check("ticket.issued", "{}", "missing field `ticket`");
        check(
            "ticket.issued",
            r#"{"ticket":"A1"}"#,
            "missing field `queue`",
        );
        check(
            "ticket.issued",
            r#"{"ticket":"A 1","queue":"A"}"#,
            "is not a ticket number",
        );
        check(
            "ticket.issued",
            r#"{"ticket":"A1","queue":"A","seq":1}"#,
            "seq-without-boot",
        );
        check(
            "ticket.issued",
            r#"{"ticket":"A1","queue":"A","boot":"b","seq":-1}"#,
            "field \"seq\"",
        );
        check(
            "ticket.issued",
            r#"{"ticket":"A1","queue":"A","time":"noon"}"#,
            "field \"time\"",
        );
        check(
            "ticket.called",
            r#"{"ticket":"A1","counter":7}"#,
            "field \"counter\": invalid type",
        );
        check("rating.given", r#"{"score":6}"#, "a score from 1 to 5");
        check(
            "counter.state",
            r#"{"counter":"1","state":"asleep"}"#,
            "unknown variant `asleep`",
        );
    }

    #[test]
    fn what_a_vendor_adds_is_ignored_and_a_type_inside_cannot_change_the_kind() {
        let payload = br#"{"ticket":"A1","queue":"B","type":"ticket.cancelled","colour":"red"}"#;
        let parsed = parse("ticket.issued", payload).unwrap();
        let Observation::Ticket(event) = parsed.observation else {
            panic!("not a ticket")
        };
        assert!(matches!(event.step, TicketStep::Issued { .. }));
    }

    #[test]
    fn an_empty_field_is_one_that_is_not_there() {
        let payload = br#"{"ticket":"A1","counter":"3","staff":null,"time":null,"seq":null}"#;
        let parsed = parse("ticket.called", payload).unwrap();
        assert_eq!((parsed.time, parsed.origin), (None, None));
        check(
            "ticket.called",
            r#"{"ticket":null,"counter":"3"}"#,
            "missing field `ticket`",
        );
    }

    #[test]
    fn a_composed_report_is_read_back_the_same() {
        let payload =
            br#"{"ticket":"A1","counter":"3","staff":"2001","time":"2020-01-02T08:00:00Z","boot":"b1","seq":7}"#;
        let parsed = parse("ticket.called", payload).unwrap();
        let again = compose(&parsed.observation, parsed.time, parsed.origin.as_ref());
        assert_eq!(parse("ticket.called", &again), Ok(parsed));
    }

    #[test]
    fn every_kind_has_one_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_text(kind.as_str()), Some(*kind));
        }
    }
}
