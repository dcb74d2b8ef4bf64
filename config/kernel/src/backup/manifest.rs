//! The first entry of a backup: what is in it.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Layout of backups. A program reads this one only.
pub(super) const FORMAT: u32 = 1;
pub(super) const NAME: &str = "manifest.json";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub program: String,
    pub version: String,
    pub id: String,
    pub taken: Timestamp,
    /// Name of the database among the files; none where it is a server's.
    pub database: Option<String>,
    /// Name of the configuration among the files.
    pub config: String,
    pub files: Vec<FileNote>,
    /// Rows of each table of the database.
    pub tables: BTreeMap<String, u64>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// Path below the data folder.
    pub name: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The first name that leads out of the folder it is unpacked into.
    pub(super) fn name_astray(&self) -> Option<&str> {
        let is_plain = |name: &str| {
            !name.is_empty()
                && Path::new(name)
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)))
        };
        let mut names = self.files.iter().map(|file| file.name.as_str());
        names.find(|name| !is_plain(name))
    }
}

/// Rows of every table.
pub(super) fn count_rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let sql = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut counts = BTreeMap::new();
    for name in names {
        let name = name?;
        let sql = format!("select count(*) from \"{}\"", name.replace('"', "\"\""));
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        counts.insert(name, rows.unsigned_abs());
    }
    Ok(counts)
}
