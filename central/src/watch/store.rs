//! All SQL of the probe.

use zhiban_kernel::said::Said;
use zhiban_kernel::sql::{Dialect, Result, Sql};
use zhiban_kernel::values;

/// Writes the probe's row. Several programs may do so, each by its own clock: it only goes up.
pub(super) fn write_probe(tx: &dyn Sql, now_ms: i64) -> Result<()> {
    tx.execute(
        "insert into watch_probe values (1, ?1) on conflict (id) do update set
             at_ms = case when excluded.at_ms > watch_probe.at_ms then excluded.at_ms
                          else watch_probe.at_ms + 1 end",
        values![now_ms],
    )?;
    Ok(())
}

/// What the probe's row says, and why a commit might not be on disk, if so.
pub(super) fn read_probe(sql: &dyn Sql) -> Result<(i64, Option<Said>)> {
    let at_ms = sql.one("select at_ms from watch_probe", &[], |row| row.get(0))?;
    if sql.dialect() == Dialect::Sqlite {
        return Ok((at_ms, None));
    }
    // Of the server, which we cannot set and which somebody may change while we run.
    let safe =
        "select current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on'";
    let safe: bool = sql.one(safe, &[], |row| row.get(0))?;
    let doubt = (!safe).then(|| {
        Said::new(
            "服务器没有打开 fsync 或 full_page_writes",
            "the server runs without fsync or full_page_writes",
        )
    });
    Ok((at_ms, doubt))
}
