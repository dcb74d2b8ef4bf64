//! A device a person has let in.

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use zhiban_config::gateway::Registry;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::device::DeviceIdentity;

use super::model::NewDevice;
use super::store::{self, Way};
use super::{file, identity};

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
    let nobody = super::secret_hash(&super::new_secret());
    store::add_or_revive(connection, &joined.new, Way::Secret(&nobody), now)?;
    store::identify(connection, device, &joined.identity)?;
    let detail = identity::in_words(&joined.identity);
    file::write(connection, device, "approved", &detail, who, now)?;
    Ok(identity::check_models(connection, registry, device, now)?)
}
