//! What the bus monitor gets to see of a body, and how it reads that. Pure.

use serde_json::Value;

use crate::Explained;

/// A body as it is noted: of JSON the fields of these names, tables and lists among them, and no
/// others, for peers say more than we read, names of customers too. Of anything else its length.
pub(super) fn noted(body: &[u8], keys: &[&str]) -> Vec<u8> {
    if body.is_empty() {
        return Vec::new();
    }
    match serde_json::from_slice(body) {
        Ok(value) => understood(value, keys).to_string().into_bytes(),
        Err(_) => format!("({} bytes, no JSON)", body.len()).into_bytes(),
    }
}

fn understood(value: Value, keys: &[&str]) -> Value {
    match value {
        Value::Object(mut fields) => {
            fields.retain(|key, _| keys.contains(&key.as_str()));
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(key, value)| (key, understood(value, keys)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| understood(item, keys))
                .collect(),
        ),
        plain => plain,
    }
}

/// Says what a note of the tap is, for people: the request or status, and whether the body is
/// JSON. Long bodies are noted in part and cannot be judged.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let end = end.unwrap_or(bytes.len());
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let good = line.starts_with('2') || line.starts_with(|c: char| c.is_ascii_uppercase());
    let mut pieces = vec![Explained {
        range: 0..end,
        text: line,
        good,
    }];
    let body = (end + 1).min(bytes.len())..bytes.len();
    if !body.is_empty() {
        let good = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes[body.clone()]).is_ok();
        let text = if good { "JSON" } else { "…" }.to_owned();
        pieces.push(Explained {
            range: body,
            text,
            good,
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_are_read_are_noted() {
        let check = |body: &str, expected: &str| {
            let noted = noted(body.as_bytes(), &["id", "senha", "format", "list"]);
            assert_eq!(String::from_utf8_lossy(&noted), expected);
        };
        check(
            r#"[{"id":1,"name":"Ana","senha":{"format":"A1","x":2}}]"#,
            r#"[{"id":1,"senha":{"format":"A1"}}]"#,
        );
        check(
            r#"{"cliente":{"id":7},"list":[{"nome":"Ana"}]}"#,
            r#"{"list":[{}]}"#,
        );
        check("[1,2]\n", "[1,2]");
        check("<p>Ana</p>", "(10 bytes, no JSON)");
        check("", "");
    }
}
