//! How connections to the database are set up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;

/// How long a write waits for another process, such as `zhiban-gateway device add`.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
const STATEMENTS_CACHED: usize = 128;

/// The write-ahead log beside a database.
pub(crate) fn log_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

pub(super) fn configure_writer(connection: &Connection) -> Result<(), StoreError> {
    // Order matters: the page size can only be set before the first page of a WAL database.
    connection.execute_batch(
        "pragma page_size = 4096;
         pragma journal_mode = wal;
         pragma synchronous = full;
         pragma wal_autocheckpoint = 0;
         pragma journal_size_limit = 67108864;
         pragma temp_store = memory;
         pragma cache_size = -16000;
         pragma foreign_keys = on;
         pragma trusted_schema = off;
         pragma mmap_size = 0;",
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

pub(super) fn open_reader(file: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.execute_batch("pragma temp_store = memory; pragma cache_size = -4000;")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}
