//! Tells the centre of alarms of devices, in the live lane: they overtake whatever waits.

use rusqlite::Connection;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::device::DeviceAlarm;
use zhiban_vocabulary::envelope::{AlarmNote, Item, Lane};
use zhiban_vocabulary::report::Observation;

use super::outbox;
use crate::journal::{Entry, Follower};

/// Follower `federation`.
#[derive(Debug)]
pub struct AlarmsFollower;

impl Follower for AlarmsFollower {
    const NAME: &'static str = "federation";

    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            if let Observation::Alarm(alarm) = &entry.observation
                && is_news(connection, &entry.device, alarm)?
            {
                let note = AlarmNote {
                    device: entry.device.clone(),
                    at: entry.received,
                    alarm: alarm.clone(),
                };
                outbox::put(connection, Lane::Live, &Item::Alarm(note), entry.received)?;
            }
        }
        Ok(())
    }
}

/// Notes what is said of an alarm; false when the same was said before.
fn is_news(
    connection: &Connection,
    device: &DeviceId,
    alarm: &DeviceAlarm,
) -> rusqlite::Result<bool> {
    let sql = "insert into federation_alarm values (?1, ?2, ?3, ?4)
         on conflict (device, alarm) do update set
             severity = excluded.severity, text = excluded.text
         where severity <> excluded.severity or text <> excluded.text";
    let text = alarm.text.as_deref().unwrap_or_default();
    let rows = connection.prepare_cached(sql)?.execute((
        device.as_str(),
        &alarm.alarm,
        alarm.severity.as_str(),
        text,
    ))?;
    Ok(rows > 0)
}

/// Whether the device said something of this alarm after `note`.
pub(super) fn said_since(connection: &Connection, note: &AlarmNote) -> rusqlite::Result<bool> {
    let sql = "select exists (select 1 from federation_outbox
         where lane = 'live' and json_valid(body) and body ->> '$.item' = 'alarm'
           and body ->> '$.device' = ?1 and body ->> '$.alarm' = ?2 and body ->> '$.at' > ?3)";
    let at = note.at.to_string();
    connection
        .prepare_cached(sql)?
        .query_row((note.device.as_str(), &note.alarm.alarm, at), |row| {
            row.get(0)
        })
}
