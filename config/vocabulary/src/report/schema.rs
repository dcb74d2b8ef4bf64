//! The JSON Schema of each kind of report, for those who make devices: what stands in the payload
//! under a topic of that kind.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{DayClosed, Kind};
use crate::BootId;
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
use crate::queue::TicketEvent;
use crate::rating::Rating;

/// Says what a payload of `kind` looks like on the wire: the fields of the kind, and the `time`,
/// `boot` and `seq` every report may carry.
///
/// [`super::parse`] is the judge, not the schema. It also asks what a schema of these types does
/// not say: which letters an id may have, that the `boot` beside a `seq` is not null, and that a
/// whole number is not written `5.0`. And it is milder in two things: a `seq` that is null needs no
/// `boot`, and a `time` may be written in the other ways of ISO 8601.
#[must_use]
pub fn schema(kind: Kind) -> Schema {
    let name = kind.as_str();
    let mut generator = SchemaGenerator::default();
    let common = common_fields(&mut generator);
    let mut schema = kind_fields(kind, &mut generator);
    let whole = schema.ensure_object();
    choose_step(whole, name);
    add_properties(whole, common);
    whole.insert("$id".into(), format!("urn:zhiban:report:{name}").into());
    whole.insert("title".into(), name.into());
    whole.insert("dependentRequired".into(), json!({ "seq": ["boot"] }));
    drop_unused_definitions(whole);
    schema
}

/// What [`super::parse`] takes out of every payload before it looks at the kind.
fn common_fields(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let time = field::<Option<Timestamp>>(
        generator,
        "The device's own time; absent when it has no clock.",
    );
    let boot = field::<Option<BootId>>(generator, "The power-up that `seq` counts from.");
    let mut seq = field::<Option<u64>>(
        generator,
        "The device's own number for the report, never used twice within one `boot`.",
    );
    seq.insert("maximum".into(), u64::MAX.into());
    [("time", time), ("boot", boot), ("seq", seq)]
        .map(|(name, schema)| (name.to_owned(), schema.to_value()))
        .into_iter()
        .collect()
}

fn field<T: JsonSchema>(generator: &mut SchemaGenerator, description: &str) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    schema.insert("description".into(), description.into());
    schema
}

fn kind_fields(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    match kind {
        Kind::TicketIssued
        | Kind::TicketCalled
        | Kind::TicketRecalled
        | Kind::TicketStarted
        | Kind::TicketFinished
        | Kind::TicketNoShow
        | Kind::TicketTransferred
        | Kind::TicketCancelled => generator.root_schema_for::<TicketEvent>(),
        Kind::CounterState => generator.root_schema_for::<CounterChange>(),
        Kind::CounterKey => generator.root_schema_for::<CounterKey>(),
        Kind::RatingGiven => generator.root_schema_for::<Rating>(),
        Kind::KioskHealth => generator.root_schema_for::<KioskHealth>(),
        Kind::KioskTxn => generator.root_schema_for::<KioskTransaction>(),
        Kind::Climate => generator.root_schema_for::<ClimateSample>(),
        Kind::Energy => generator.root_schema_for::<EnergyReading>(),
        Kind::PeopleCount => generator.root_schema_for::<PeopleCount>(),
        Kind::Measurement => generator.root_schema_for::<Measurement>(),
        Kind::PowerState => generator.root_schema_for::<PowerState>(),
        Kind::PrinterHealth => generator.root_schema_for::<PrinterHealth>(),
        Kind::InputState => generator.root_schema_for::<InputState>(),
        Kind::DeviceIdentity => generator.root_schema_for::<DeviceIdentity>(),
        Kind::DeviceAlarm => generator.root_schema_for::<DeviceAlarm>(),
        Kind::CommandState => generator.root_schema_for::<CommandState>(),
        Kind::ScreenText => generator.root_schema_for::<ScreenText>(),
        Kind::DeviceHealth => generator.root_schema_for::<DeviceHealth>(),
        Kind::ScreenShown => generator.root_schema_for::<ScreenShown>(),
        Kind::DayClosed => generator.root_schema_for::<DayClosed>(),
    }
}

/// A ticket event is one of its steps, told apart by `type`; on the wire the topic tells, so the
/// fields of the one step move up and `type` goes. Other kinds have no steps.
fn choose_step(whole: &mut Map<String, Value>, kind: &str) {
    let Some(Value::Array(steps)) = whole.remove("oneOf") else {
        return;
    };
    let is_wanted = |step: &Value| {
        let name = step.pointer("/properties/type/const");
        name.and_then(Value::as_str) == Some(kind)
    };
    let Some(Value::Object(mut step)) = steps.into_iter().find(is_wanted) else {
        return;
    };
    let mut fields = take_object(&mut step, "properties");
    fields.remove("type");
    add_properties(whole, fields);
    if let (Some(Value::Array(all)), Some(Value::Array(more))) =
        (whole.get_mut("required"), step.remove("required"))
    {
        all.extend(more.into_iter().filter(|name| name != "type"));
    }
    whole.extend(step.remove_entry("description"));
}

fn add_properties(whole: &mut Map<String, Value>, fields: Map<String, Value>) {
    let mut properties = take_object(whole, "properties");
    properties.extend(fields);
    whole.insert("properties".into(), properties.into());
}

fn drop_unused_definitions(whole: &mut Map<String, Value>) {
    let mut definitions = take_object(whole, "$defs");
    let mut used = BTreeSet::new();
    for value in whole.values() {
        collect_used(value, &definitions, &mut used);
    }
    definitions.retain(|name, _| used.contains(name));
    if !definitions.is_empty() {
        whole.insert("$defs".into(), definitions.into());
    }
}

/// Gathers the definitions `value` refers to, and those they refer to.
fn collect_used(value: &Value, definitions: &Map<String, Value>, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|text| text.strip_prefix("#/$defs/"));
            if let Some((name, definition)) = name.and_then(|name| definitions.get_key_value(name))
                && used.insert(name.clone())
            {
                collect_used(definition, definitions, used);
            }
            for value in fields.values() {
                collect_used(value, definitions, used);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect_used(value, definitions, used);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The object under `name`, empty when there is none.
fn take_object(fields: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match fields.remove(name) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}
