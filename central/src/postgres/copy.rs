//! Moves a centre from SQLite to PostgreSQL: copies every table, then holds both against each other.
//!
//! ```text
//!   empty --> copying --> done: the centre may run on it
//!                '-- broken off: the next run empties it and begins anew
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};
use zhiban_kernel::StoreError;
use zhiban_kernel::sql::{Bound, Cell, Result, Row, Sql};
use zhiban_kernel::values;

use super::link::{Link, Manner};
use super::migrate::{self, DISTRIBUTED};
use super::{Options, one_at_a_time};
use crate::facts;

/// Rows in one transaction.
const BATCH_ROWS: usize = 5_000;
/// Rows between two words of progress.
const TELL_ROWS: u64 = 100_000;

/// Tables that are not spread. Accounts come before their sessions.
const OTHERS: [&str; 11] = [
    "documents_document",
    "documents_place",
    "documents_proposal",
    "documents_version",
    "people_account",
    "people_session",
    "people_audit",
    "questions_question",
    "trust_certificate",
    "trust_code",
    "watch_probe",
];

/// A table that was copied and found the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub table: &'static str,
    pub sum: Sum,
}

/// What a table holds, whatever the order of its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: u64,
    /// Sum of 64 bits of each row's SHA-256.
    pub checksum: u64,
}

/// Copies the SQLite database `file`, which nobody may be writing to, into an empty one of
/// PostgreSQL. `tell` gets a line now and then. Blocks.
///
/// # Errors
/// When one of them cannot be used, the target is not empty, or both differ in the end.
pub fn copy(file: &Path, options: &Options, tell: &dyn Fn(&str)) -> Result<Vec<Copied>> {
    let source = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check_tables(&source)?;
    let target = Link::open(options, Manner::Write)?;
    migrate::migrate(&target)?;
    // Whole tables are read.
    target.script("set statement_timeout = 0")?;
    begin(&target)?;
    let mut copied = Vec::new();
    for table in tables() {
        copy_table(&source, &target, table, tell)?;
        tell(&format!("{table}: copied, now compared"));
        let columns = columns_of(&target, table)?;
        let (from, to) = (
            sum_of(&source, table, &columns)?,
            sum_of(&target, table, &columns)?,
        );
        if from != to {
            let text = format!("{table}: differs after the copy: {from:?} in SQLite, {to:?} here");
            return Err(StoreError::Database(text));
        }
        tell(&format!(
            "{table}: {} rows, checksum {:016x}",
            to.rows, to.checksum
        ));
        copied.push(Copied { table, sum: to });
    }
    one_at_a_time(&target, &|tx| {
        tx.each(
            "select setval(pg_get_serial_sequence('intake_dead_letter', 'id'),
                 (select coalesce(max(id), 0) + 1 from intake_dead_letter), false)",
            &[],
            &mut |_| Ok(()),
        )?;
        tx.execute("update central_copy set state = 'done'", &[])?;
        Ok(())
    })?;
    target.script("analyze")?;
    Ok(copied)
}

/// All tables, in the order of their copies.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    OTHERS.into_iter().chain(DISTRIBUTED)
}

/// A table nobody thought of would be lost.
fn check_tables(source: &Connection) -> Result<()> {
    let sql: &dyn Sql = source;
    let found = sql.all(
        "select name from sqlite_master where type = 'table'
             and name not like 'sqlite_%' and name not like '%_migrations'",
        &[],
        |row| row.get::<String>(0),
    )?;
    let known: BTreeSet<&str> = tables().collect();
    match found.iter().find(|table| !known.contains(table.as_str())) {
        Some(table) => Err(StoreError::Database(format!("table {table}: not known"))),
        None => Ok(()),
    }
}

/// Sees that the target is empty, or was left by a copy that broke off, and marks it.
fn begin(target: &Link) -> Result<()> {
    one_at_a_time(target, &|tx| {
        tx.lock("central_copy")?;
        let state = "select state from central_copy";
        match tx
            .optional(state, &[], |row| row.get::<String>(0))?
            .as_deref()
        {
            Some("copying") => {
                let all = tables().collect::<Vec<_>>().join(", ");
                let audit = "alter table people_audit";
                tx.execute(&format!("{audit} disable trigger people_audit_stays"), &[])?;
                tx.execute(&format!("truncate {all}"), &[])?;
                tx.execute(&format!("{audit} enable trigger people_audit_stays"), &[])?;
            }
            Some(_) => return Err(refused("was filled from SQLite already")),
            None => {
                for table in tables() {
                    let any = format!("select exists (select 1 from {table})");
                    if tx.one(&any, &[], |row| row.get(0))? {
                        return Err(refused(&format!("is not empty: {table} has rows")));
                    }
                }
                tx.execute("insert into central_copy values ('copying')", &[])?;
            }
        }
        Ok(())
    })
}

fn refused(why: &str) -> StoreError {
    StoreError::Refused(format!("the database of database.url {why}"))
}

/// A column of the target, with its type as PostgreSQL names it.
type Column = (String, String);

fn columns_of(target: &Link, table: &str) -> Result<Vec<Column>> {
    let sql: &dyn Sql = target;
    sql.all(
        "select column_name::text, data_type::text from information_schema.columns
         where table_schema = current_schema() and table_name = ?1 order by column_name::text",
        values![table],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn names(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

/// A value on its way.
#[derive(Debug)]
enum Moved {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Moved {
    fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Integer(number) => Self::Integer(number),
            Cell::Flag(flag) => Self::Integer(flag.into()),
            Cell::Text(text) => Self::Text(text.to_owned()),
            Cell::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }

    /// As a parameter for a column of this type.
    fn bound(&self, kind: &str) -> Bound<'_> {
        match (self, kind) {
            (Self::Integer(number), "boolean") => Bound::Flag(Some(*number != 0)),
            (Self::Integer(number), _) => Bound::Integer(Some(*number)),
            (Self::Text(text), _) => Bound::Text(Some(text)),
            (Self::Bytes(bytes), _) => Bound::Bytes(Some(bytes)),
            (Self::Null, "boolean") => Bound::Flag(None),
            (Self::Null, "bytea") => Bound::Bytes(None),
            (Self::Null, "text") => Bound::Text(None),
            (Self::Null, _) => Bound::Integer(None),
        }
    }
}

fn copy_table(source: &Connection, target: &Link, table: &str, tell: &dyn Fn(&str)) -> Result<()> {
    let columns = columns_of(target, table)?;
    let day = columns.iter().position(|(name, _)| name == "day");
    let names = names(&columns);
    let into = format!("{table} ({names})");
    let write = |batch: &[Vec<Moved>]| {
        one_at_a_time(target, &|tx| {
            let days = day.iter().flat_map(|at| batch.iter().map(|row| &row[*at]));
            let days: BTreeSet<i64> = days.filter_map(as_integer).collect();
            days.iter().try_for_each(|day| facts::make_room(tx, *day))?;
            let rows = batch.iter().map(|row| {
                let cells = row.iter().zip(&columns);
                cells.map(|(cell, (_, kind))| cell.bound(kind)).collect()
            });
            let rows: Vec<Vec<_>> = rows.collect();
            tx.insert(&into, &rows)
        })
    };
    let (mut batch, mut rows) = (Vec::with_capacity(BATCH_ROWS), 0_u64);
    let sql: &dyn Sql = source;
    sql.each(&format!("select {names} from {table}"), &[], &mut |row| {
        let cells = (0..columns.len()).map(|at| Ok(Moved::of(row.cell(at)?)));
        batch.push(cells.collect::<Result<_>>()?);
        rows += 1;
        if batch.len() == BATCH_ROWS {
            write(&batch)?;
            batch.clear();
        }
        if rows.is_multiple_of(TELL_ROWS) {
            tell(&format!("{table}: {rows} rows so far"));
        }
        Ok(())
    })?;
    write(&batch)
}

fn as_integer(cell: &Moved) -> Option<i64> {
    match cell {
        Moved::Integer(number) => Some(*number),
        _ => None,
    }
}

/// What a table holds.
fn sum_of(sql: &dyn Sql, table: &str, columns: &[Column]) -> Result<Sum> {
    let mut sum = Sum::default();
    let query = format!("select {} from {table}", names(columns));
    sql.each(&query, &[], &mut |row| {
        sum.rows += 1;
        sum.checksum = sum.checksum.wrapping_add(row_sum(row, columns.len())?);
        Ok(())
    })?;
    Ok(sum)
}

fn row_sum(row: &dyn Row, columns: usize) -> Result<u64> {
    let mut hasher = Sha256::new();
    let mut add = |kind: u8, bytes: &[u8]| {
        hasher.update([kind]);
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    for column in 0..columns {
        match row.cell(column)? {
            Cell::Null => add(0, &[]),
            Cell::Integer(number) => add(1, &number.to_be_bytes()),
            Cell::Flag(flag) => add(1, &i64::from(flag).to_be_bytes()),
            // As a link writes it.
            Cell::Text(text) => add(2, text.replace('\0', "\u{fffd}").as_bytes()),
            Cell::Bytes(bytes) => add(3, bytes),
        }
    }
    let hash = hasher.finalize();
    Ok(hash
        .iter()
        .take(8)
        .fold(0, |all, byte| all << 8 | u64::from(*byte)))
}
