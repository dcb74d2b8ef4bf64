//! Which devices show what is said at a counter. All SQL of that question.

use rusqlite::{Connection, Result, params};
use zhiban_vocabulary::command::CommandKind;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::{CounterId, DeviceId};

/// The screens over a counter; without one those that stand at none, the boards of the whole hall.
///
/// # Errors
/// When the database cannot be read.
pub fn screens_at(connection: &Connection, counter: Option<&CounterId>) -> Result<Vec<DeviceId>> {
    let sql = "select device, driver from devices_device
         where counter is ?1 and kind in (?2, ?3) and state = 'active'
         order by device";
    let mut statement = connection.prepare_cached(sql)?;
    let (screen, board) = (
        DeviceKind::WindowScreen.as_str(),
        DeviceKind::LedBoard.as_str(),
    );
    let counter = counter.map(CounterId::as_str);
    let rows = statement.query_map(params![counter, screen, board], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let screens: Vec<(String, String)> = rows.collect::<Result<_>>()?;
    let showing = screens.iter().filter(|(_, driver)| can_show(driver));
    Ok(showing.filter_map(|(text, _)| text.parse().ok()).collect())
}

/// All screens that stand at a counter, with it.
///
/// # Errors
/// When the database cannot be read.
pub fn counter_screens(connection: &Connection) -> Result<Vec<(DeviceId, CounterId)>> {
    let sql = "select device, counter, driver from devices_device
         where counter is not null and kind in (?1, ?2) and state = 'active'
         order by device";
    let (screen, board) = (DeviceKind::WindowScreen, DeviceKind::LedBoard);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([screen.as_str(), board.as_str()], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let all: Vec<(String, String, String)> = rows.collect::<Result<_>>()?;
    let showing = all.iter().filter(|(.., driver)| can_show(driver));
    let parsed = showing
        .filter_map(|(screen, counter, _)| Some((screen.parse().ok()?, counter.parse().ok()?)));
    Ok(parsed.collect())
}

/// Some boards can only be switched. What comes in by MQTT says itself what it cannot.
fn can_show(driver: &str) -> bool {
    let accepts = zhiban_drivers::find(driver).map(|driver| driver.accepts);
    accepts.is_none_or(|accepts| accepts.contains(&CommandKind::Display))
}
