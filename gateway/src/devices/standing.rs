//! Taking a device out of use, and back: what a person may do, and what the hall knows better.

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use zhiban_config::gateway::{Changes, Registry};
use zhiban_kernel::StoreError;

use super::model::{Device, State};
use super::{file, identity, store};

/// Why a device is shut out that a person suspended.
const BY_HAND: &str = "by-hand";

/// A person's word on whether a device takes part.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) state: State,
    /// For the file, and for the device when it asks why it is shut out.
    pub(super) why: Option<String>,
}

/// Makes it hold and notes it in the device's file.
///
/// # Errors
/// [`StoreError::RefusedBecause`] when a change of the device waits for a decision, or another has
/// its serial number.
pub(super) fn turn(
    connection: &Connection,
    registry: &Registry,
    device: &Device,
    turn: &Turn,
    (who, now): (&str, Timestamp),
) -> Result<(), StoreError> {
    if device.state == turn.state {
        return Ok(());
    }
    let id = device.device.as_str();
    let what = match turn.state {
        State::Active => {
            may_return(connection, registry, device)?;
            store::set_state(connection, id, turn.state, None)?;
            "restored"
        }
        State::Suspended => {
            // One that comes back from retirement is shut out for the reason it was before.
            let reason = device.reason.as_deref().unwrap_or(BY_HAND);
            store::set_state(connection, id, turn.state, Some(reason))?;
            "suspended"
        }
        State::Retired => {
            store::retire(connection, id)?;
            "retired"
        }
    };
    let facts = json!({ "from": device.state.as_str(), "reason": turn.why });
    file::write(connection, id, what, &facts.to_string(), who, now)?;
    if turn.state == State::Active {
        // Meanwhile the hall may have as many models of kiosk as it can have.
        identity::check_models(connection, registry, id, now)?;
    }
    Ok(())
}

/// What shuts a device out is decided where it was asked, not passed by. One that was in use although
/// a change waits (lenient) may come back as it was.
fn may_return(
    connection: &Connection,
    registry: &Registry,
    device: &Device,
) -> Result<(), StoreError> {
    let id = device.device.as_str();
    let asked = file::requests_of(connection, id)?;
    let shuts_out = |request: &&file::Request| {
        registry.changes == Changes::Strict
            || matches!(request.what.as_str(), "third-model" | "serial-clash")
    };
    if let Some(request) = asked.iter().find(shuts_out) {
        return Err(StoreError::RefusedBecause {
            text: format!("{id}: request {} waits for a decision", request.id),
            reason: "request-open",
            facts: json!({ "device": id, "request": request.id, "what": request.what }),
        });
    }
    match store::serial_twin(connection, device, &device.identity)? {
        None => Ok(()),
        Some(twin) => Err(store::serial_taken(
            device.identity.serial.as_deref().unwrap_or_default(),
            twin.device.as_str(),
        )),
    }
}
