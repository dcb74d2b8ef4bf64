//! Where facts of a day go: PostgreSQL keeps each month apart.

use zhiban_kernel::sql::{Dialect, Result, Sql};
use zhiban_kernel::values;

/// Makes the partitions of the month a day is in, where they are missing. To be called before the
/// first fact of a day is written: nothing else takes in what has no partition.
///
/// # Errors
/// When the database refuses.
pub fn make_room(tx: &dyn Sql, day: i64) -> Result<()> {
    match tx.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => tx.each("select facts_make_room(?1)", values![day], &mut |_| Ok(())),
    }
}
