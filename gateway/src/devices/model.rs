//! A device, its secret, and what a change of its identity means.

use rand::RngExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::{CounterId, DeviceId};

/// Driver name of devices that come in by MQTT or HTTP.
pub(super) const NOT_WIRED: &str = "mqtt";

/// A device to be registered.
#[derive(Debug, Clone)]
pub struct NewDevice {
    pub device: DeviceId,
    pub kind: DeviceKind,
    pub name: String,
    pub counter: Option<CounterId>,
}

/// Whether a device may take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    /// Shut out until a person decides.
    Suspended,
    Retired,
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }

    /// As a person may ask for it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Active, Self::Suspended, Self::Retired];
        all.into_iter().find(|state| state.as_str() == text)
    }

    pub(super) fn from_text(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            _ => Self::Retired,
        }
    }
}

/// A registered device.
#[derive(Debug, Clone)]
pub struct Device {
    pub device: DeviceId,
    pub kind: String,
    pub name: String,
    pub counter: Option<CounterId>,
    pub driver: String,
    /// JSON of a wired device's settings.
    pub settings: Option<String>,
    /// Topic prefixes of one that speaks another form.
    pub topics: Vec<String>,
    /// Whether `gateway.toml` owns it.
    pub from_file: bool,
    pub state: State,
    /// Why it is suspended, or was when it was retired.
    pub reason: Option<String>,
    pub identity: DeviceIdentity,
    /// Where it last connected from.
    pub address: Option<String>,
}

impl Device {
    #[must_use]
    pub fn is_wired(&self) -> bool {
        self.driver != NOT_WIRED
    }
}

/// 160 random bits as text a person can copy.
pub(crate) fn new_secret() -> String {
    let bytes: [u8; 20] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fast hash will do: the secret is random, so there is nothing to guess from a list.
pub(crate) fn secret_hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// A part of a device that is another than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct PartChange {
    /// `vendor`, `model`, `serial`, `mac` or `address`
    pub(super) part: &'static str,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// What of an identity is another than before. A part that was unknown, or is not said now, is no
/// change. Firmware may change by itself.
pub(super) fn changes(before: &DeviceIdentity, now: &DeviceIdentity) -> Vec<PartChange> {
    let parts = [
        ("vendor", &before.vendor, &now.vendor),
        ("model", &before.model, &now.model),
        ("serial", &before.serial, &now.serial),
        ("mac", &before.mac, &now.mac),
    ];
    parts
        .into_iter()
        .filter_map(|(name, before, now)| match (before, now) {
            (Some(before), Some(after)) if before != after => Some(PartChange {
                part: name,
                before: Some(before.clone()),
                after: Some(after.clone()),
            }),
            _ => None,
        })
        .collect()
}

/// What is known after a device has spoken: what it says now, else what it said before.
pub(super) fn merged(before: &DeviceIdentity, now: &DeviceIdentity) -> DeviceIdentity {
    let either =
        |now: &Option<String>, before: &Option<String>| now.as_ref().or(before.as_ref()).cloned();
    DeviceIdentity {
        vendor: either(&now.vendor, &before.vendor),
        model: either(&now.model, &before.model),
        serial: either(&now.serial, &before.serial),
        firmware: either(&now.firmware, &before.firmware),
        hardware: either(&now.hardware, &before.hardware),
        mac: either(&now.mac, &before.mac),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(model: &str, serial: Option<&str>) -> DeviceIdentity {
        DeviceIdentity {
            model: Some(model.into()),
            serial: serial.map(str::to_owned),
            ..DeviceIdentity::default()
        }
    }

    #[test]
    fn what_a_device_does_not_say_is_no_change() {
        let before = identity("K1", Some("S1"));
        assert_eq!(
            changes(&before, &identity("K1", None)),
            Vec::<PartChange>::new()
        );
        let other = PartChange {
            part: "serial",
            before: Some("S1".into()),
            after: Some("S2".into()),
        };
        assert_eq!(changes(&before, &identity("K1", Some("S2"))), [other]);
        assert_eq!(
            changes(&DeviceIdentity::default(), &before),
            Vec::<PartChange>::new()
        );
        assert_eq!(
            merged(&before, &identity("K2", None)),
            identity("K2", Some("S1"))
        );
    }
}

/// How a device proves who it is. Only a hash of it is kept.
#[derive(Clone)]
pub(crate) enum Proof {
    Password(String),
    /// DER, of the hall's authority; the handshake made sure that the device has its key.
    Certificate(Vec<u8>),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Proof {
    /// The word for the device's file.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Certificate(_) => "certificate",
        }
    }

    pub(crate) fn hash(&self) -> Vec<u8> {
        match self {
            Self::Password(secret) => secret_hash(secret),
            // Not the hash of any password: a certificate is no secret.
            Self::Certificate(der) => {
                let whole = Sha256::new()
                    .chain_update(b"certificate\0")
                    .chain_update(der);
                whole.finalize().to_vec()
            }
        }
    }
}
