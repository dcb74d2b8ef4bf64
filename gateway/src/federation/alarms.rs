//! Tells the centre of alarms of devices, in the live lane: they overtake whatever waits.

use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::device::{DeviceAlarm, Severity};
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

/// Tells the centre that all alarms of a device are over: it was retired and clears none any more.
///
/// # Errors
/// When the database refuses.
pub fn end_alarms_of(
    connection: &Connection,
    device: &DeviceId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let standing = "select alarm from federation_alarm where device = ?1 and severity <> 'cleared'";
    let mut statement = connection.prepare_cached(standing)?;
    let alarms = statement.query_map([device.as_str()], |row| row.get(0))?;
    for alarm in alarms.collect::<rusqlite::Result<Vec<String>>>()? {
        let alarm = DeviceAlarm {
            alarm,
            severity: Severity::Cleared,
            text: None,
        };
        is_news(connection, device, &alarm)?;
        let note = AlarmNote {
            device: device.clone(),
            at: now,
            alarm,
        };
        outbox::put(connection, Lane::Live, &Item::Alarm(note), now)?;
    }
    Ok(())
}

/// An alarm that stands, as the hall told it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingAlarm {
    pub device: String,
    pub alarm: String,
    pub severity: String,
    pub text: String,
}

impl StandingAlarm {
    /// Its place in the order.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{} {}", self.device, self.alarm)
    }
}

/// Alarms of devices that stand, behind a [mark](StandingAlarm::mark), by device.
///
/// # Errors
/// When the database cannot be read.
pub fn standing_alarms(
    connection: &Connection,
    after: Option<&str>,
    limit: u32,
) -> rusqlite::Result<Vec<StandingAlarm>> {
    let (device, alarm) = after
        .and_then(|mark| mark.split_once(' '))
        .unwrap_or_default();
    let sql = "select device, alarm, severity, text from federation_alarm
         where severity <> 'cleared' and (device, alarm) > (?1, ?2)
         order by device, alarm limit ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((device, alarm, limit), |row| {
        Ok(StandingAlarm {
            device: row.get(0)?,
            alarm: row.get(1)?,
            severity: row.get(2)?,
            text: row.get(3)?,
        })
    })?;
    rows.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_retired_has_no_alarms_at_the_centre() {
        let connection = super::super::tests::database();
        let kiosk: DeviceId = "ks-1".parse().unwrap();
        let say = |device: &DeviceId, alarm: &str, severity| {
            let alarm = DeviceAlarm {
                alarm: alarm.into(),
                severity,
                text: None,
            };
            is_news(&connection, device, &alarm).unwrap()
        };
        say(&kiosk, "paper-out", Severity::Major);
        say(&kiosk, "door", Severity::Major);
        say(&kiosk, "door", Severity::Cleared);
        say(&"ks-2".parse().unwrap(), "paper-out", Severity::Major);
        for _ in 0..2 {
            end_alarms_of(&connection, &kiosk, Timestamp::UNIX_EPOCH).unwrap();
        }
        let sql = "select body ->> '$.device' || ' ' || (body ->> '$.alarm') || ' '
             || (body ->> '$.severity') from federation_outbox";
        let mut statement = connection.prepare(sql).unwrap();
        let told = statement.query_map([], |row| row.get(0)).unwrap();
        let told: Vec<String> = told.collect::<rusqlite::Result<_>>().unwrap();
        assert_eq!(told, ["ks-1 paper-out cleared"]);
        assert!(say(&kiosk, "paper-out", Severity::Major), "it is back");
    }
}
