//! All SQL of the commands.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::{Command, CommandKind, CommandStatus, Display, Failure};

use super::HALL;

/// Commands looked at in one go.
const OPEN_MAX: u32 = 500;
/// Commands deleted in one go.
const PRUNED_MAX: u32 = 1_000;

/// One command as it stands.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) id: i64,
    pub(super) device: DeviceId,
    pub(super) command: Command,
    pub(super) state: String,
    /// Why it failed, in words of whoever says so.
    pub(super) reason: Option<String>,
    pub(super) failure: Option<Failure>,
    pub(super) asked_by: String,
    pub(super) asked: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) attempts: u32,
}

const ASKED: &str = "select id, device, body, state, reason, asked_by, asked_ms, expires_ms,
        ended_ms, attempts, failure from commands_command";

fn read(row: &Row<'_>) -> Result<Option<Asked>> {
    let device = row.get::<_, String>(1)?.parse();
    let command = serde_json::from_str(&row.get::<_, String>(2)?);
    let (Ok(device), Ok(command)) = (device, command) else {
        return Ok(None);
    };
    Ok(Some(Asked {
        id: row.get(0)?,
        device,
        command,
        state: row.get(3)?,
        reason: row.get(4)?,
        asked_by: row.get(5)?,
        asked: from_ms(row.get(6)?),
        expires: from_ms(row.get(7)?),
        ended: row.get::<_, Option<i64>>(8)?.map(from_ms),
        attempts: row.get(9)?,
        failure: row
            .get::<_, Option<String>>(10)?
            .and_then(|text| Failure::ALL.into_iter().find(|each| each.as_str() == text)),
    }))
}

pub(super) fn insert(
    connection: &Connection,
    device: &DeviceId,
    command: &Command,
    asked_by: &str,
    now: Timestamp,
    expires: Timestamp,
) -> Result<i64> {
    let body = serde_json::to_string(command).unwrap_or_default();
    connection
        .prepare_cached(
            "insert into commands_command (device, kind, body, asked_by, asked_ms, expires_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert(params![
            device.as_str(),
            command.kind().as_str(),
            body,
            asked_by,
            to_ms(now),
            to_ms(expires),
        ])
}

/// What has not ended yet, oldest first.
pub(super) fn open(connection: &Connection) -> Result<Vec<Asked>> {
    let sql = format!("{ASKED} where ended_ms is null order by id limit {OPEN_MAX}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// Whether the device was told to show something newer than command `id`, and did not refuse.
pub(super) fn is_outdated(connection: &Connection, device: &str, id: i64) -> Result<bool> {
    let sql = "select exists (select 1 from commands_command where device = ?1 and id > ?2
             and kind = ?3 and attempts > 0 and state <> 'failed')";
    connection
        .prepare_cached(sql)?
        .query_row(params![device, id, CommandKind::Display.as_str()], |row| {
            row.get(0)
        })
}

/// Whether the hall waits for devices it told to switch.
pub(super) fn waits_for_switching(connection: &Connection) -> Result<bool> {
    let sql = "select exists (select 1 from commands_command
         where ended_ms is null and kind = ?1 and asked_by = ?2)";
    connection
        .prepare_cached(sql)?
        .query_row([CommandKind::Power.as_str(), HALL], |row| row.get(0))
}

/// Whether command `id` switches on; `None` where it is not the hall's own switching.
pub(super) fn switches_on(connection: &Connection, id: i64) -> Result<Option<bool>> {
    let sql = "select body ->> 'on' from commands_command
         where id = ?1 and kind = ?2 and asked_by = ?3";
    connection
        .prepare_cached(sql)?
        .query_row(params![id, CommandKind::Power.as_str(), HALL], |row| {
            row.get(0)
        })
        .optional()
}

/// Whether a device was told to be off, and nothing since.
pub(super) fn is_told_off(connection: &Connection, device: &DeviceId) -> Result<bool> {
    let sql = "select not (body ->> 'on') from commands_command
         where device = ?1 and kind = ?2 order by id desc limit 1";
    let is_off = connection
        .prepare_cached(sql)?
        .query_row([device.as_str(), CommandKind::Power.as_str()], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(is_off.unwrap_or(false))
}

/// What a device was last told to show, and what became of it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub id: i64,
    pub display: Display,
    pub asked: Timestamp,
    /// `None` while it is under way.
    pub ended: Option<Timestamp>,
    pub has_failed: bool,
    /// It failed because the device was not there, as far as is known: not by its own answer.
    pub was_missed: bool,
}

/// # Errors
/// When the database cannot be read.
pub fn last_shown(connection: &Connection, device: &DeviceId) -> Result<Option<Shown>> {
    let sql = format!("{ASKED} where device = ?1 and kind = ?2 order by id desc limit 1");
    let last = connection
        .prepare_cached(&sql)?
        .query_row([device.as_str(), CommandKind::Display.as_str()], read)
        .optional()?;
    let shown = |asked: Asked| match asked.command {
        Command::Display(display) => Some(Shown {
            id: asked.id,
            display,
            asked: asked.asked,
            ended: asked.ended,
            has_failed: asked.state == CommandStatus::Failed.as_str(),
            was_missed: matches!(
                asked.failure,
                Some(Failure::Expired | Failure::Unanswered | Failure::Overtaken)
            ),
        }),
        Command::Power { .. } | Command::Restart {} => None,
    };
    Ok(last.flatten().and_then(shown))
}

/// What a device was last told to show, whatever became of it.
///
/// # Errors
/// When the database cannot be read.
pub fn last_display(connection: &Connection, device: &DeviceId) -> Result<Option<Display>> {
    Ok(last_shown(connection, device)?.map(|shown| shown.display))
}

/// The newest commands to a device, newest first.
pub(super) fn of_device(connection: &Connection, device: &str, limit: u32) -> Result<Vec<Asked>> {
    let sql = format!("{ASKED} where device = ?1 order by id desc limit ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![device, limit], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// What has ended and still lies on its topic.
pub(super) fn to_take_away(connection: &Connection) -> Result<Vec<Asked>> {
    let sql = format!("{ASKED} where on_topic and ended_ms is not null limit {OPEN_MAX}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// Deletes what ended before `before`; looks at the oldest commands only, so that it is quick.
pub(super) fn prune(connection: &Connection, before: Timestamp) -> Result<usize> {
    let sql = "delete from commands_command
         where id < (select min(id) from commands_command) + ?2
             and ended_ms < ?1 and not on_topic";
    connection
        .prepare_cached(sql)?
        .execute(params![to_ms(before), PRUNED_MAX])
}

/// Deletes the oldest that have ended, at most `limit`; not the last, by which new ones are numbered.
///
/// # Errors
/// When the database refuses.
pub fn prune_ended(connection: &Connection, limit: u32) -> Result<usize> {
    let sql = "delete from commands_command where id in (
             select id from commands_command
             where ended_ms is not null and not on_topic
                 and id < (select max(id) from commands_command)
             order by id limit ?1)";
    connection.prepare_cached(sql)?.execute([limit])
}

/// Notes that its topic is empty again.
pub(super) fn note_taken_away(connection: &Connection, id: i64) -> Result<()> {
    let sql = "update commands_command set on_topic = false where id = ?1";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// Notes that a command is handed over once more, by its topic or to a driver.
pub(super) fn count_attempt(connection: &Connection, id: i64, by_topic: bool) -> Result<()> {
    let sql = "update commands_command set attempts = attempts + 1, on_topic = on_topic or ?2
         where id = ?1";
    connection.prepare_cached(sql)?.execute((id, by_topic))?;
    Ok(())
}

/// How far a device has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress<'p> {
    pub(super) status: CommandStatus,
    pub(super) failure: Option<Failure>,
    pub(super) reason: Option<&'p str>,
}

/// Notes how far a device has come. What has ended stays ended. Gives whether anything changed.
pub(super) fn note(
    connection: &Connection,
    id: i64,
    device: &DeviceId,
    progress: Progress<'_>,
    now: Timestamp,
) -> Result<bool> {
    let status = progress.status;
    let has_ended = matches!(status, CommandStatus::Successful | CommandStatus::Failed);
    let changed = connection
        .prepare_cached(
            "update commands_command set state = ?3, reason = ?4, ended_ms = ?5, failure = ?6
             where id = ?1 and device = ?2 and ended_ms is null",
        )?
        .execute(params![
            id,
            device.as_str(),
            status.as_str(),
            progress.reason,
            has_ended.then(|| to_ms(now)),
            progress.failure.map(Failure::as_str),
        ])?;
    Ok(changed > 0)
}
