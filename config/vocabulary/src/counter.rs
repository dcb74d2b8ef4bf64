//! What a counter (台席) is doing, and who sits there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CounterId, StaffId};

/// State of a counter. Busy and break look alike to the queue and differ in the hours account
/// (X-37, S4-3.2.1.3-l).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CounterState {
    /// 开放: serves or may be given the next ticket.
    Open,
    /// 示忙: at the post, tidying up, takes no ticket.
    Busy,
    /// 小休: away from the post.
    Break,
    /// 关闭
    Closed,
}

impl CounterState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Busy => "busy",
            Self::Break => "break",
            Self::Closed => "closed",
        }
    }
}

/// Keys of a caller (呼叫器) that say what somebody wants, and not yet what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallerKey {
    /// 叫号: the next ticket, whichever it is.
    CallNext,
}

impl CallerKey {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallNext => "call-next",
        }
    }
}

/// `counter.key`: a key was pressed on the caller of a counter. Whoever runs the queue decides what
/// comes of it and says so in a report of its own, such as `ticket.called`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CounterKey {
    pub counter: CounterId,
    pub key: CallerKey,
    /// Who is signed on; absent when nobody is, or the caller does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffId>,
}

/// A change of state, or of the person, at one counter (`counter.state`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CounterChange {
    pub counter: CounterId,
    pub state: CounterState,
    /// Who is signed on; absent when nobody is, or the caller does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffId>,
}
