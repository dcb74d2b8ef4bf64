//! What a device can be told to do, and how far it has come with it.
//!
//! On MQTT a command is a retained message on `te/device/<id>///cmd/<type>/<command>`, first with
//! `"status": "init"`; the device answers on the same topic with `executing`, then `successful` or
//! `failed` and a `reason`. The hall takes the topic away when the command has ended.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CounterId, TicketNumber};

/// Families of command.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CommandKind {
    /// 显示
    Display,
    /// 重启
    Restart,
    /// 开关机
    Power,
}

impl CommandKind {
    pub const ALL: [Self; 3] = [Self::Display, Self::Restart, Self::Power];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::Restart => "restart",
            Self::Power => "power",
        }
    }

    /// `None` for a command this version does not know.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One command, as it stands in the payload beside `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Command {
    Display(Display),
    Power { on: bool },
    Restart {},
}

/// What a screen or an LED board is to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "show", rename_all = "kebab-case")]
pub enum Display {
    /// Nobody is called; the device's own greeting.
    Welcome,
    /// 请…号到…号窗口
    Call {
        ticket: TicketNumber,
        counter: CounterId,
    },
    Serving {
        ticket: TicketNumber,
    },
    /// 暂停服务
    Pause,
    Text {
        text: String,
        /// Whether a device with a voice also says it.
        #[serde(default)]
        speak: bool,
    },
}

impl Command {
    /// What is to be done, in one word.
    #[must_use]
    pub fn act(&self) -> &'static str {
        match self {
            Self::Display(display) => display.act(),
            Self::Restart {} => "restart",
            Self::Power { on: true } => "power-on",
            Self::Power { on: false } => "power-off",
        }
    }

    #[must_use]
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::Display(_) => CommandKind::Display,
            Self::Restart {} => CommandKind::Restart,
            Self::Power { .. } => CommandKind::Power,
        }
    }
}

impl Display {
    /// What is to be shown, in one word; as `show` has it.
    #[must_use]
    pub fn act(&self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Call { .. } => "call",
            Self::Serving { .. } => "serving",
            Self::Pause => "pause",
            Self::Text { .. } => "text",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Display(display) => display.fmt(f),
            Self::Restart {} => f.write_str("restart"),
            Self::Power { on: true } => f.write_str("switch on"),
            Self::Power { on: false } => f.write_str("switch off"),
        }
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Welcome => f.write_str("welcome"),
            Self::Call { ticket, .. } => write!(f, "call {ticket}"),
            Self::Serving { ticket } => write!(f, "serving {ticket}"),
            Self::Pause => f.write_str("pause"),
            Self::Text { text, .. } => write!(f, "text {text}"),
        }
    }
}

/// How far a device has come with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommandStatus {
    /// Asked for, not yet begun.
    Init,
    Executing,
    Successful,
    Failed,
}

impl CommandStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Executing => "executing",
            Self::Successful => "successful",
            Self::Failed => "failed",
        }
    }
}

/// Why a command was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Its time was over before the device did it.
    Expired,
    /// The device cannot do that.
    Unsupported,
    /// Newer commands came while the device was behind.
    Overtaken,
    /// The device did not answer.
    Unanswered,
    /// The device answered that it does not.
    Refused,
}

impl Failure {
    pub const ALL: [Self; 5] = [
        Self::Expired,
        Self::Unsupported,
        Self::Overtaken,
        Self::Unanswered,
        Self::Refused,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unsupported => "unsupported",
            Self::Overtaken => "overtaken",
            Self::Unanswered => "unanswered",
            Self::Refused => "refused",
        }
    }
}

/// `command.state`: a device says how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandState {
    /// The hall's number of the command, from the topic.
    pub command: String,
    pub status: CommandStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_back_from_its_payload() {
        for text in [
            r#"{"show":"call","ticket":"A1","counter":"3"}"#,
            r#"{"show":"text","text":"请排队","speak":true}"#,
            r#"{"show":"welcome"}"#,
            r#"{"on":false}"#,
            "{}",
        ] {
            let command: Command = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&command).unwrap(), text);
        }
    }
}
