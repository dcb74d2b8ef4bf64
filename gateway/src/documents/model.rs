//! Pure parts: whether a document can be used, and what it says.

use jiff::Timestamp;
use jiff::civil::Time;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::down::{Document, Family};
use zhiban_vocabulary::masters::{self, Bound, Content, Dated, Holds, Unfit, check_part, fields};

use super::store::Kept;

/// Keys of a content that the centre adds and no person fills in.
const PLACES: [&str; 2] = ["unit", "parent"];

/// Why a document cannot be used; fields of a later version are passed over.
pub(super) fn problem_of(document: &Document, content: &Value) -> Option<String> {
    let family = &document.family;
    if matches!(family, Family::Other(_)) {
        return Some("a family this version does not know".into());
    }
    let Some(content) = content.as_object() else {
        return Some("expected an object".into());
    };
    let known = fields(family);
    let of_ours = |(key, _): &(&String, &Value)| {
        !PLACES.contains(&key.as_str()) && known.iter().any(|field| field.key == *key)
    };
    let ours: Content = content
        .iter()
        .filter(of_ours)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let checked = match family {
        // A hall may have a place and nothing else yet.
        Family::Hall => check_part(family, &ours),
        _ => masters::check(family, &ours),
    };
    checked.err().map(|unfit| unfit.to_string())
}

pub(super) fn word(content: &Content, key: &str) -> Option<String> {
    content.get(key)?.as_str().map(str::to_owned)
}

pub(super) fn dated(kept: &Kept) -> Option<Dated> {
    Some(Dated {
        name: word(&kept.content, "name")?,
        scope: kept.scope.clone(),
        from: word(&kept.content, "from")?.parse().ok()?,
        value: kept.content.get("value")?.as_i64()?,
    })
}

pub(super) fn refused(unfit: &Unfit) -> StoreError {
    let facts = json!({"field": unfit.field, "expected": unfit.expected, "found": unfit.found});
    StoreError::RefusedBecause {
        text: unfit.to_string(),
        reason: "unfit-value",
        facts,
    }
}

/// Master data of the hall.
#[derive(Debug, Clone)]
pub struct Master {
    pub name: String,
    pub opens: Option<Time>,
    pub closes: Option<Time>,
    /// All fields.
    pub content: Content,
    /// When they came.
    pub taken: Timestamp,
}

impl Master {
    /// `None` while the centre keeps no more than the hall's place.
    pub(super) fn of(mut content: Content, taken: Timestamp) -> Option<Self> {
        content.remove("unit");
        let time = |key| word(&content, key)?.parse().ok();
        Some(Self {
            name: word(&content, "name")?,
            opens: time("opens"),
            closes: time("closes"),
            content,
            taken,
        })
    }
}

/// What holds of one threshold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Level {
    pub name: &'static str,
    /// `null`: what the hall's own configuration says.
    pub value: Option<i64>,
    pub unit: &'static str,
    /// The unit or hall it was set for; `null`: nobody set it, the default holds.
    pub scope: Option<String>,
    /// The day it holds from.
    pub from: Option<String>,
}

impl Level {
    pub(super) fn of(bound: &'static Bound, holds: &Holds<'_>) -> Self {
        Self {
            name: bound.name,
            value: holds.value,
            unit: bound.unit,
            scope: holds.because.map(|one| one.scope.clone()),
            from: holds.because.map(|one| one.from.to_string()),
        }
    }
}
