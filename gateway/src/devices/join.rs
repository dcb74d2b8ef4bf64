//! Devices people let in, or register at the console.

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use zhiban_config::gateway::Registry;
use zhiban_kernel::people::note;
use zhiban_kernel::{Clock, StoreError};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::device::DeviceIdentity;

use super::model::{NewDevice, new_secret, secret_hash};
use super::store::{self, Way};
use super::{file, identity, note_added, topics};
use crate::conventions::Topics;

/// What a person let in, and what the device said of itself.
#[derive(Debug)]
pub struct Joined {
    pub new: NewDevice,
    pub identity: DeviceIdentity,
    /// The device of this serial number is this one, or gives way to it.
    pub replaces: bool,
}

/// Registers the device, without a credential yet; one of the same serial number gives way. A kiosk
/// of one model too many waits for another decision (S0-2.5-3a).
///
/// # Errors
/// [`StoreError::Refused`] when its id or its serial number belongs to another.
pub fn join(
    connection: &Connection,
    registry: &Registry,
    joined: &Joined,
    who: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let device = joined.new.device.as_str();
    let serial = joined.identity.serial.as_deref().unwrap_or_default();
    for twin in store::with_serial(connection, serial)? {
        if !joined.replaces {
            return Err(store::serial_taken(serial, twin.device.as_str()));
        }
        let twin = twin.device.as_str();
        store::retire(connection, twin)?;
        if twin != device {
            let facts = json!({ "replaced_by": device });
            file::write(connection, twin, "retired", &facts.to_string(), who, now)?;
        }
    }
    // Nobody has this secret: the device gets its own when it fetches it.
    let nobody = secret_hash(&new_secret());
    store::add_or_revive(connection, &joined.new, Way::Secret(&nobody), now)?;
    store::identify(connection, device, &joined.identity)?;
    let detail = identity::in_words(&joined.identity);
    file::write(connection, device, "approved", &detail, who, now)?;
    Ok(identity::check_models(connection, registry, device, now)?)
}

/// Registers devices while the gateway is stopped, as `zhiban-gateway device add` does; beside each
/// the prefixes of its own topics, none for a device that speaks our form.
///
/// # Errors
/// [`StoreError::Refused`] when an id or a prefix is taken, or a prefix is none; then none is added.
pub fn add_offline(
    connection: &mut Connection,
    devices: Vec<(NewDevice, Vec<String>)>,
    clock: Clock,
) -> Result<Vec<(DeviceId, String)>, StoreError> {
    let transaction = connection.transaction()?;
    let mut secrets = Vec::with_capacity(devices.len());
    for (device, prefixes) in devices {
        let refused =
            |problem| StoreError::Refused(format!("{}: topics: {problem}", device.device));
        let given = Topics::check(&prefixes).map_err(refused)?;
        let secret = new_secret();
        let hash = secret_hash(&secret);
        store::add(&transaction, &device, Way::Secret(&hash), clock.now())?;
        topics::give(&transaction, device.device.as_str(), &given)?;
        note_added(&transaction, &device, clock.now())?;
        let detail = format!("{} {}", device.device, device.kind.as_str());
        note(&*transaction, "console", "local", "devices.add", &detail)?;
        secrets.push((device.device, secret));
    }
    transaction.commit()?;
    Ok(secrets)
}
