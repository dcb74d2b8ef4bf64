//! The fields of each family, in the order they are shown.

use jiff::Timestamp;
use jiff::civil::Time;
use serde::Serialize;
use serde_json::Value;

use super::drawings::{KINDS, MEDIA};
use super::{CONTENT_BYTES_MAX, is_day};
use crate::down::Family;
use crate::{StaffId, registers};

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "form", rename_all = "kebab-case")]
pub enum Form {
    /// One line, in characters.
    Text { max: usize },
    /// Several lines, in characters.
    Long { max: usize },
    /// A whole number.
    Number { min: i64, max: i64 },
    /// True or false.
    Flag,
    /// `HH:MM`, by the clock on the wall.
    Time,
    /// `YYYY-MM-DD`.
    Day,
    /// RFC 3339.
    Moment,
    /// A staff number.
    Staff,
    /// A word of a list.
    Choice { words: &'static [&'static str] },
}

impl Form {
    pub(super) fn fits(self, value: &Value) -> bool {
        let text = |fits: &dyn Fn(&str) -> bool| value.as_str().is_some_and(fits);
        match self {
            Self::Text { max } => text(&|text| {
                (1..=max).contains(&text.chars().count())
                    && text.trim() == text
                    && !text.contains(char::is_control)
            }),
            Self::Long { max } => text(&|text| {
                (1..=max).contains(&text.chars().count())
                    && !text.trim().is_empty()
                    && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
            }),
            Self::Number { min, max } => value
                .as_i64()
                .is_some_and(|number| (min..=max).contains(&number)),
            Self::Flag => value.is_boolean(),
            Self::Time => text(&|text| matches!(text.len(), 5 | 8) && text.parse::<Time>().is_ok()),
            Self::Day => text(&is_day),
            Self::Moment => text(&|text| text.parse::<Timestamp>().is_ok()),
            Self::Staff => text(&|text| text.parse::<StaffId>().is_ok()),
            Self::Choice { words } => text(&|text| words.contains(&text)),
        }
    }

    pub(super) fn expected(self) -> String {
        match self {
            Self::Text { max } => format!("one line of 1 to {max} characters"),
            Self::Long { max } => format!("a text of 1 to {max} characters"),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Flag => "true or false".into(),
            Self::Time => "a time such as 09:00".into(),
            Self::Day => "a day such as 2026-01-31".into(),
            Self::Moment => "a time such as 2026-01-31T08:00:00Z".into(),
            Self::Staff => "a staff number".into(),
            Self::Choice { words } => format!("one of {}", words.join(", ")),
        }
    }

    /// A value as a table of text writes it; what cannot be read comes as text, which then does not fit.
    #[must_use]
    pub fn read(self, text: &str) -> Value {
        let number = || text.parse::<i64>().ok().map(Value::from);
        let read = match self {
            Self::Number { .. } => number(),
            Self::Flag => text.parse::<bool>().ok().map(Value::from),
            _ => None,
        };
        read.unwrap_or_else(|| text.into())
    }
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Field {
    pub key: &'static str,
    #[serde(flatten)]
    pub form: Form,
    pub required: bool,
    /// Of a number: what it counts, such as `m²`; empty for pieces.
    pub unit: &'static str,
}

const fn field(key: &'static str, form: Form) -> Field {
    Field {
        key,
        form,
        required: false,
        unit: "",
    }
}

const fn needed(key: &'static str, form: Form) -> Field {
    Field {
        required: true,
        ..field(key, form)
    }
}

const LINE: Form = Form::Text { max: 60 };
const PHRASE: Form = Form::Text { max: 200 };
const COUNT: Form = Form::Number {
    min: 0,
    max: 10_000,
};

/// E-01, with what the requirements add (X-33: area and location; store type, holidays, class).
const HALL: &[Field] = &[
    needed("name", LINE),
    field("code", LINE),
    field("grade", LINE),
    field("city", LINE),
    field("address", PHRASE),
    field("surroundings", PHRASE),
    field("location_class", LINE),
    field("footfall_class", LINE),
    field(
        "store_type",
        Form::Choice {
            words: &["own", "franchise", "partner"],
        },
    ),
    field("business_cycle", PHRASE),
    field("opens", Form::Time),
    field("closes", Form::Time),
    field("holidays", PHRASE),
    Field {
        unit: "m²",
        ..field(
            "area_m2",
            Form::Number {
                min: 0,
                max: 100_000,
            },
        )
    },
    field("staff_count", COUNT),
    field("consultation_counters", COUNT),
    field("integrated_counters", COUNT),
    field("other_counters", COUNT),
    field("one_counter_service", Form::Flag),
    field("pos_machines", COUNT),
    field("ticket_machines", COUNT),
    field("rating_pads", COUNT),
    field("self_service_terminals", COUNT),
    field("self_service_functions", PHRASE),
    field("experience_zone", Form::Flag),
    field("experience_items", PHRASE),
    field("experience_terminals", COUNT),
    field("wheelchair_access", Form::Flag),
];

/// A unit of the organization; its place in the tree is not a field of its own.
const UNIT: &[Field] = &[
    needed("name", LINE),
    needed(
        "level",
        Form::Choice {
            words: &["group", "province", "city", "centre", "area"],
        },
    ),
];

const DIGEST: Form = Form::Text { max: 64 };

/// E-02: what a drawing is; its bytes come in pieces.
const DRAWING: &[Field] = &[
    needed("kind", Form::Choice { words: KINDS }),
    needed("title", LINE),
    needed("media", Form::Choice { words: MEDIA }),
    needed(
        "bytes",
        Form::Number {
            min: 1,
            max: 2_000_000,
        },
    ),
    needed("sha256", DIGEST),
    needed("pieces", Form::Number { min: 1, max: 100 }),
];

/// `digest` is that of the bytes of this piece.
const PIECE: &[Field] = &[
    needed("digest", DIGEST),
    needed(
        "data",
        Form::Long {
            max: CONTENT_BYTES_MAX,
        },
    ),
];

/// E-03
const AGENT: &[Field] = &[
    needed("name", LINE),
    field("agencies", COUNT),
    field("counters", COUNT),
    field("staff", COUNT),
    field("terminal_types", PHRASE),
];

const THRESHOLD: &[Field] = &[
    needed("name", LINE),
    needed(
        "value",
        Form::Number {
            min: -1_000_000,
            max: 1_000_000,
        },
    ),
    needed("from", Form::Day),
];

const ANNOUNCEMENT: &[Field] = &[
    needed("title", Form::Text { max: 100 }),
    needed("text", Form::Long { max: 4_000 }),
    needed("from", Form::Moment),
    needed("until", Form::Moment),
];

/// E-04 as far as a hall needs it to give somebody a sign-in: no identity card, no telephone.
const PERSON: &[Field] = &[
    needed("staff", Form::Staff),
    needed("name", LINE),
    field("post", LINE),
    field("grade", LINE),
    needed("active", Form::Flag),
];

/// The id of a register map is its name.
const DEFINITION: &[Field] = &[
    needed(
        "kind",
        Form::Choice {
            words: &["register-map"],
        },
    ),
    needed(
        "text",
        Form::Long {
            max: registers::TEXT_CHARS_MAX,
        },
    ),
];

/// The fields of a family; none for families that have a form of their own.
#[must_use]
pub const fn fields(family: &Family) -> &'static [Field] {
    match family {
        Family::Hall => HALL,
        Family::Unit => UNIT,
        Family::Agent => AGENT,
        Family::Threshold => THRESHOLD,
        Family::Announcement => ANNOUNCEMENT,
        Family::Person => PERSON,
        Family::Drawing => DRAWING,
        Family::Piece => PIECE,
        Family::Definition => DEFINITION,
        Family::Proposal | Family::Other(_) => &[],
    }
}

pub(super) fn is_hall_field(key: &str) -> bool {
    HALL.iter().any(|field| field.key == key)
}
