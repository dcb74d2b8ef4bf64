//! What a person settled in the panel: name and opening hours of the hall, and steps of the first day
//! that are as they should be. All SQL of it.
//!
//! Kept in the database and not written into `gateway.toml`: that file is root's, and the service is
//! locked out of `/etc`. The settings are audited, backed up with the rest, and later come from the
//! centre the same way.

use jiff::Timestamp;
use jiff::civil::Time;
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zhiban_config::GatewayConfig;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::masters::Content;

use crate::documents;

const HALL: &str = "hall";
const TESTED: &str = "alarm-tested";
const CONFIRMED: &str = "confirmed.";

/// Name and opening hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HallSettings {
    pub(super) name: String,
    /// `HH:MM:SS`, by the clock on the wall.
    #[schema(value_type = String)]
    pub(super) opens: Time,
    #[schema(value_type = String)]
    pub(super) closes: Time,
}

impl HallSettings {
    pub(super) fn of(config: &GatewayConfig) -> Self {
        Self {
            name: config.hall.name.clone(),
            opens: config.hall.opens,
            closes: config.hall.closes,
        }
    }

    /// As fields of the master data.
    pub(super) fn fields(&self) -> Content {
        let values = [
            ("name", self.name.clone()),
            ("opens", self.opens.to_string()),
            ("closes", self.closes.to_string()),
        ];
        let values = values.map(|(key, value)| (key.to_owned(), value.into()));
        values.into_iter().collect()
    }

    /// The field that is wrong, and what is expected; `None` when all is well.
    pub(super) fn problem(&self, config: &GatewayConfig) -> Option<(&'static str, String)> {
        const NAME_MAX: usize = 60;
        let day_closes = config.hall.day_closes;
        let switch_on = config.closing.switch_on;
        if !(1..=NAME_MAX).contains(&self.name.trim().chars().count()) {
            return Some(("name", format!("expected 1 to {NAME_MAX} characters")));
        }
        if self.opens >= self.closes {
            return Some(("closes", format!("expected later than {}", self.opens)));
        }
        if self.closes > day_closes {
            return Some((
                "closes",
                format!("expected not after {day_closes}, when the books close"),
            ));
        }
        let late = switch_on.filter(|on| *on > self.opens)?;
        Some((
            "opens",
            format!("expected not before {late}, when devices are switched on"),
        ))
    }
}

fn read(connection: &Connection, name: &str) -> Result<Option<(String, i64)>> {
    let sql = "select value, set_ms from upkeep_setting where name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional()
}

fn write(
    connection: &Connection,
    name: &str,
    value: &str,
    who: &str,
    now: Timestamp,
) -> Result<()> {
    let sql = "insert or replace into upkeep_setting values (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![name, value, to_ms(now), who])?;
    Ok(())
}

pub(super) fn hall(connection: &Connection) -> Result<Option<HallSettings>> {
    let found = read(connection, HALL)?;
    Ok(found.and_then(|(text, _)| serde_json::from_str(&text).ok()))
}

pub(super) fn set_hall(
    connection: &Connection,
    hall: &HallSettings,
    who: &str,
    now: Timestamp,
) -> Result<()> {
    let text = serde_json::to_string(hall).unwrap_or_default();
    write(connection, HALL, &text, who, now)
}

pub(super) fn alarm_tested(connection: &Connection) -> Result<Option<Timestamp>> {
    Ok(read(connection, TESTED)?.map(|(_, ms)| from_ms(ms)))
}

pub(super) fn note_alarm_tested(connection: &Connection, who: &str, now: Timestamp) -> Result<()> {
    write(connection, TESTED, "", who, now)
}

pub(super) fn confirmed(connection: &Connection) -> Result<Vec<String>> {
    let sql = "select name from upkeep_setting order by name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let step = |name: String| name.strip_prefix(CONFIRMED).map(str::to_owned);
    rows.filter_map(|name| name.map(step).transpose()).collect()
}

pub(super) fn confirm(
    connection: &Connection,
    step: &str,
    who: &str,
    now: Timestamp,
) -> Result<()> {
    write(connection, &format!("{CONFIRMED}{step}"), "", who, now)
}

/// What holds of name and hours: `gateway.toml`, above it the panel's draft, above that the master
/// data of the centre (P-01), field by field.
pub(super) fn in_force(
    connection: &Connection,
    config: &GatewayConfig,
) -> Result<Option<HallSettings>> {
    let draft = hall(connection)?;
    let Some(master) = documents::master(connection, &config.hall.store)? else {
        return Ok(draft);
    };
    let below = draft.unwrap_or_else(|| HallSettings::of(config));
    Ok(Some(HallSettings {
        name: master.name,
        opens: master.opens.unwrap_or(below.opens),
        closes: master.closes.unwrap_or(below.closes),
    }))
}

/// The configuration with what the centre and the panel settled above it. Settings the file no longer
/// allows are left out and said.
///
/// # Errors
/// When the database cannot be read.
pub fn settled(connection: &Connection, mut config: GatewayConfig) -> Result<GatewayConfig> {
    let Some(hall) = in_force(connection, &config)? else {
        return Ok(config);
    };
    if let Some((field, expected)) = hall.problem(&config) {
        tracing::warn!(
            field,
            expected,
            "a setting of the panel or the centre does not fit gateway.toml"
        );
        return Ok(config);
    }
    config.hall.name = hall.name;
    config.hall.opens = hall.opens;
    config.hall.closes = hall.closes;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_panel_counts_above_the_file_as_far_as_the_file_allows_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::journal::migrate(&mut connection).unwrap();
        let sample = include_str!("../../../config/samples/gateway.toml");
        let config = GatewayConfig::parse(Path::new("gateway.toml"), sample).unwrap();
        let at = |hour| jiff::civil::time(hour, 0, 0, 0);
        let mut hall = HallSettings {
            name: "中山路营业厅".into(),
            opens: at(9),
            closes: at(17),
        };
        let read = |hall: &HallSettings| {
            set_hall(&connection, hall, "1001", Timestamp::UNIX_EPOCH).unwrap();
            HallSettings::of(&settled(&connection, config.clone()).unwrap())
        };
        assert_eq!(
            HallSettings::of(&settled(&connection, config.clone()).unwrap()).name,
            "示范营业厅"
        );
        assert_eq!(read(&hall), hall);
        for (opens, closes, field) in [(18, 17, "closes"), (9, 24 - 1, ""), (7, 17, "opens")] {
            (hall.opens, hall.closes) = (at(opens), at(closes));
            let found = hall.problem(&config).map_or("", |(field, _)| field);
            assert_eq!(found, field, "{opens} {closes}");
        }
        assert_eq!(
            read(&hall).name,
            "示范营业厅",
            "what does not fit is left out"
        );
    }
}
