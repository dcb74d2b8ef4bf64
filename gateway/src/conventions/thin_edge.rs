//! Measurements of thin-edge.io that are no kind of ours: `m/<type>` with an object of numbers.

use jiff::Timestamp;
use serde_json::{Map, Value};
use zhiban_vocabulary::measurement::Reading;
use zhiban_vocabulary::report::Kind;

use super::model::{Said, Sample, observe};

/// Numbers one message may have.
const VALUES_MAX: usize = 256;

/// The numbers of a measurement, by name; `None` where it is one of our kinds, or holds anything
/// but numbers. `rest` is the topic behind the device's own.
pub(crate) fn measurements(rest: &str, kind: &str, payload: &[u8]) -> Option<Vec<Said>> {
    if !rest.starts_with("//m/") || Kind::from_text(kind).is_some() {
        return None;
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(payload).ok()?;
    // A number of ours is for one report, and this makes several.
    if fields.contains_key("seq") {
        return None;
    }
    let time: Option<Timestamp> = match fields.remove("time") {
        None => None,
        Some(time) => Some(time.as_str()?.parse().ok()?),
    };
    let mut samples = Vec::new();
    for (name, value) in &fields {
        let name = format!("{kind}.{name}");
        match value {
            Value::Object(parts) => {
                for (part, value) in parts {
                    samples.push(sample(format!("{name}.{part}"), value, time)?);
                }
            }
            value => samples.push(sample(name, value, time)?),
        }
    }
    let fits = !samples.is_empty() && samples.len() <= VALUES_MAX;
    fits.then(|| observe(samples))
}

fn sample(name: String, value: &Value, time: Option<Timestamp>) -> Option<Sample> {
    let Value::Number(number) = value else {
        return None;
    };
    Some(Sample {
        time,
        ..Sample::plain(name, Reading::Number(number.clone()))
    })
}
