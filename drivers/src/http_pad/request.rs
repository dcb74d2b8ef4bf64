//! The fields of a request: from the query, a form or a JSON object, all alike.

use serde_json::Value;

use crate::Explained;

/// Fields of one request; more than a pad has any use for.
pub const FIELDS_MAX: usize = 200;

/// Names and texts, as they came. JSON objects inside give names such as `data.score`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

/// Why a request is none. Says where, not what stood there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    #[error("body: not a JSON object: {0}")]
    NotJson(String),
    #[error("body: expected a form or a JSON object, found {0}")]
    Type(String),
    #[error("body: not UTF-8")]
    NotText,
    #[error("more than {FIELDS_MAX} fields")]
    TooMany,
    #[error("{0}: given twice and not alike")]
    Twice(String),
    #[error("{0}: {1}")]
    Field(String, String),
}

impl Fields {
    /// # Errors
    /// [`BadRequest`] when the body is not what its type says.
    pub fn read(
        query: &[(String, String)],
        content_type: &str,
        body: &[u8],
    ) -> Result<Self, BadRequest> {
        let mut fields = query.to_vec();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let content_type = content_type.to_ascii_lowercase();
        let begins_json = body.trim_ascii_start().first() == Some(&b'{');
        match content_type.as_str() {
            _ if body.trim_ascii().is_empty() => {}
            kind if kind == "application/json" || kind.ends_with("+json") => {
                json(body, &mut fields)?;
            }
            // Pages that use plain requests do not say, or say this.
            "" | "text/plain" if begins_json => json(body, &mut fields)?,
            "" | "text/plain" | "application/x-www-form-urlencoded" => form(body, &mut fields)?,
            other => return Err(BadRequest::Type(other.chars().take(64).collect())),
        }
        if fields.len() > FIELDS_MAX {
            return Err(BadRequest::TooMany);
        }
        Ok(Self(fields))
    }

    /// The text of a field without the blanks around it, `None` when there is no such field.
    ///
    /// # Errors
    /// [`BadRequest::Twice`] when it is there with two texts.
    pub fn get(&self, name: &str) -> Result<Option<&str>, BadRequest> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        let mut texts = found.by_ref().map(|(_, text)| text.trim());
        let first = texts.next();
        if texts.any(|text| Some(text) != first) {
            return Err(BadRequest::Twice(name.to_owned()));
        }
        Ok(first)
    }
}

fn form(body: &[u8], fields: &mut Vec<(String, String)>) -> Result<(), BadRequest> {
    let text = std::str::from_utf8(body).map_err(|_| BadRequest::NotText)?;
    let pairs = form_urlencoded::parse(text.trim().as_bytes()).into_owned();
    fields.extend(pairs.take(FIELDS_MAX + 1));
    Ok(())
}

fn json(body: &[u8], fields: &mut Vec<(String, String)>) -> Result<(), BadRequest> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        BadRequest::NotJson(place)
    })?;
    let Value::Object(_) = value else {
        return Err(BadRequest::NotJson("something else".into()));
    };
    flatten("", value, fields);
    Ok(())
}

/// Lists are left out: no pad rates in lists. `null` is an empty text.
fn flatten(prefix: &str, value: Value, fields: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = if prefix.is_empty() {
                    name
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(&name, value, fields);
            }
            return;
        }
        Value::Array(_) => return,
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
    };
    if fields.len() <= FIELDS_MAX {
        fields.push((prefix.to_owned(), text));
    }
}

/// Reads what the driver notes of a request: its own four fields as a form.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let pairs = form_urlencoded::parse(bytes);
    let words: Vec<String> = pairs.map(|(name, text)| format!("{name} {text}")).collect();
    let good = bytes.starts_with(b"score=");
    let text = if good { words.join(", ") } else { "?".into() };
    vec![Explained {
        range: 0..bytes.len(),
        text,
        good,
    }]
}

/// For the fuzzer: no body hurts, and the fields of a form are the same written as JSON.
///
/// # Panics
/// When they are not.
pub fn fuzz(bytes: &[u8]) {
    for content_type in ["", "application/json", "text/plain; charset=utf-8", "image/png"] {
        let _ = Fields::read(&[], content_type, bytes);
    }
    assert!(explain(bytes).len() <= 1);
    let Ok(form) = Fields::read(&[], "application/x-www-form-urlencoded", bytes) else {
        return;
    };
    let members = form.0.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str())));
    let json = Value::Object(members.collect()).to_string();
    let json = Fields::read(&[], "application/json", json.as_bytes());
    for (name, _) in &form.0 {
        if let (Ok(Some(text)), Ok(json)) = (form.get(name), &json) {
            assert_eq!(json.get(name), Ok(Some(text)));
        }
    }
}

#[cfg(test)]
mod tests;
