//! The audit log: who did what, from where, chained by hashes so that a change shows.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::clock::{from_ms, to_ms};
use crate::sql::{Result, Sql};
use crate::{Clock, values};

/// One line of the log.
#[derive(Debug, Clone)]
pub struct Audit {
    pub id: i64,
    pub at: Timestamp,
    pub who: String,
    pub address: String,
    pub action: String,
    pub detail: String,
}

/// Appends a line; call it in the transaction of the act itself.
///
/// # Errors
/// When the database refuses; the act is then refused too.
pub fn note(sql: &dyn Sql, who: &str, address: &str, action: &str, detail: &str) -> Result<()> {
    // Each line follows from the one before: one at a time.
    sql.lock("people_audit")?;
    let last = "select id, hash from people_audit order by id desc limit 1";
    let read = |row: &dyn crate::sql::Row| Ok((row.get::<i64>(0)?, row.get::<Vec<u8>>(1)?));
    let last = sql.optional(last, &[], read)?;
    let (id, before) = last.map_or((1, Vec::new()), |(id, hash)| (id + 1, hash));
    let at_ms = to_ms(Clock::real_now());
    let hash = chain(&before, id, at_ms, [who, address, action, detail]);
    sql.execute(
        "insert into people_audit (id, at_ms, who, address, action, detail, hash)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![id, at_ms, who, address, action, detail, hash],
    )?;
    Ok(())
}

/// Lines older than `before`, newest first.
pub(super) fn page(sql: &dyn Sql, before: i64, limit: u32) -> Result<Vec<Audit>> {
    sql.all(
        "select id, at_ms, who, address, action, detail from people_audit
         where id < ?1 order by id desc limit ?2",
        values![before, limit],
        |row| {
            Ok(Audit {
                id: row.get(0)?,
                at: from_ms(row.get(1)?),
                who: row.get(2)?,
                address: row.get(3)?,
                action: row.get(4)?,
                detail: row.get(5)?,
            })
        },
    )
}

fn chain(before: &[u8], id: i64, at_ms: i64, texts: [&str; 4]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(id.to_be_bytes());
    hasher.update(at_ms.to_be_bytes());
    for text in texts {
        // The length keeps "ab" + "c" apart from "a" + "bc".
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().to_vec()
}

/// The first line that does not follow from the one before it; `None` when all do.
///
/// # Errors
/// When the database cannot be read.
pub fn first_broken_link(sql: &dyn Sql) -> Result<Option<i64>> {
    let (mut before, mut expected_id) = (Vec::new(), 1);
    let mut broken = None;
    let all = "select id, at_ms, who, address, action, detail, hash from people_audit order by id";
    sql.each(all, &[], &mut |row| {
        if broken.is_some() {
            return Ok(());
        }
        let id: i64 = row.get(0)?;
        let texts = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        let hash = chain(&before, id, row.get(1)?, texts);
        if id != expected_id || hash != row.get::<&[u8]>(6)? {
            broken = Some(id);
        }
        (before, expected_id) = (hash, id + 1);
        Ok(())
    })?;
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_changed_or_missing_line_shows_and_cannot_be_made_by_the_program() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::migrations::migrations::runner()
            .run(&mut connection)
            .unwrap();
        for n in 0..5 {
            note(&connection, "1001", "127.0.0.1", "test", &n.to_string()).unwrap();
        }
        assert_eq!(first_broken_link(&connection).unwrap(), None);
        assert!(
            connection
                .execute("delete from people_audit where id = 3", [])
                .is_err()
        );
        assert!(
            connection
                .execute("update people_audit set who = 'x'", [])
                .is_err()
        );
        connection
            .execute_batch("drop trigger people_audit_is_not_changed")
            .unwrap();
        connection
            .execute("update people_audit set who = 'x' where id = 3", [])
            .unwrap();
        assert_eq!(first_broken_link(&connection).unwrap(), Some(3));
    }
}
