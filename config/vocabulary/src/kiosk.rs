//! What a self-service kiosk (自助终端) says about itself and its transactions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of the paper path (纸).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Paper {
    Ok,
    Low,
    Out,
    Jammed,
}

/// State of the cash box (钞箱).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CashBox {
    Ok,
    High,
    Full,
    Removed,
}

/// `kiosk.health`: parts that are absent are unknown, not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KioskHealth {
    /// Whether a customer can use it now.
    pub in_service: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<Paper>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cash_box: Option<CashBox>,
    /// Fault codes as the kiosk names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// How the customer paid.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PayMethod {
    Cash,
    Card,
    Scan,
    /// Nothing was paid (a query, a print).
    None,
}

/// `kiosk.txn`: one transaction (交易).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KioskTransaction {
    /// The kiosk's own transaction number.
    pub id: String,
    /// Business kind, such as `payment` or `bill-query`.
    pub kind: String,
    /// Amount in fen (分), 0 when nothing was paid.
    #[serde(default)]
    #[schemars(range(max = u32::MAX))]
    pub amount_fen: u32,
    pub method: PayMethod,
    pub succeeded: bool,
    /// Keyed hash of the customer's number; the number itself never leaves the kiosk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_hash: Option<String>,
}
