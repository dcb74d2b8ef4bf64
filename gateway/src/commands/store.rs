//! All SQL of the commands.

use jiff::Timestamp;
use rusqlite::{Connection, Result, Row, params};
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::{Command, CommandStatus, Failure};

/// Commands looked at in one go.
const OPEN_MAX: u32 = 500;

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

/// The newest commands to a device, newest first.
pub(super) fn of_device(connection: &Connection, device: &str, limit: u32) -> Result<Vec<Asked>> {
    let sql = format!("{ASKED} where device = ?1 order by id desc limit ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![device, limit], read)?;
    rows.filter_map(Result::transpose).collect()
}

/// Notes that a command was handed over once more.
pub(super) fn count_attempt(connection: &Connection, id: i64) -> Result<()> {
    let sql = "update commands_command set attempts = attempts + 1 where id = ?1";
    connection.prepare_cached(sql)?.execute([id])?;
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
