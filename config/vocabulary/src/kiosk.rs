//! What a self-service kiosk (自助终端) says about itself and its transactions.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_hash: Option<NumberHash>,
}

/// What a field of a transaction's report should be; errors say this instead of what was there,
/// which may be a customer's number.
pub(crate) fn expected(field: &str) -> &'static str {
    match field {
        "time" => "a time such as 2026-01-02T08:00:00+08:00",
        "boot" => "a boot id of 1-48 of A-Z, a-z, 0-9 and inner '.', '_', '-'",
        "seq" => "a whole number",
        "id" => "a text",
        "kind" => {
            "the business kind, a text such as payment, not the kind of the report (over HTTP: \
             {\"kind\": \"kiosk.txn\", \"payload\": {…}})"
        }
        "amount_fen" => "a whole number of fen up to 4294967295",
        "method" => "cash, card, scan or none",
        "succeeded" => "true or false",
        "number_hash" => "a keyed hash, 32-128 of A-Z, a-z, 0-9, '-', '_' and not digits alone",
        _ => "another value",
    }
}

/// Keyed hash of a customer's phone or account number, in hex or base64url; the number itself
/// never leaves the kiosk. What is too short for a hash, or of digits alone, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct NumberHash(
    #[schemars(
        length(min = 32, max = 128),
        regex(pattern = r"^[0-9]*[A-Za-z_-][0-9A-Za-z_-]*$")
    )]
    String,
);

/// A text that is no [`NumberHash`]. Does not say what it was: it may be the number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a keyed hash, 32-128 of A-Z, a-z, 0-9, '-', '_' and not digits alone")]
pub struct NoHash;

impl NumberHash {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NumberHash {
    type Err = NoHash;
    fn from_str(text: &str) -> Result<Self, NoHash> {
        let mut bytes = text.bytes();
        let fits = (32..=128).contains(&text.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| Self(text.to_owned())).ok_or(NoHash)
    }
}

impl<'de> Deserialize<'de> for NumberHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_no_hash_of_it() {
        let hex = "9f86d081884c7d659a2feaa0c55ad015";
        let base64url = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg";
        for good in [hex, base64url, &hex.repeat(4)] {
            assert_eq!(
                good.parse::<NumberHash>().map(|hash| hash.0),
                Ok(good.into())
            );
        }
        let padded = format!("{:040}", 13_800_001_111_u64);
        for bad in [
            "",
            "13800001111",
            "9f",
            &padded,
            &hex[1..],
            &hex.repeat(5),
            &format!("{base64url}="),
        ] {
            let error = bad.parse::<NumberHash>().unwrap_err().to_string();
            assert!(!error.contains("1380"), "{error}");
        }
    }
}
