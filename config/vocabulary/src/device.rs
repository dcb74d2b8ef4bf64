//! Kinds of device and what a device says about its own health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CounterId;
use crate::command::{Command, Display};

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
    /// 打印机
    Printer,
    /// 不间断电源
    Ups,
    /// 电表
    EnergyMeter,
    /// 客流计数器, 门磁
    PeopleCounter,
    /// 开关量模块
    DigitalIo,
    /// 排队系统: a program that runs the tickets of the hall
    QueueSystem,
    Other,
}

impl DeviceKind {
    pub const ALL: [Self; 14] = [
        Self::TicketMachine,
        Self::Caller,
        Self::EvaluationPad,
        Self::Kiosk,
        Self::WindowScreen,
        Self::LedBoard,
        Self::ClimateSensor,
        Self::Printer,
        Self::Ups,
        Self::EnergyMeter,
        Self::PeopleCounter,
        Self::DigitalIo,
        Self::QueueSystem,
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
            Self::Printer => "printer",
            Self::Ups => "ups",
            Self::EnergyMeter => "energy-meter",
            Self::PeopleCounter => "people-counter",
            Self::DigitalIo => "digital-io",
            Self::QueueSystem => "queue-system",
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

/// `device.identity`: who a device says it is. What it cannot say is absent. The bus, or the port
/// it hangs on, says which device it is; this says whether it is still the same one (S0-2.5-3b).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceIdentity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub vendor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub firmware: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub hardware: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub mac: Option<String>,
}

impl DeviceIdentity {
    /// Longest text, in characters.
    pub const CHARS_MAX: usize = 128;

    fn texts(&mut self) -> [(&'static str, &mut Option<String>); 6] {
        [
            ("vendor", &mut self.vendor),
            ("model", &mut self.model),
            ("serial", &mut self.serial),
            ("firmware", &mut self.firmware),
            ("hardware", &mut self.hardware),
            ("mac", &mut self.mac),
        ]
    }

    /// The name of a text that is longer than it may be.
    #[must_use]
    pub(crate) fn too_long(&self) -> Option<&'static str> {
        let mut texts = self.clone();
        let mut texts = texts.texts().into_iter();
        let is_long = |text: &String| text.chars().count() > Self::CHARS_MAX;
        let found = texts.find(|(_, text)| text.as_ref().is_some_and(is_long));
        found.map(|(name, _)| name)
    }

    /// With such texts cut.
    #[must_use]
    pub(crate) fn cut(mut self) -> Self {
        for (_, text) in self.texts() {
            *text = text
                .take()
                .map(|text| text.chars().take(Self::CHARS_MAX).collect());
        }
        self
    }
}

/// How bad an alarm of a device is; the words of thin-edge.io.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Critical,
    Major,
    Minor,
    Warning,
    /// It is over.
    Cleared,
}

impl Severity {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Warning => "warning",
            Self::Cleared => "cleared",
        }
    }
}

/// `device.alarm`: a device raises or clears an alarm of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceAlarm {
    /// Which one, from the topic.
    pub alarm: String,
    pub severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `input.state`: a contact changed, such as a door (门磁) or a panic button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputState {
    /// Name of the input, such as `door`.
    pub input: String,
    pub on: bool,
}

/// `screen.text`: a program of the hall asks for a text on one of our screens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScreenText {
    /// The counter whose screen it is for; absent for the summary board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterId>,
    pub text: String,
    #[serde(default)]
    pub speak: bool,
}

/// `screen.shown`: a display was sent a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScreenShown {
    /// What was sent, readable by a person, such as `call B016`.
    pub text: String,
    /// The same for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Display>,
    /// Whether the display confirmed it: false when it refused it, or kept silent although it can
    /// answer. Absent for displays whose protocol has no confirmation, which is no fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<bool>,
}

impl ScreenShown {
    #[must_use]
    pub fn of(command: &Command, acknowledged: Option<bool>) -> Self {
        let display = match command {
            Command::Display(display) => Some(display.clone()),
            Command::Power { .. } | Command::Restart {} => None,
        };
        Self {
            text: command.to_string(),
            display,
            acknowledged,
        }
    }
}
