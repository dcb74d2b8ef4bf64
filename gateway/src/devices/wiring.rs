//! Where wired devices hang, and what new settings change.

use jiff::Timestamp;
use rusqlite::{Connection, Result};
use serde_json::{Value, json};
use zhiban_drivers::Binding;
use zhiban_kernel::StoreError;

use super::model::{Device, State};
use super::{file, store};

/// Holds a wired device against all others that are not retired.
///
/// # Errors
/// [`StoreError::RefusedBecause`] when another hangs where it does.
pub(super) fn check_place(
    connection: &Connection,
    device: &str,
) -> std::result::Result<(), StoreError> {
    let mut all = store::all(connection)?;
    all.retain(|other| other.is_wired() && other.state != State::Retired);
    let own = all.iter().find(|other| other.device.as_str() == device);
    let Some(own) = own.and_then(binding) else {
        return Ok(());
    };
    for other in all.iter().filter(|other| other.device.as_str() != device) {
        let Some(place) = binding(other).and_then(|theirs| own.shared_with(&theirs)) else {
            continue;
        };
        return Err(StoreError::RefusedBecause {
            text: format!(
                "device {device}: {place} belongs to device {}",
                other.device
            ),
            reason: match place.address {
                Some(_) => "address-taken",
                None => "line-taken",
            },
            facts: json!({
                "line": place.line, "address": place.address, "device": other.device.as_str(),
            }),
        });
    }
    Ok(())
}

fn binding(device: &Device) -> Option<Binding> {
    let driver = zhiban_drivers::find(&device.driver)?;
    let settings = serde_json::from_str(device.settings.as_deref()?).ok()?;
    Binding::of(driver, settings)
}

/// The line a device hangs on stands in its file, as the address of one that connects.
pub(super) fn note_line(
    connection: &Connection,
    device: &str,
    before: Option<&Device>,
    (who, now): (&str, Timestamp),
) -> Result<()> {
    let after = store::find(connection, device)?;
    let (before, after) = (before.and_then(binding), after.as_ref().and_then(binding));
    let detail = match (
        before.as_ref().map(Binding::line),
        after.as_ref().map(Binding::line),
    ) {
        (before, Some(after)) if before == Some(after) => return Ok(()),
        (Some(before), Some(after)) => format!("{before} → {after}"),
        (None, Some(after)) => after.to_owned(),
        (_, None) => return Ok(()),
    };
    file::write(connection, device, "address", &detail, who, now)
}

/// Keys of settings that differ, such as `link.tcp`; never their values, which may be secrets.
pub(super) fn changed_keys(before: &str, after: &str) -> Vec<String> {
    let read = |text| serde_json::from_str(text).unwrap_or_default();
    let mut keys = Vec::new();
    gather("", &read(before), &read(after), &mut keys);
    keys
}

fn gather(key: &str, before: &Value, after: &Value, keys: &mut Vec<String>) {
    if before == after {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return keys.push(key.to_owned());
    };
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let key = match key {
            "" => name.clone(),
            _ => format!("{key}.{name}"),
        };
        let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
        gather(&key, &value(old), &value(new), keys);
    }
}
