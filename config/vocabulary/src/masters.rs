//! What documents of the centre say (主数据): which fields a family has, and when a value fits.
//!
//! The fields are data, not types: one list is what the centre checks before it accepts, what the hall
//! checks before it proposes, what the panel makes forms of and what completeness is counted by.

pub mod drawings;
mod fields;
mod thresholds;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::down::Family;
use crate::registers;

pub use fields::{Field, Form, fields};
pub use thresholds::{Bound, Dated, Holds, THRESHOLDS, resolve, threshold};

/// What a document says: values by the keys of its family's fields.
pub type Content = Map<String, Value>;

/// Fields a province adds to a hall: this many at most.
pub const EXTRA_MAX: usize = 50;
/// Longest name and longest value of one of them, in characters.
pub const EXTRA_CHARS_MAX: usize = 200;
/// Largest content as JSON; an answer to a poll has room for more than one.
pub const CONTENT_BYTES_MAX: usize = 300 << 10;

/// Of what was found, so much is told.
const FOUND_CHARS_MAX: usize = 200;

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}, found {found}{}", at(*.line))]
pub struct Unfit {
    pub field: String,
    pub expected: String,
    pub found: String,
    /// Of a text of many lines: the first that does not fit, from 1.
    pub line: Option<usize>,
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" in line {line}"))
        .unwrap_or_default()
}

impl Unfit {
    fn new(field: &str, expected: impl Into<String>, found: &Value) -> Self {
        let found: String = found.to_string().chars().take(FOUND_CHARS_MAX).collect();
        Self {
            field: field.into(),
            expected: expected.into(),
            found,
            line: None,
        }
    }
}

/// Sees whether a content is one of its family: known fields, each in its form, none missing that
/// must be there. Families without fields are judged elsewhere.
///
/// # Errors
/// The first field that does not fit, with what is expected and found.
pub fn check(family: &Family, content: &Content) -> Result<(), Unfit> {
    let fields = fields(family);
    if fields.is_empty() {
        return Ok(());
    }
    check_fields(family, content)?;
    let missing = fields
        .iter()
        .find(|field| field.required && !content.contains_key(field.key));
    if let Some(field) = missing {
        return Err(Unfit::new(field.key, field.form.expected(), &Value::Null));
    }
    check_together(family, content)
}

/// As [`check`], for a part of a content: nothing needs to be there.
///
/// # Errors
/// The first field that does not fit.
pub fn check_part(family: &Family, content: &Content) -> Result<(), Unfit> {
    check_fields(family, content)?;
    check_together(family, content)
}

fn check_fields(family: &Family, content: &Content) -> Result<(), Unfit> {
    for (key, value) in content {
        if *family == Family::Hall && key == "extra" {
            check_extra(value)?;
            continue;
        }
        let Some(field) = fields(family).iter().find(|field| field.key == key) else {
            return Err(Unfit::new(key, "a known field", value));
        };
        if !field.form.fits(value) {
            return Err(Unfit::new(key, field.form.expected(), value));
        }
    }
    Ok(())
}

fn check_extra(value: &Value) -> Result<(), Unfit> {
    let short = |text: &str| {
        Form::Text {
            max: EXTRA_CHARS_MAX,
        }
        .fits(&text.into())
    };
    let fits = value.as_object().is_some_and(|extra| {
        extra.len() <= EXTRA_MAX
            && extra
                .iter()
                .all(|(name, value)| short(name) && value.as_str().is_some_and(short))
    });
    let expected = format!(
        "up to {EXTRA_MAX} names with texts of 1 to {EXTRA_CHARS_MAX} characters, without blanks around"
    );
    fits.then_some(())
        .ok_or_else(|| Unfit::new("extra", expected, value))
}

/// What fields must be to each other.
fn check_together(family: &Family, content: &Content) -> Result<(), Unfit> {
    let ordered = match family {
        Family::Hall => Some(("opens", "closes")),
        Family::Announcement => Some(("from", "until")),
        _ => None,
    };
    if let Some((first, last)) = ordered
        && let (Some(start), Some(end)) = (text(content, first), text(content, last))
        && !is_before(start, end)
    {
        let end = Value::from(end);
        return Err(Unfit::new(last, format!("later than {start}"), &end));
    }
    if *family == Family::Definition
        && let Some(map) = text(content, "text")
    {
        registers::read(map).map_err(|misread| Unfit {
            field: "text".into(),
            expected: "a register map".into(),
            found: misread.what.chars().take(FOUND_CHARS_MAX).collect(),
            line: Some(misread.line),
        })?;
    }
    if *family == Family::Piece {
        drawings::bytes_of(content)?;
    }
    if *family == Family::Threshold
        && let (Some(name), Some(value)) = (text(content, "name"), content.get("value"))
    {
        let bound = threshold(name);
        let bound = bound.ok_or_else(|| Unfit::new("name", "a known threshold", &name.into()))?;
        if !value
            .as_i64()
            .is_some_and(|value| (bound.min..=bound.max).contains(&value))
        {
            let expected = format!("{} to {} {}", bound.min, bound.max, bound.unit);
            return Err(Unfit::new("value", expected, value));
        }
    }
    Ok(())
}

/// Two times of a day, or two moments.
fn is_before(start: &str, end: &str) -> bool {
    if let (Ok(start), Ok(end)) = (start.parse::<Time>(), end.parse::<Time>()) {
        return start < end;
    }
    match (start.parse::<Timestamp>(), end.parse::<Timestamp>()) {
        (Ok(start), Ok(end)) => start < end,
        _ => false,
    }
}

fn text<'c>(content: &'c Content, key: &str) -> Option<&'c str> {
    content.get(key)?.as_str()
}

/// How much of a hall's master data is there, in percent of the fields and of the kinds of drawings
/// that count (S4-3.1.1.1-a, -b). `drawn`: the kinds there is a drawing of.
#[must_use]
pub fn completeness_percent<'k>(hall: &Content, drawn: impl IntoIterator<Item = &'k str>) -> u32 {
    let fields = fields(&Family::Hall);
    let filled = fields.iter().filter(|field| hall.contains_key(field.key));
    let drawn: BTreeSet<_> = drawn.into_iter().collect();
    let counted = drawings::COUNTED;
    let drawn = counted.iter().filter(|kind| drawn.contains(*kind));
    let all = fields.len() + counted.len();
    let there = filled.count() + drawn.count();
    u32::try_from(there * 100 / all).unwrap_or_default()
}

/// A day as documents write it.
pub(crate) fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

/// What a hall wants changed in its master data (建议). It goes up with the facts; the outcome comes
/// down as a document of the family `proposal` with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// Random, of this proposal alone: 16 hex digits.
    pub id: String,
    pub at: Timestamp,
    /// Staff number of who proposes.
    pub by: String,
    /// New values by the keys of the hall's fields; null takes one out.
    pub changes: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Longest note of a proposal, in characters.
pub const NOTE_CHARS_MAX: usize = 500;

impl Proposal {
    /// Sees whether the centre could accept it.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self) -> Result<(), Unfit> {
        let is_id = self.id.len() == 16 && self.id.chars().all(|c| c.is_ascii_hexdigit());
        if !is_id {
            let id = Value::from(self.id.as_str());
            return Err(Unfit::new("id", "16 hex digits", &id));
        }
        if self.changes.is_empty() {
            return Err(Unfit::new("changes", "one field at least", &Value::Null));
        }
        if self
            .note
            .as_ref()
            .is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX)
        {
            let expected = format!("up to {NOTE_CHARS_MAX} characters");
            return Err(Unfit::new("note", expected, &Value::Null));
        }
        let (gone, given): (Content, Content) = self
            .changes
            .clone()
            .into_iter()
            .partition(|(_, value)| value.is_null());
        let known = |key: &String| key == "extra" || fields::is_hall_field(key);
        if let Some(key) = gone.keys().find(|key| !known(key)) {
            return Err(Unfit::new(key, "a known field", &Value::Null));
        }
        check_part(&Family::Hall, &given)
    }

    /// The master data with the changes in it.
    #[must_use]
    pub fn applied(&self, master: &Content) -> Content {
        let mut new = master.clone();
        for (key, value) in &self.changes {
            match value {
                Value::Null => drop(new.remove(key)),
                value => drop(new.insert(key.clone(), value.clone())),
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(value: &Value) -> Content {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_does_not_fit_is_named_with_field_and_what_is_expected() {
        let hall = |value: Value| {
            check(&Family::Hall, &content(&value)).map_err(|unfit| unfit.to_string())
        };
        assert_eq!(
            hall(json!({"name": "中山路营业厅", "area_m2": 620})),
            Ok(())
        );
        let refused = |value| hall(value).unwrap_err();
        assert!(refused(json!({})).starts_with("name: expected"));
        let refused = |mut value: Value| {
            value["name"] = "厅".into();
            refused(value)
        };
        assert_eq!(
            refused(json!({"area_m2": -1})),
            "area_m2: expected a whole number from 0 to 100000, found -1"
        );
        assert_eq!(
            refused(json!({"opens": "09:00", "closes": "08:00"})),
            "closes: expected later than 09:00, found \"08:00\""
        );
        assert!(refused(json!({"telephone": "1"})).contains("a known field"));
        assert!(refused(json!({"store_type": "x"})).contains("own, franchise, partner"));
        assert!(refused(json!({"extra": {"网格": 7}})).starts_with("extra"));
        assert_eq!(hall(json!({"name": "厅", "extra": {"网格": "7"}})), Ok(()));
    }

    #[test]
    fn a_proposal_changes_what_it_names_and_nothing_else() {
        let proposal = |changes: &Value| Proposal {
            id: "00000000000000ff".into(),
            at: Timestamp::UNIX_EPOCH,
            by: "1001".into(),
            changes: content(changes),
            note: None,
        };
        let master = content(&json!({"name": "厅", "area_m2": 1, "grade": "A"}));
        let change = proposal(&json!({"area_m2": 2, "grade": null}));
        assert_eq!(change.check(), Ok(()));
        let new = Value::from(change.applied(&master));
        assert_eq!(new, json!({"name": "厅", "area_m2": 2}));
        for wrong in [json!({}), json!({"x": null}), json!({"area_m2": "2"})] {
            assert!(proposal(&wrong).check().is_err(), "{wrong}");
        }
    }

    #[test]
    fn completeness_counts_the_fields_and_the_kinds_of_drawings_that_are_there() {
        assert_eq!(completeness_percent(&Content::new(), ["other"]), 0);
        let all = fields(&Family::Hall)
            .iter()
            .map(|field| (field.key.to_owned(), Value::Null));
        let all: Content = all.collect();
        let drawn = drawings::COUNTED;
        assert_eq!(completeness_percent(&all, drawn.iter().copied()), 100);
        let twice = ["circuit", "circuit", "water", "other"];
        let of_33 = completeness_percent(&all, twice);
        assert_eq!(of_33, 100 * 30 / 33, "two of five kinds");
    }
}
