//! Events of Qmatic Orchestra as its events module posts them. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The parameters that are read. Orchestra sends many more, names of customers among them.
const PARAMETERS: &[&str] = &[
    "branchId",
    "visitId",
    "ticket",
    "user",
    "servicePointLogicId",
    "servicePointName",
    "queueOrigId",
    "queueId",
    "queueName",
    "serviceOrigId",
    "service",
    "serviceIntName",
    "serviceExtName",
];

/// One event, with what is read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Such as `VISIT_CALL`.
    pub name: String,
    /// `eventTime`, with which Orchestra tells events of one visit apart.
    pub time: Timestamp,
    /// `unitId`: the counter or printer it happened at, where there was one.
    pub unit: Option<u64>,
    parameters: Map<String, Value>,
}

/// What is wrong with a body, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}, found {found}")]
pub struct Malformed {
    /// Path in the body, such as `parameters.visitId`.
    pub at: String,
    pub expected: &'static str,
    /// At most 64 characters of it.
    pub found: String,
}

impl Malformed {
    fn new(at: &str, expected: &'static str, found: &dyn std::fmt::Display) -> Self {
        Self {
            at: at.to_owned(),
            expected,
            found: found.to_string().chars().take(64).collect(),
        }
    }

    fn value(at: &str, expected: &'static str, found: Option<&Value>) -> Self {
        match found {
            None | Some(Value::Null) => Self::new(at, expected, &"nothing"),
            Some(found) => Self::new(at, expected, found),
        }
    }
}

/// Reads the body of a request.
///
/// # Errors
/// [`Malformed`] naming the place.
pub fn read(body: &[u8]) -> Result<Event, Malformed> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Malformed::new("body", "a JSON object", &error))?;
    let Value::Object(mut fields) = value else {
        return Err(Malformed::value("body", "a JSON object", Some(&value)));
    };
    let name = match fields.remove("eventName") {
        Some(Value::String(name)) if !name.is_empty() => name,
        other => return Err(Malformed::value("eventName", "a name", other.as_ref())),
    };
    let time = fields.remove("eventTime");
    let read_time = time.as_ref().and_then(|time| time.as_str()?.parse().ok());
    let expected = "a time such as 2014-05-27T09:46:10.757+0000";
    let Some(time) = read_time else {
        return Err(Malformed::value("eventTime", expected, time.as_ref()));
    };
    let parameters = match fields.remove("parameters") {
        Some(Value::Object(parameters)) => parameters,
        None | Some(Value::Null) => Map::new(),
        other => {
            let expected = "an object";
            return Err(Malformed::value("parameters", expected, other.as_ref()));
        }
    };
    let is_read = |(name, _): &(String, Value)| PARAMETERS.contains(&name.as_str());
    Ok(Event {
        name,
        time,
        unit: fields.get("unitId").and_then(Value::as_u64),
        parameters: parameters.into_iter().filter(is_read).collect(),
    })
}

impl Event {
    /// What was understood of it, as an event: for the bus monitor.
    #[must_use]
    pub fn noted(&self) -> String {
        write(&self.name, self.time, self.unit, &self.parameters).to_string()
    }

    /// The first of these parameters that is a text or a number, as text.
    #[must_use]
    pub fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| match self.parameters.get(*name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// # Errors
    /// [`Malformed`] when it is missing or no number.
    pub fn number(&self, name: &str) -> Result<u64, Malformed> {
        let value = self.parameters.get(name);
        let number = value.and_then(Value::as_u64);
        number.ok_or_else(|| self.malformed(name, "a number"))
    }

    /// What is wrong with a parameter.
    #[must_use]
    pub fn malformed(&self, name: &str, expected: &'static str) -> Malformed {
        let at = format!("parameters.{name}");
        Malformed::value(&at, expected, self.parameters.get(name))
    }
}

/// For the fuzzer: whatever is read is read the same from what it was written as.
///
/// # Panics
/// When it is not.
pub fn fuzz(bytes: &[u8]) {
    let Ok(event) = read(bytes) else { return };
    assert_eq!(read(event.noted().as_bytes()), Ok(event));
}

/// An event as Orchestra writes it.
#[must_use]
pub fn write(name: &str, time: Timestamp, unit: Option<u64>, parameters: &Map<String, Value>) -> Value {
    serde_json::json!({
        "eventName": name,
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.%f%z").to_string(),
        "eventType": "PUBLIC",
        "unitId": unit,
        "parameters": parameters,
    })
}

#[cfg(test)]
mod tests;
