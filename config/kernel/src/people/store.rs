//! All SQL of accounts and sessions.

use jiff::Timestamp;
use zhiban_vocabulary::roles::Role;

use super::model::Account;
use crate::clock::{from_ms, to_ms};
use crate::sql::{Result, Row, Sql, damaged};
use crate::values;

const ACCOUNT: &str = "select staff, name, roles, password_hash, must_change_password, active, last_seen_ms from people_account";

pub(super) fn is_empty(sql: &dyn Sql) -> Result<bool> {
    let any = "select exists (select 1 from people_account)";
    Ok(!sql.one(any, &[], |row| row.get::<bool>(0))?)
}

pub(super) fn account(sql: &dyn Sql, staff: &str) -> Result<Option<Account>> {
    let query = format!("{ACCOUNT} where staff = ?1");
    sql.optional(&query, values![staff], read_account)
}

pub(super) fn accounts(sql: &dyn Sql) -> Result<Vec<Account>> {
    sql.all(&format!("{ACCOUNT} order by staff"), &[], read_account)
}

fn read_account(row: &dyn Row) -> Result<Account> {
    let staff: &str = row.get(0)?;
    Ok(Account {
        staff: staff.parse().map_err(|error| damaged(0, error))?,
        name: row.get(1)?,
        roles: roles_of(row.get(2)?),
        password_hash: row.get(3)?,
        must_change_password: row.get(4)?,
        active: row.get(5)?,
        last_seen: row.get::<Option<i64>>(6)?.map(from_ms),
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
pub(super) fn save_account(sql: &dyn Sql, account: &Account, now: Timestamp) -> Result<()> {
    sql.execute(
        "insert into people_account
             (staff, name, roles, password_hash, must_change_password, active, created_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (staff) do update set
             name = excluded.name, roles = excluded.roles,
             password_hash = excluded.password_hash,
             must_change_password = excluded.must_change_password, active = excluded.active",
        values![
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
    sql: &dyn Sql,
    token_hash: &[u8],
    staff: &str,
    now: Timestamp,
) -> Result<()> {
    sql.execute(
        "insert into people_session (token_hash, staff, created_ms, seen_ms) values (?1, ?2, ?3, ?3)",
        values![token_hash, staff, to_ms(now)],
    )?;
    sql.execute(
        "update people_account set last_seen_ms = ?2 where staff = ?1",
        values![staff, to_ms(now)],
    )?;
    Ok(())
}

pub(super) fn session(sql: &dyn Sql, token_hash: &[u8]) -> Result<Option<Session>> {
    let query = "select staff, created_ms, seen_ms from people_session where token_hash = ?1";
    sql.optional(query, values![token_hash], |row| {
        Ok(Session {
            staff: row.get(0)?,
            created: from_ms(row.get(1)?),
            seen: from_ms(row.get(2)?),
        })
    })
}

pub(super) fn touch_session(sql: &dyn Sql, token_hash: &[u8], now: Timestamp) -> Result<()> {
    sql.execute(
        "update people_session set seen_ms = ?2 where token_hash = ?1",
        values![token_hash, to_ms(now)],
    )?;
    Ok(())
}

pub(super) fn end_session(sql: &dyn Sql, token_hash: &[u8]) -> Result<()> {
    sql.execute(
        "delete from people_session where token_hash = ?1",
        values![token_hash],
    )?;
    Ok(())
}

/// Ends all sessions of a person, such as after a change of password or rights.
pub(super) fn end_sessions(sql: &dyn Sql, staff: &str) -> Result<()> {
    sql.execute(
        "delete from people_session where staff = ?1",
        values![staff],
    )?;
    Ok(())
}

pub(super) fn end_sessions_before(sql: &dyn Sql, created: Timestamp) -> Result<()> {
    let old = "delete from people_session where created_ms < ?1";
    sql.execute(old, values![to_ms(created)])?;
    Ok(())
}
