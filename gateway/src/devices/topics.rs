//! The prefixes of devices that speak another form than ours. All SQL of them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, params};
use serde_json::json;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;

use super::change::Change;
use super::model::State;
use crate::conventions::Topics;

/// Prefixes of the devices that speak another form.
pub(super) fn all(connection: &Connection) -> Result<HashMap<DeviceId, Topics>> {
    those(connection, "state = 'active'")
}

fn those(connection: &Connection, condition: &str) -> Result<HashMap<DeviceId, Topics>> {
    let sql = format!(
        "select device, topics from devices_device
         where topics is not null and {condition}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
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
    // One that waits for a person keeps its place.
    for (other, taken) in those(connection, "state <> 'retired'")? {
        if other.as_str() != device
            && let Some(prefix) = given.clash(&taken)
        {
            return Err(StoreError::RefusedBecause {
                text: format!("topics: {prefix} is also {other}'s"),
                reason: "topic-taken",
                facts: json!({ "prefix": prefix, "device": other.as_str() }),
            });
        }
    }
    let list = (!given.is_empty()).then(|| given.to_json());
    let sql = "update devices_device set topics = ?2 where device = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![device, list])?;
    Ok(())
}

/// What a change means for the prefixes: new ones, or old ones that may be taken by now.
///
/// # Errors
/// [`StoreError::Refused`] when another device in use speaks there.
pub(super) fn apply(
    connection: &Connection,
    device: &str,
    change: &Change,
) -> std::result::Result<(), StoreError> {
    if let Some(given) = &change.topics {
        return give(connection, device, given);
    }
    let returns = change.turn.as_ref().map(|turn| turn.state) == Some(State::Active);
    if !returns {
        return Ok(());
    }
    let own = all(connection)?
        .into_iter()
        .find(|(known, _)| known.as_str() == device);
    own.map_or(Ok(()), |(_, own)| give(connection, device, &own))
}

/// Another device in use, or one that waits for a person, with this network address.
pub(super) fn mac_twin(connection: &Connection, device: &str, mac: &str) -> Result<Option<String>> {
    let sql = "select device from devices_device
         where mac = ?1 and device <> ?2 and state <> 'retired' order by device limit 1";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row([mac, device], |row| row.get(0))
        .optional()
}

#[cfg(test)]
mod tests {
    use zhiban_kernel::Clock;
    use zhiban_vocabulary::device::DeviceKind;

    use super::super::{NewDevice, add_offline};
    use super::*;

    fn device(id: &str, topics: &[&str]) -> (NewDevice, Vec<String>) {
        let new = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::Other,
            name: id.into(),
            counter: None,
        };
        (
            new,
            topics.iter().map(|topic| (*topic).to_owned()).collect(),
        )
    }

    #[test]
    fn devices_added_offline_have_their_prefixes_and_none_is_added_when_two_clash() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::journal::migrate(&mut connection).unwrap();
        let mut add = |devices| add_offline(&mut connection, devices, Clock::new(None));
        add(vec![
            device("tm-1", &[]),
            device("zigbee-1", &["zigbee2mqtt"]),
        ])
        .unwrap();
        let clash = add(vec![device("tm-2", &[]), device("plug-1", &["+/plug"])]);
        let clash = clash.unwrap_err().to_string();
        assert!(clash.contains("+/plug is also zigbee-1's"), "{clash}");
        let none = add(vec![device("plug-1", &["te"])])
            .unwrap_err()
            .to_string();
        assert!(none.contains("plug-1: topics: "), "{none}");
        let known = all(&connection).unwrap();
        assert_eq!(known.len(), 1);
        assert!(known[&"zigbee-1".parse().unwrap()].own("zigbee2mqtt/x"));
        // Nothing of the refused ones was kept.
        let count = "select count(*) from devices_device";
        let count: u32 = connection.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2);
    }
}
