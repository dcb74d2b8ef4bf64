//! All SQL of accounts and sessions.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_vocabulary::roles::Role;

use super::model::Account;
use crate::clock::{from_ms, to_ms};

const ACCOUNT: &str = "select staff, name, roles, password_hash, must_change_password, active, last_seen_ms from people_account";

pub(super) fn is_empty(connection: &Connection) -> Result<bool> {
    connection.query_row(
        "select not exists (select 1 from people_account)",
        [],
        |row| row.get(0),
    )
}

pub(super) fn account(connection: &Connection, staff: &str) -> Result<Option<Account>> {
    let sql = format!("{ACCOUNT} where staff = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([staff], read_account)
        .optional()
}

pub(super) fn accounts(connection: &Connection) -> Result<Vec<Account>> {
    let sql = format!("{ACCOUNT} order by staff");
    connection
        .prepare_cached(&sql)?
        .query_map([], read_account)?
        .collect()
}

fn read_account(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        staff: text_as(row, 0)?,
        name: row.get(1)?,
        roles: roles_of(&row.get::<_, String>(2)?),
        password_hash: row.get(3)?,
        must_change_password: row.get(4)?,
        active: row.get(5)?,
        last_seen: row.get::<_, Option<i64>>(6)?.map(from_ms),
    })
}

fn text_as<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?
        .parse()
        .map_err(|error: T::Err| {
            rusqlite::Error::FromSqlConversionFailure(
                column,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
}

/// A role this version does not know gives no right.
fn roles_of(json: &str) -> Vec<Role> {
    let names: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| Role::from_text(name))
        .collect()
}

fn roles_text(roles: &[Role]) -> String {
    serde_json::to_string(roles).unwrap_or_else(|_| "[]".into())
}

/// Adds an account or changes everything of one but its creation.
pub(super) fn save_account(
    connection: &Connection,
    account: &Account,
    now: Timestamp,
) -> Result<()> {
    connection.execute(
        "insert into people_account
             (staff, name, roles, password_hash, must_change_password, active, created_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (staff) do update set
             name = excluded.name, roles = excluded.roles,
             password_hash = excluded.password_hash,
             must_change_password = excluded.must_change_password, active = excluded.active",
        params![
            account.staff.as_str(),
            account.name,
            roles_text(&account.roles),
            account.password_hash,
            account.must_change_password,
            account.active,
            to_ms(now),
        ],
    )?;
    Ok(())
}

/// A session as kept.
pub(super) struct Session {
    pub(super) staff: String,
    pub(super) created: Timestamp,
    pub(super) seen: Timestamp,
}

pub(super) fn add_session(
    connection: &Connection,
    token_hash: &[u8],
    staff: &str,
    now: Timestamp,
) -> Result<()> {
    connection.execute(
        "insert into people_session (token_hash, staff, created_ms, seen_ms) values (?1, ?2, ?3, ?3)",
        params![token_hash, staff, to_ms(now)],
    )?;
    connection.execute(
        "update people_account set last_seen_ms = ?2 where staff = ?1",
        params![staff, to_ms(now)],
    )?;
    Ok(())
}

pub(super) fn session(connection: &Connection, token_hash: &[u8]) -> Result<Option<Session>> {
    let sql = "select staff, created_ms, seen_ms from people_session where token_hash = ?1";
    let read = |row: &Row<'_>| {
        Ok(Session {
            staff: row.get(0)?,
            created: from_ms(row.get(1)?),
            seen: from_ms(row.get(2)?),
        })
    };
    connection
        .prepare_cached(sql)?
        .query_row([token_hash], read)
        .optional()
}

pub(super) fn touch_session(
    connection: &Connection,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<()> {
    connection.execute(
        "update people_session set seen_ms = ?2 where token_hash = ?1",
        params![token_hash, to_ms(now)],
    )?;
    Ok(())
}

pub(super) fn end_session(connection: &Connection, token_hash: &[u8]) -> Result<()> {
    connection.execute(
        "delete from people_session where token_hash = ?1",
        [token_hash],
    )?;
    Ok(())
}

/// Ends all sessions of a person, such as after a change of password or rights.
pub(super) fn end_sessions(connection: &Connection, staff: &str) -> Result<()> {
    connection.execute("delete from people_session where staff = ?1", [staff])?;
    Ok(())
}

pub(super) fn end_sessions_before(connection: &Connection, created: Timestamp) -> Result<()> {
    let sql = "delete from people_session where created_ms < ?1";
    connection.execute(sql, [to_ms(created)])?;
    Ok(())
}
