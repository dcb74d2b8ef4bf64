//! Looks into a database of a program without touching it: a copy is opened, so that what the
//! program finds after a kill is exactly what the kill left.

use std::fs;
use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};

use super::configs::Folder;

/// A copy of a database with its write-ahead log.
#[derive(Debug)]
pub struct Copied {
    pub connection: Connection,
    _folder: Folder,
}

impl Copied {
    /// Copies `data/name` of a program that does not run.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn of(data: &Path, name: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let folder = Folder::new(&format!("copy-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        for part in ["", "-wal"] {
            let file = format!("{name}{part}");
            let from = data.join(&file);
            if part.is_empty() || from.exists() {
                fs::copy(&from, folder.path().join(&file)).expect("the database can be copied");
            }
        }
        let connection = Connection::open(folder.path().join(name)).expect("a database");
        Self {
            connection,
            _folder: folder,
        }
    }

    /// What SQLite says about the whole file; `ok` is good.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn integrity(&self) -> String {
        self.one("pragma integrity_check")
    }

    /// A single value.
    ///
    /// # Panics
    /// When the query fails.
    #[must_use]
    pub fn one<T: FromSql>(&self, sql: &str) -> T {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .expect(sql)
    }

    /// All rows of a query.
    ///
    /// # Panics
    /// When the query fails.
    pub fn rows<T>(&self, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.connection.prepare(sql).expect(sql);
        let rows = statement.query_map([], |row| read(row)).expect(sql);
        rows.collect::<Result<_, _>>().expect(sql)
    }
}
