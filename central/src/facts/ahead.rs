//! Makes next month's partitions before anybody needs them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zhiban_kernel::Database;
use zhiban_kernel::sql::Sql;

use super::store::make_room;

const EVERY: Duration = Duration::from_secs(6 * 3_600);
/// Any day of the month after.
const AHEAD_DAYS: i64 = 31;

/// Keeps room for this month and the next until `shutdown`; `today` gives days since 1970.
pub async fn keep_room(
    store: Database,
    today: impl Fn() -> i64 + Send,
    shutdown: CancellationToken,
) {
    loop {
        let day = today();
        let make = move |tx: &dyn Sql| {
            make_room(tx, day)?;
            make_room(tx, day + AHEAD_DAYS)
        };
        if let Err(error) = store.write(make).await {
            // The first fact of the month makes it too.
            tracing::warn!(%error, "no room was made for the next month");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
