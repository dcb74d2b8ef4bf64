//! All SQL of the requests to join.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};

use super::model::{Answer, Ask, new_code};

/// How long the answer may be asked for again, in case it was lost on the way; later a device must
/// ask anew.
const HEARD_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// A request nobody has decided about is forgotten by then, and a credential nobody has fetched.
const WAITS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    /// Its serial number is known: another device, or the same one with a new token.
    Clash,
    Approved,
    Refused,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Clash => "clash",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }

    fn from_text(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "clash" => Self::Clash,
            "approved" => Self::Approved,
            _ => Self::Refused,
        }
    }
}

/// One request to join.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) id: i64,
    pub(super) serial: String,
    /// JSON of what it said.
    pub(super) said: String,
    pub(super) address: String,
    pub(super) code: String,
    pub(super) wrong_codes: u32,
    pub(super) state: State,
    pub(super) device: Option<String>,
    pub(super) asked: Timestamp,
    pub(super) decided: Option<Timestamp>,
    pub(super) reason: Option<String>,
    /// When it fetched its credential for the first time.
    pub(super) collected: Option<Timestamp>,
    /// It was let in, but its model is one too many and waits for another decision (S0-2.5-3a).
    pub(super) waits_for_model: bool,
}

impl Claim {
    /// Whether a device that asks again is told this, or begins anew.
    pub(super) fn stands(&self, now: Timestamp) -> bool {
        let (since, time) = match (self.state, self.collected) {
            (State::Pending | State::Clash, _) => (Some(self.asked), WAITS_FOR),
            (State::Approved, None) => (self.decided, WAITS_FOR),
            (State::Approved, collected) => (collected, HEARD_WITHIN),
            (State::Refused, _) => (self.decided, HEARD_WITHIN),
        };
        since.is_some_and(|since| now.duration_since(since) < time)
    }

    pub(super) fn pending(&self) -> Answer {
        Answer::Pending {
            code: self.code.clone(),
        }
    }

    pub(super) fn answer(&self) -> Answer {
        match self.state {
            State::Pending | State::Clash => self.pending(),
            State::Approved | State::Refused => Answer::Refused {
                reason: self.reason.clone().unwrap_or_default(),
            },
        }
    }
}

const CLAIM: &str = "select id, serial, said, address, code, wrong_codes, state, device, asked_ms,
        decided_ms, reason, collected_ms,
        exists (select 1 from devices_device as known where known.device = joining_claim.device
            and known.state = 'suspended' and known.reason = 'third-model')
        from joining_claim";

fn read(row: &Row<'_>) -> Result<Claim> {
    Ok(Claim {
        id: row.get(0)?,
        serial: row.get(1)?,
        said: row.get(2)?,
        address: row.get(3)?,
        code: row.get(4)?,
        wrong_codes: row.get(5)?,
        state: State::from_text(&row.get::<_, String>(6)?),
        device: row.get(7)?,
        asked: from_ms(row.get(8)?),
        decided: row.get::<_, Option<i64>>(9)?.map(from_ms),
        reason: row.get(10)?,
        collected: row.get::<_, Option<i64>>(11)?.map(from_ms),
        waits_for_model: row.get(12)?,
    })
}

/// The last request of this device.
pub(super) fn latest(connection: &Connection, serial: &str, token: &[u8]) -> Result<Option<Claim>> {
    let sql = format!("{CLAIM} where serial = ?1 and token_hash = ?2 order by id desc limit 1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row(params![serial, token], read).optional()
}

/// Whether somebody else waits under this serial number.
pub(super) fn has_other(connection: &Connection, serial: &str, token: &[u8]) -> Result<bool> {
    let sql = "select exists (select 1 from joining_claim
         where serial = ?1 collate nocase and token_hash <> ?2 and state in ('pending', 'clash'))";
    connection
        .prepare_cached(sql)?
        .query_row(params![serial, token], |row| row.get(0))
}

/// Whether a request of this token stands.
pub(super) fn stands(connection: &Connection, token: &[u8], now: Timestamp) -> Result<bool> {
    let sql = format!("{CLAIM} where token_hash = ?1 order by id desc limit 1");
    let mut statement = connection.prepare_cached(&sql)?;
    let claim = statement.query_row([token], read).optional()?;
    Ok(claim.is_some_and(|claim| claim.stands(now)))
}

/// Refuses what nobody has decided about for too long.
pub(super) fn forget_old(connection: &Connection, now: Timestamp) -> Result<()> {
    let sql = "update joining_claim set state = 'refused', decided_ms = ?2, decided_by = 'hall',
             reason = 'nobody has decided about it'
         where state in ('pending', 'clash') and asked_ms < ?1";
    let oldest = to_ms(now - WAITS_FOR);
    connection
        .prepare_cached(sql)?
        .execute([oldest, to_ms(now)])?;
    Ok(())
}

/// Requests that wait for a person.
///
/// # Errors
/// When the database cannot be read.
pub fn count_waiting(connection: &Connection, now: Timestamp) -> Result<u32> {
    let sql = "select count(*) from joining_claim
         where state in ('pending', 'clash') and asked_ms >= ?1";
    connection
        .prepare_cached(sql)?
        .query_row([to_ms(now - WAITS_FOR)], |row| row.get(0))
}

/// The number of the last request; 0 before the first.
///
/// # Errors
/// When the database cannot be read.
pub fn last_request(connection: &Connection) -> Result<i64> {
    let sql = "select coalesce(max(id), 0) from joining_claim";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// Deletes requests that were refused, up to and including `up_to`; not the last, by which new ones
/// are numbered.
///
/// # Errors
/// When the database refuses.
pub fn prune_refused(connection: &Connection, up_to: i64) -> Result<usize> {
    let sql = "delete from joining_claim where id <= ?1 and state = 'refused'
         and id < (select max(id) from joining_claim)";
    connection.prepare_cached(sql)?.execute([up_to])
}

pub(super) fn pending(connection: &Connection) -> Result<usize> {
    let sql = "select count(*) from joining_claim where state in ('pending', 'clash')";
    let count: i64 = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn insert(
    connection: &Connection,
    ask: &Ask,
    token_hash: &[u8],
    address: IpAddr,
    state: State,
    now: Timestamp,
) -> Result<Claim> {
    let said = serde_json::to_string(ask).unwrap_or_default();
    let id = connection
        .prepare_cached(
            "insert into joining_claim (serial, token_hash, said, address, code, state, asked_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .insert(params![
            ask.serial,
            token_hash,
            said,
            address.to_string(),
            new_code(),
            state.as_str(),
            to_ms(now),
        ])?;
    let sql = format!("{CLAIM} where id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], read)
}

pub(super) fn note_collected(connection: &Connection, id: i64, now: Timestamp) -> Result<()> {
    let sql = "update joining_claim set collected_ms = coalesce(collected_ms, ?2) where id = ?1";
    connection.prepare_cached(sql)?.execute([id, to_ms(now)])?;
    Ok(())
}

/// Whoever was let in before under this id or serial number gets no credential any more.
pub(super) fn end_others(connection: &Connection, claim: &Claim, device: &str) -> Result<()> {
    let sql = "update joining_claim set state = 'refused', reason = 'another device took its place'
         where state = 'approved' and id <> ?1 and (device = ?2 or serial = ?3 collate nocase)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![claim.id, device, claim.serial])?;
    Ok(())
}

/// Requests that wait, oldest first.
pub(super) fn waiting(connection: &Connection, now: Timestamp) -> Result<Vec<Claim>> {
    let sql = format!("{CLAIM} where state in ('pending', 'clash') and asked_ms >= ?1 order by id");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([to_ms(now - WAITS_FOR)], read)?;
    rows.collect()
}

pub(super) fn find(connection: &Connection, id: i64) -> Result<Option<Claim>> {
    let sql = format!("{CLAIM} where id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([id], read).optional()
}

/// Wrong codes after which a request is refused.
pub(super) const WRONG_CODES_MAX: u32 = 5;

/// What a person decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision<'a> {
    pub(super) state: State,
    pub(super) device: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) who: &'a str,
}

pub(super) fn decide(
    connection: &Connection,
    id: i64,
    decision: Decision<'_>,
    now: Timestamp,
) -> std::result::Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "update joining_claim set state = ?2, device = ?3, reason = ?4, decided_by = ?5,
                 decided_ms = ?6
             where id = ?1 and state in ('pending', 'clash')",
        )?
        .execute(params![
            id,
            decision.state.as_str(),
            decision.device,
            decision.reason,
            decision.who,
            to_ms(now),
        ])?;
    match changed {
        0 => Err(StoreError::Refused(format!(
            "request {id} was decided meanwhile"
        ))),
        _ => Ok(()),
    }
}

/// What came of a code that a person typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    Right,
    /// How often more may be tried; with none left the request is refused.
    Wrong(u32),
    /// Nobody waits for it any more.
    Over,
}

/// Compares and counts in one step: those who try at once have no more tries than one alone.
pub(super) fn try_code(
    connection: &Connection,
    id: i64,
    typed: &str,
    now: Timestamp,
) -> std::result::Result<Tried, StoreError> {
    let waits = |claim: &Claim| matches!(claim.state, State::Pending | State::Clash);
    let Some(claim) = find(connection, id)?.filter(waits) else {
        return Ok(Tried::Over);
    };
    if typed == claim.code {
        return Ok(Tried::Right);
    }
    let sql = "update joining_claim set wrong_codes = wrong_codes + 1 where id = ?1";
    connection.prepare_cached(sql)?.execute([id])?;
    let left = WRONG_CODES_MAX.saturating_sub(claim.wrong_codes + 1);
    if left == 0 {
        let decision = Decision {
            state: State::Refused,
            device: None,
            reason: Some("wrong code, too often"),
            who: "hall",
        };
        decide(connection, id, decision, now)?;
    }
    Ok(Tried::Wrong(left))
}
