//! What a printer (打印机) says about itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kiosk::Paper;

/// `printer.health`: parts that are absent are unknown, not well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrinterHealth {
    /// Whether it would print now.
    pub online: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<Paper>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_open: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutter_fault: Option<bool>,
    /// Toner or ink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toner: Option<Supply>,
    /// Faults as the printer names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// State of something that is used up (耗材).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Supply {
    Ok,
    Low,
    Out,
}
