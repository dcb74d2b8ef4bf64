//! What the centre sends down (下发): documents a hall keeps and works on while the centre is away, and
//! questions a hall answers at once. A hall fetches both with one long poll, so nothing has to be
//! declared for it in a router and a hall behind any firewall is reached.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::BusinessDay;
use crate::{CounterId, DeviceId, QueueId, StoreId};

/// How long the centre holds a poll that has nothing to fetch, in seconds.
pub const HOLD_S: u32 = 60;
/// Documents of one answer; what is left comes with the next poll.
pub const DOCUMENTS_MAX: usize = 200;

/// A hall asks for what is new (长轮询). Signed as everything a hall sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Poll {
    pub protocol: u32,
    pub store: StoreId,
    /// Grows with every poll of a hall: one recorded and sent again fetches nothing.
    pub number: u64,
    /// The documents the hall has.
    pub has: Cursor,
}

/// How far a hall has followed the documents of the centre.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cursor {
    /// The hall's place in the organization as a number: another place is another life. 0: none was
    /// ever fetched.
    pub life: u64,
    /// Number of the last change the hall holds. Numbers grow, and have gaps.
    pub change: u64,
}

/// The centre's answer to a poll, packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Polled {
    Fetched(Fetched),
    /// The number of the poll did not grow; this is the last one the centre heard. A disk that was
    /// put back in time counts on from it.
    Behind {
        number: u64,
    },
    /// The poll is not taken for what it says.
    Refused {
        reason: String,
    },
    /// Come again after this time.
    Busy {
        retry_after_ms: u32,
    },
}

/// What a poll fetches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fetched {
    /// Where the hall stands when it holds `documents`.
    pub upto: Cursor,
    /// The hall forgets every document it has before it takes these: another life began, or another
    /// place of the hall in the organization.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub afresh: bool,
    /// More is there already: the hall asks again at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// In the order of their changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
}

impl Fetched {
    /// Nothing: the hall stands where it stood.
    #[must_use]
    pub fn nothing(has: Cursor) -> Self {
        Self {
            upto: has,
            ..Self::default()
        }
    }

    /// Whether there is anything for the hall to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.afresh && !self.more && self.documents.is_empty() && self.questions.is_empty()
    }
}

/// One document as it stands after its last change (单据, 主数据).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    pub family: Family,
    /// Within the family and scope.
    pub id: String,
    /// The unit whose halls it is for: an id of the organization's tree, a hall's own id for one hall.
    pub scope: String,
    /// Number of its last change.
    pub change: u64,
    /// `None`: it was taken back.
    pub content: Option<Value>,
}

/// What a document is about. A hall that does not know a family keeps the document unread, for the
/// version of the program that does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A node of the organization above the hall (组织机构).
    Unit,
    /// Master data of a hall (营业厅主数据, E-01).
    Hall,
    /// A drawing of a hall (营业厅图纸, E-02).
    Drawing,
    /// A piece of a drawing (图纸分片); those of one drawing come before it.
    Piece,
    /// An agent in a hall (进厅代理商, E-03).
    Agent,
    /// A threshold (阈值), dated and by scope.
    Threshold,
    /// An announcement (公告).
    Announcement,
    /// A member of staff (人员, E-04).
    Person,
    /// A definition as data (定义), such as a register map.
    Definition,
    /// What became of a proposal of the hall (建议).
    Proposal,
    #[serde(untagged)]
    Other(String),
}

impl Family {
    /// The families there are today, apart from [`Other`](Self::Other).
    pub const ALL: [Self; 10] = [
        Self::Unit,
        Self::Hall,
        Self::Drawing,
        Self::Piece,
        Self::Agent,
        Self::Threshold,
        Self::Announcement,
        Self::Person,
        Self::Definition,
        Self::Proposal,
    ];

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unit => "unit",
            Self::Hall => "hall",
            Self::Drawing => "drawing",
            Self::Piece => "piece",
            Self::Agent => "agent",
            Self::Threshold => "threshold",
            Self::Announcement => "announcement",
            Self::Person => "person",
            Self::Definition => "definition",
            Self::Proposal => "proposal",
            Self::Other(word) => word,
        }
    }

    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let known = Self::ALL.into_iter().find(|one| one.as_str() == text);
        known.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

/// Somebody at the centre wants the rows behind a figure (下钻).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// Of this question alone; the answer names it.
    pub id: u64,
    /// The account at the centre that asks; the hall writes it into its audit log.
    pub asked_by: String,
    /// What that person is at the centre, by the words of `roles`; the hall judges it again.
    pub roles: Vec<String>,
    /// Which rows: an [`About`], or of a later version of it.
    pub about: Value,
}

/// Rows asked for at once, at most.
pub const ROWS_MAX: u32 = 500;

/// Which rows somebody wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    #[serde(flatten)]
    pub rows: Rows,
    /// What the answer before gave as `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to [`ROWS_MAX`].
    pub limit: u32,
}

/// See [`About`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "rows", rename_all = "kebab-case")]
pub enum Rows {
    /// Tickets of a day in the order they were issued, those of a time or a counter where asked for.
    Tickets {
        day: BusinessDay,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<QueueId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counter: Option<CounterId>,
        /// Issued from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Issued before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// What a device reported on a day, as the journal has it, newest first.
    Reports { device: DeviceId, day: BusinessDay },
    /// Alarms of devices that stand, by device.
    Alarms,
}

/// What a hall answers to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    pub protocol: u32,
    pub store: StoreId,
    pub id: u64,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    Rows {
        rows: Vec<Value>,
        /// There are more, behind this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// The hall does not show them to this person.
    Denied { reason: Denial },
    /// The question cannot be answered here.
    Unanswered { reason: Denial },
}

/// Why a hall shows no rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// The role of the person does not grant the right that the hall's own page asks for.
    Right,
    /// The question is of a later version, or says what cannot be.
    Unknown,
    #[serde(untagged)]
    Other(String),
}

impl Denial {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Right => "right",
            Self::Unknown => "unknown",
            Self::Other(word) => word,
        }
    }
}
