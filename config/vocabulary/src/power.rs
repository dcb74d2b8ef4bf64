//! Power of the hall: what a UPS (不间断电源) and an energy meter (电表) say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::climate::Tenths;

/// Where the power comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerSource {
    Mains,
    Battery,
    /// The load is not protected.
    Bypass,
    Off,
}

/// State of the battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Battery {
    Ok,
    Low,
    /// To be replaced.
    Worn,
}

/// `power.state`: what a UPS says. What is absent is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PowerState {
    pub source: PowerSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<Battery>,
    /// %, 0 to 100
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge_percent: Option<u8>,
    /// Seconds the battery will last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_s: Option<u32>,
    /// % of what it can carry; more than 100 is overload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u8>,
}

/// Measurement `energy`: one reading of a meter. What is absent is not measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnergyReading {
    /// Wh taken in since the meter was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_wh: Option<u64>,
    /// W
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Tenths>,
    /// V
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage: Option<Tenths>,
}
