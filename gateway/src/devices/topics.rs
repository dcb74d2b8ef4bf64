//! The prefixes of devices that speak another form than ours. All SQL of them.

use std::collections::HashMap;

use rusqlite::{Connection, Result, params};
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;

use crate::conventions::Topics;

/// Prefixes of the devices that speak another form.
pub(super) fn all(connection: &Connection) -> Result<HashMap<DeviceId, Topics>> {
    let sql = "select device, topics from devices_device
         where state = 'active' and topics is not null";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut topics = HashMap::new();
    for row in rows {
        let (device, list): (_, String) = row?;
        if let Ok(device) = device.parse() {
            topics.insert(device, Topics::from_json(&list));
        }
    }
    Ok(topics)
}

/// Gives a device its prefixes; none takes them away.
///
/// # Errors
/// [`StoreError::Refused`] when another device in use speaks there.
pub(super) fn give(
    connection: &Connection,
    device: &str,
    given: &Topics,
) -> std::result::Result<(), StoreError> {
    for (other, taken) in all(connection)? {
        if other.as_str() != device
            && let Some(prefix) = given.clash(&taken)
        {
            return Err(StoreError::Refused(format!(
                "topics: {prefix} is also {other}'s"
            )));
        }
    }
    let list = (!given.is_empty()).then(|| given.to_json());
    let sql = "update devices_device set topics = ?2 where device = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![device, list])?;
    Ok(())
}
