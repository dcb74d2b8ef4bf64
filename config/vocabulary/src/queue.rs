//! What a ticket machine or caller says about one ticket (票).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CounterId, QueueId, ServiceId, StaffId, TicketNumber};

/// Customer class (客户级别) printed on the ticket.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CustomerClass {
    /// 普通
    #[default]
    Ordinary,
    /// 贵宾
    Vip,
    /// 优先: elderly, disabled, with small children.
    Priority,
}

impl CustomerClass {
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::Vip, Self::Priority];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Vip => "vip",
            Self::Priority => "priority",
        }
    }
}

/// One thing that happened to one ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TicketEvent {
    pub ticket: TicketNumber,
    #[serde(flatten)]
    pub step: TicketStep,
}

/// The step itself, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type")]
pub enum TicketStep {
    /// 取号
    #[serde(rename = "ticket.issued")]
    Issued {
        queue: QueueId,
        /// Ordinary when it is absent or null.
        #[serde(default)]
        #[schemars(with = "Option<CustomerClass>")]
        class: CustomerClass,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceId>,
    },
    /// 叫号
    #[serde(rename = "ticket.called")]
    Called {
        counter: CounterId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<StaffId>,
    },
    /// 重呼
    #[serde(rename = "ticket.recalled")]
    Recalled { counter: CounterId },
    /// 开始办理
    #[serde(rename = "ticket.started")]
    Started {
        counter: CounterId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<StaffId>,
    },
    /// 办结
    #[serde(rename = "ticket.finished")]
    Finished {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<ServiceId>,
    },
    /// 过号
    #[serde(rename = "ticket.no-show")]
    NoShow {},
    /// 转移: back into a queue, possibly for one counter.
    #[serde(rename = "ticket.transferred")]
    Transferred {
        queue: QueueId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counter: Option<CounterId>,
    },
    /// 取消
    #[serde(rename = "ticket.cancelled")]
    Cancelled {},
}
