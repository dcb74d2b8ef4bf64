//! All SQL of trust.

use jiff::Timestamp;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::sql::{Result, Row, Sql};
use zhiban_kernel::values;
use zhiban_sync::seal::PublicKey;
use zhiban_vocabulary::StoreId;

use super::ledger::Row as Kept;
use super::members::Digest;
use super::model::{Certificate, Code};

/// Certificates of one hall that are shown.
const SHOWN: u32 = 20;

/// Keeps a new code; the one before it counts no longer.
pub(super) fn save_code(
    tx: &dyn Sql,
    store: &StoreId,
    hash: &[u8; 32],
    by: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    tx.execute(
        "insert into trust_code (store, secret_hash, made_ms, made_by, until_ms)
         values (?1, ?2, ?3, ?4, ?5)
         on conflict (store) do update set
             secret_hash = excluded.secret_hash, made_ms = excluded.made_ms,
             made_by = excluded.made_by, until_ms = excluded.until_ms,
             used_ms = null, used_key = null",
        values![store.as_str(), hash[..], to_ms(now), by, to_ms(until)],
    )?;
    Ok(())
}

/// The code of a hall, used or not.
pub(super) fn code(sql: &dyn Sql, store: &StoreId) -> Result<Option<Code>> {
    sql.optional(
        "select secret_hash, until_ms, used_ms, used_key from trust_code where store = ?1",
        values![store.as_str()],
        |row| {
            Ok(Code {
                secret_hash: row.get(0)?,
                until: from_ms(row.get(1)?),
                used: time(row, 2)?,
                used_key: row.get(3)?,
            })
        },
    )
}

fn time(row: &dyn Row, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<Option<i64>>(column)?.map(from_ms))
}

/// Keeps others from changing who speaks for a store until the transaction ends.
pub(super) fn lock(tx: &dyn Sql, store: &StoreId) -> Result<()> {
    tx.lock(&format!("trust {store}"))
}

/// Forgets the code of a store, used or not.
pub(super) fn void_code(tx: &dyn Sql, store: &StoreId) -> Result<()> {
    tx.execute(
        "delete from trust_code where store = ?1",
        values![store.as_str()],
    )?;
    Ok(())
}

/// Whether a certificate counts, by the database.
pub(super) fn counts(sql: &dyn Sql, digest: &Digest, now: Timestamp) -> Result<bool> {
    sql.one(
        "select exists (select 1 from trust_certificate
             where digest = ?1 and revoked_ms is null and until_ms > ?2)",
        values![digest[..], to_ms(now)],
        |row| row.get(0),
    )
}

/// Takes a code back; false when there was none to take.
pub(super) fn drop_code(tx: &dyn Sql, store: &StoreId) -> Result<bool> {
    let sql = "delete from trust_code where store = ?1 and used_ms is null";
    Ok(tx.execute(sql, values![store.as_str()])? > 0)
}

pub(super) fn use_code(tx: &dyn Sql, store: &StoreId, key: &[u8], now: Timestamp) -> Result<()> {
    let sql = "update trust_code set used_ms = ?3, used_key = ?2 where store = ?1";
    tx.execute(sql, values![store.as_str(), key, to_ms(now)])?;
    Ok(())
}

/// Keeps a certificate that is about to be handed over.
pub(super) fn save_certificate(
    tx: &dyn Sql,
    digest: &Digest,
    store: &StoreId,
    key: &PublicKey,
    until: Timestamp,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "insert into trust_certificate (digest, store, public_key, issued_ms, until_ms, changed_ms)
         values (?1, ?2, ?3, ?4, ?5, ?4)",
        values![
            digest[..],
            store.as_str(),
            key[..],
            to_ms(now),
            to_ms(until)
        ],
    )?;
    Ok(())
}

/// Ends what was given to a store under another key than `key` and never used: the hall has lost
/// that key.
pub(super) fn end_unused(tx: &dyn Sql, store: &StoreId, key: &[u8], now: Timestamp) -> Result<()> {
    let sql = "update trust_certificate set until_ms = ?3, changed_ms = ?3
         where store = ?1 and public_key <> ?2 and used_ms is null and until_ms > ?3";
    tx.execute(sql, values![store.as_str(), key, to_ms(now)])?;
    Ok(())
}

/// Notes that a hall came with a certificate. At the first time the key it used before ends at
/// `end`, and all others now; does nothing later.
pub(super) fn use_certificate(
    tx: &dyn Sql,
    digest: &Digest,
    store: &StoreId,
    end: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let sql = "update trust_certificate set used_ms = ?2, changed_ms = ?2
         where digest = ?1 and used_ms is null";
    if tx.execute(sql, values![digest[..], to_ms(now)])? == 0 {
        return Ok(());
    }
    let key = "select public_key from trust_certificate where digest = ?1";
    let key: Vec<u8> = tx.one(key, values![digest[..]], |row| row.get(0))?;
    let before = "select public_key from trust_certificate
         where store = ?1 and public_key <> ?2 and used_ms is not null
             and revoked_ms is null and until_ms > ?3
         order by used_ms desc, issued_ms desc limit 1";
    let before: Option<Vec<u8>> = tx.optional(
        before,
        values![store.as_str(), key[..], to_ms(now)],
        |row| row.get(0),
    )?;
    let before = before.unwrap_or_else(|| key.clone());
    let others = "update trust_certificate set until_ms = ?4, changed_ms = ?4
         where store = ?1 and public_key <> ?2 and public_key <> ?3 and until_ms > ?4";
    tx.execute(
        others,
        values![store.as_str(), key[..], before[..], to_ms(now)],
    )?;
    let former = "update trust_certificate set until_ms = ?4, changed_ms = ?5
         where store = ?1 and public_key <> ?2 and public_key = ?3 and until_ms > ?4";
    let (end, now) = (to_ms(end), to_ms(now));
    tx.execute(
        former,
        values![store.as_str(), key[..], before[..], end, now],
    )?;
    Ok(())
}

/// Keeps a certificate as it is told, whatever was known of it.
pub(super) fn put(tx: &dyn Sql, row: &Kept, now: Timestamp) -> Result<()> {
    tx.execute(
        "insert into trust_certificate (digest, store, public_key, issued_ms, until_ms, used_ms,
             revoked_ms, revoked_by, reason, changed_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         on conflict (digest) do update set
             until_ms = excluded.until_ms, used_ms = excluded.used_ms,
             revoked_ms = excluded.revoked_ms, revoked_by = excluded.revoked_by,
             reason = excluded.reason, changed_ms = excluded.changed_ms",
        values![
            row.digest[..],
            row.store.as_str(),
            row.key[..],
            to_ms(row.issued),
            to_ms(row.until),
            row.used.map(to_ms),
            row.revoked.map(to_ms),
            row.revoked_by,
            row.reason,
            to_ms(now)
        ],
    )?;
    Ok(())
}

/// Shuts out all certificates of a store but those with the key `except`; gives how many.
pub(super) fn revoke(
    tx: &dyn Sql,
    store: &StoreId,
    except: Option<&[u8]>,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<u64> {
    let sql = "update trust_certificate
         set revoked_ms = ?3, revoked_by = ?4, reason = ?5, changed_ms = ?3
         where store = ?1 and public_key <> ?2 and revoked_ms is null and until_ms > ?3";
    let except = except.unwrap_or_default();
    tx.execute(sql, values![store.as_str(), except, to_ms(now), by, reason])
}

/// Certificates that changed since `since`.
pub(super) fn changed_since(sql: &dyn Sql, since: Timestamp) -> Result<Vec<Kept>> {
    let changed = "select digest, store, public_key, issued_ms, until_ms, used_ms, revoked_ms,
             revoked_by, reason
         from trust_certificate where changed_ms >= ?1";
    let mut rows = Vec::new();
    sql.each(changed, values![to_ms(since)], &mut |row| {
        let (digest, key): (&[u8], &[u8]) = (row.get(0)?, row.get(2)?);
        let store: &str = row.get(1)?;
        // Nobody but this slice writes here; a row of another form lets nobody in.
        let (Ok(digest), Ok(key), Ok(store)) = (digest.try_into(), key.try_into(), store.parse())
        else {
            return Ok(());
        };
        rows.push(Kept {
            digest,
            store,
            key,
            issued: from_ms(row.get(3)?),
            until: from_ms(row.get(4)?),
            used: time(row, 5)?,
            revoked: time(row, 6)?,
            revoked_by: row.get(7)?,
            reason: row.get(8)?,
        });
        Ok(())
    })?;
    Ok(rows)
}

/// Certificates of a store, newest first.
pub(super) fn certificates(sql: &dyn Sql, store: &StoreId) -> Result<Vec<Certificate>> {
    sql.all(
        "select digest, issued_ms, until_ms, revoked_ms, revoked_by, reason
         from trust_certificate where store = ?1 order by issued_ms desc limit ?2",
        values![store.as_str(), SHOWN],
        |row| {
            Ok(Certificate {
                digest: row.get(0)?,
                issued: from_ms(row.get(1)?),
                until: from_ms(row.get(2)?),
                revoked: time(row, 3)?,
                revoked_by: row.get(4)?,
                reason: row.get(5)?,
            })
        },
    )
}

/// A line of the list of halls.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) store: String,
    /// As the hall last said it.
    pub(super) profile: Option<String>,
    pub(super) last_seen: Option<Timestamp>,
    /// End of the last certificate that counts.
    pub(super) until: Option<Timestamp>,
    pub(super) revoked: Option<Timestamp>,
    pub(super) code_until: Option<Timestamp>,
    pub(super) has_certificates: bool,
}

/// All halls that have, had or may get a certificate, by id.
pub(super) fn lines(sql: &dyn Sql, now: Timestamp) -> Result<Vec<Line>> {
    sql.all(
        "select named.store, s.profile, s.last_seen_ms,
             (select max(until_ms) from trust_certificate c
              where c.store = named.store and revoked_ms is null and until_ms > ?1),
             (select max(revoked_ms) from trust_certificate c where c.store = named.store),
             (select until_ms from trust_code k
              where k.store = named.store and used_ms is null and until_ms > ?1),
             exists (select 1 from trust_certificate c where c.store = named.store)
         from (select store from trust_certificate union select store from trust_code
               union select store from stores_store) named
         left join stores_store s on s.store = named.store
         order by named.store",
        values![to_ms(now)],
        |row| {
            Ok(Line {
                store: row.get(0)?,
                profile: row.get(1)?,
                last_seen: time(row, 2)?,
                until: time(row, 3)?,
                revoked: time(row, 4)?,
                code_until: time(row, 5)?,
                has_certificates: row.get(6)?,
            })
        },
    )
}
