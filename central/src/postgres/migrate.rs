//! Brings the database to today's shape, one program at a time, and spreads it where Citus is.

use zhiban_kernel::clock::to_ms;
use zhiban_kernel::sql::{Result, Sql};
use zhiban_kernel::{Clock, StoreError, values};

use super::link::Link;
use crate::migrations::postgres::migrations;

/// Tables that are spread over machines by their store, those with others of a store together.
pub(super) const DISTRIBUTED: [&str; 11] = [
    "stores_store",
    "stores_life",
    "intake_cursor",
    "intake_item",
    "intake_dead_letter",
    "alarms_alarm",
    "facts_queue_quarter",
    "facts_hall_quarter",
    "facts_counter_day",
    "facts_climate_quarter",
    "facts_hall_day",
];

/// All of it is one transaction: a broken attempt leaves nothing.
pub(super) fn migrate(link: &Link) -> Result<()> {
    link.script("begin")?;
    let done = apply(link).and_then(|()| distribute(link));
    link.script(if done.is_ok() { "commit" } else { "rollback" })?;
    done
}

fn apply(link: &Link) -> Result<()> {
    let sql: &dyn Sql = link;
    sql.lock("central_migrations")?;
    link.script(
        "create table if not exists central_migrations (
             version bigint primary key, name text not null, checksum bigint not null,
             applied_ms bigint not null)",
    )?;
    let runner = migrations::runner();
    let ours = runner.get_migrations();
    let mut known = 0;
    let applied = sql.all(
        "select version, name, checksum from central_migrations order by version",
        &[],
        |row| {
            Ok((
                row.get::<i64>(0)?,
                row.get::<String>(1)?,
                row.get::<i64>(2)?,
            ))
        },
    )?;
    for (version, name, checksum) in applied {
        let same = ours.iter().find(|own| i64::from(own.version()) == version);
        if same.is_none_or(|own| own.checksum().cast_signed() != checksum) {
            let text = format!(
                "migration: {version} {name} is not of this program: it is older, or the database is another's"
            );
            return Err(StoreError::Database(text));
        }
        known = version;
    }
    let mut ours: Vec<_> = ours.iter().collect();
    ours.sort_by_key(|own| own.version());
    for own in ours.iter().filter(|own| i64::from(own.version()) > known) {
        link.script(own.sql().unwrap_or_default())?;
        sql.execute(
            "insert into central_migrations values (?1, ?2, ?3, ?4)",
            values![
                i64::from(own.version()),
                own.name(),
                own.checksum().cast_signed(),
                to_ms(Clock::real_now()),
            ],
        )?;
    }
    Ok(())
}

/// Where the extension is there, spreads what is not spread yet.
fn distribute(link: &Link) -> Result<()> {
    let sql: &dyn Sql = link;
    let citus = "select exists (select 1 from pg_extension where extname = 'citus')";
    if !sql.one(citus, &[], |row| row.get(0))? {
        return Ok(());
    }
    for table in DISTRIBUTED {
        sql.each(
            "select create_distributed_table(?1::regclass, 'store')
             where not exists (
                 select 1 from pg_dist_partition where logicalrelid = ?1::regclass)",
            values![table],
            &mut |_| Ok(()),
        )?;
    }
    Ok(())
}
