//! All SQL of the alarms.

use std::collections::BTreeMap;

use jiff::Timestamp;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Result, Sql};
use zhiban_kernel::values;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::device::Severity;
use zhiban_vocabulary::envelope::AlarmNote;

/// An alarm that stands.
#[derive(Debug, Clone)]
pub struct Alarm {
    pub device: String,
    pub alarm: String,
    /// A word of [`Severity`].
    pub severity: String,
    pub text: Option<String>,
    /// When it was raised first, by the hall's clock.
    pub since: Timestamp,
}

/// Alarms of one hall that stand at once; a hall where more do needs no list.
const STANDING_MAX: u32 = 200;
const TEXT_CHARS_MAX: usize = 200;

/// Takes in what a hall says of one alarm. The lane keeps their order, so the last word holds.
///
/// # Errors
/// When the database refuses.
pub fn apply(tx: &dyn Sql, store: &StoreId, note: &AlarmNote) -> Result<()> {
    let (device, alarm) = (note.device.as_str(), &note.alarm);
    if alarm.severity == Severity::Cleared {
        let over = "delete from alarms_alarm where store = ?1 and device = ?2 and alarm = ?3";
        return tx.post(over, values![store.as_str(), device, alarm.alarm]);
    }
    let text = alarm.text.as_ref();
    let text = text.map(|text| text.chars().take(TEXT_CHARS_MAX).collect::<String>());
    tx.post(
        "insert into alarms_alarm select ?1, ?2, ?3, ?4, ?5, ?6
         where (select count(*) from alarms_alarm where store = ?1) < ?7
         on conflict (store, device, alarm) do update set
             severity = excluded.severity, text = excluded.text",
        values![
            store.as_str(),
            device,
            alarm.alarm,
            alarm.severity.as_str(),
            text,
            to_ms(note.at),
            STANDING_MAX,
        ],
    )
}

/// What stands in each hall, longest first.
///
/// # Errors
/// When the database refuses.
pub fn standing(sql: &dyn Sql) -> Result<BTreeMap<String, Vec<Alarm>>> {
    let query = "select store, device, alarm, severity, text, since_ms from alarms_alarm
         order by since_ms, device, alarm";
    let mut all = BTreeMap::<String, Vec<Alarm>>::new();
    sql.each(query, &[], &mut |row| {
        all.entry(row.get(0)?).or_default().push(Alarm {
            device: row.get(1)?,
            alarm: row.get(2)?,
            severity: row.get(3)?,
            text: row.get(4)?,
            since: from_ms(row.get(5)?),
        });
        Ok(())
    })?;
    Ok(all)
}
