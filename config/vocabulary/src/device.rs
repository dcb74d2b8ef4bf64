//! Kinds of device and what a device says about its own health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Families of device a hall has.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// 取号机, 排队机
    TicketMachine,
    /// 呼叫器
    Caller,
    /// 评价器
    EvaluationPad,
    /// 自助终端
    Kiosk,
    /// 窗口屏
    WindowScreen,
    /// LED 屏
    LedBoard,
    /// 温湿度传感器
    ClimateSensor,
    Other,
}

impl DeviceKind {
    pub const ALL: [Self; 8] = [
        Self::TicketMachine,
        Self::Caller,
        Self::EvaluationPad,
        Self::Kiosk,
        Self::WindowScreen,
        Self::LedBoard,
        Self::ClimateSensor,
        Self::Other,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TicketMachine => "ticket-machine",
            Self::Caller => "caller",
            Self::EvaluationPad => "evaluation-pad",
            Self::Kiosk => "kiosk",
            Self::WindowScreen => "window-screen",
            Self::LedBoard => "led-board",
            Self::ClimateSensor => "climate-sensor",
            Self::Other => "other",
        }
    }
}

impl std::str::FromStr for DeviceKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a device kind: expected one of {}", known()))
    }
}

/// Whether a device works, as it says itself or as its will says for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    Up,
    Degraded,
    Down,
}

impl HealthStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// `device.health`, on MQTT the `status/health` of a device's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceHealth {
    pub status: HealthStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `screen.shown`: a display acknowledged (or refused) a text it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScreenShown {
    /// What was sent, readable by a person, such as `call B016`.
    pub text: String,
    pub acknowledged: bool,
}
