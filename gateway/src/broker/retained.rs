//! The last retained message of each topic. SQLite is the truth; the router never sees the flag.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::to_ms;
use zhiban_vocabulary::command::CommandKind;
use zhiban_vocabulary::{DeviceId, topics};

use super::packet::Qos;
use crate::devices;

/// Topics one device may keep a message on.
const TOPICS_PER_DEVICE: i64 = 400;
/// Bytes all of them may take.
const BYTES_PER_DEVICE: i64 = 2 << 20;

/// A retained message as it came.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    /// `None` for messages of the hall itself.
    pub(super) device: Option<DeviceId>,
    pub(super) topic: String,
    /// Empty: the topic is cleared.
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
}

/// A retained message as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: Qos,
}

/// Keeps each message, or clears its topic; `false` where the device has no room left. `None` for
/// one that was refused, which changes nothing.
pub(super) fn apply(
    connection: &Connection,
    keeps: &[Option<Keep>],
    now: Timestamp,
) -> Result<Vec<bool>> {
    keeps
        .iter()
        .map(|keep| {
            let Some(keep) = keep else { return Ok(true) };
            if belongs_to_another(connection, keep)? {
                return Ok(false);
            }
            if keep.payload.is_empty() {
                clear(connection, &keep.topic)?;
            } else if !has_room(connection, keep)? {
                return Ok(false);
            } else {
                put(connection, keep, now)?;
            }
            Ok(true)
        })
        .collect()
}

/// Discovery topics are shared by all devices: the first that uses one has it while it is in use.
fn belongs_to_another(connection: &Connection, keep: &Keep) -> Result<bool> {
    let Some(device) = &keep.device else {
        return Ok(false);
    };
    let sql = "select device from broker_retained
         where topic = ?1 and device is not null and device <> ?2";
    let owner: Option<String> = connection
        .prepare_cached(sql)?
        .query_row([&keep.topic, device.as_str()], |row| row.get(0))
        .optional()?;
    owner.map_or(Ok(false), |owner| devices::is_active(connection, &owner))
}

fn clear(connection: &Connection, topic: &str) -> Result<()> {
    let sql = "delete from broker_retained where topic = ?1";
    connection.prepare_cached(sql)?.execute([topic])?;
    Ok(())
}

fn has_room(connection: &Connection, keep: &Keep) -> Result<bool> {
    let Some(device) = &keep.device else {
        return Ok(true);
    };
    let sql = "select count(*), coalesce(sum(length(payload)), 0) from broker_retained
         where device = ?1 and topic <> ?2";
    let (topics, bytes): (i64, i64) = connection
        .prepare_cached(sql)?
        .query_row(params![device.as_str(), keep.topic], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let size = i64::try_from(keep.payload.len()).unwrap_or(i64::MAX);
    Ok(topics < TOPICS_PER_DEVICE && bytes.saturating_add(size) <= BYTES_PER_DEVICE)
}

fn put(connection: &Connection, keep: &Keep, now: Timestamp) -> Result<()> {
    let sql = "insert into broker_retained (topic, device, payload, qos, stored_ms)
         values (?1, ?2, ?3, ?4, ?5)
         on conflict (topic) do update set
             payload = excluded.payload, qos = excluded.qos, stored_ms = excluded.stored_ms,
             -- one that is retired gives way; the hall's own stay the hall's
             device = iif(device is null, null, coalesce(excluded.device, device))";
    connection.prepare_cached(sql)?.execute(params![
        keep.topic,
        keep.device.as_ref().map(DeviceId::as_str),
        &keep.payload[..],
        keep.qos as i64,
        to_ms(now),
    ])?;
    Ok(())
}

/// All messages kept on topics that begin with `prefix`, oldest first: a screen that comes back
/// ends on the newest call. Of one moment, the shorter number is the older command.
pub(super) fn below(connection: &Connection, prefix: &str) -> Result<Vec<Kept>> {
    // '0' follows '/', with which every prefix ends.
    let sql = "select topic, payload, qos from broker_retained
         where topic >= ?1 and topic < ?2 order by stored_ms, length(topic), topic";
    let end = format!("{}0", prefix.trim_end_matches('/'));
    connection
        .prepare_cached(sql)?
        .query_map([prefix, &end], read)?
        .collect()
}

/// What a device keeps in other forms than ours.
pub(super) fn foreign(connection: &Connection, device: &DeviceId) -> Result<Vec<Kept>> {
    let sql = "select topic, payload, qos from broker_retained
         where device = ?1 and not (topic >= 'te/' and topic < 'te0') order by topic";
    connection
        .prepare_cached(sql)?
        .query_map([device.as_str()], read)?
        .collect()
}

pub(super) fn is_kept(connection: &Connection, topic: &str) -> Result<bool> {
    let sql = "select exists (select 1 from broker_retained where topic = ?1)";
    connection
        .prepare_cached(sql)?
        .query_row([topic], |row| row.get(0))
}

/// Commands a device says it understands: it keeps a message on `cmd/<type>`.
pub(crate) fn commands_of(connection: &Connection, device: &str) -> Result<Vec<CommandKind>> {
    let mut kinds = Vec::new();
    let Ok(device) = device.parse() else {
        return Ok(kinds);
    };
    for kind in CommandKind::ALL {
        if is_kept(connection, &topics::command_type(&device, kind))? {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

fn read(row: &Row<'_>) -> Result<Kept> {
    let qos = match row.get(2)? {
        0_i64 => Qos::AtMostOnce,
        _ => Qos::AtLeastOnce,
    };
    Ok(Kept {
        topic: row.get(0)?,
        payload: row.get(1)?,
        qos,
    })
}
