//! A device and its secret.

use rand::RngExt;
use sha2::{Digest, Sha256};
use zhiban_vocabulary::device::DeviceKind;
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

/// A registered device.
#[derive(Debug, Clone)]
pub struct Device {
    pub device: DeviceId,
    pub kind: String,
    pub name: String,
    pub counter: Option<CounterId>,
    pub driver: String,
    pub active: bool,
}

impl Device {
    #[must_use]
    pub fn is_wired(&self) -> bool {
        self.driver != NOT_WIRED
    }
}

/// 160 random bits as text a person can copy.
pub(super) fn new_secret() -> String {
    let bytes: [u8; 20] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fast hash will do: the secret is random, so there is nothing to guess from a list.
pub(super) fn secret_hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}
