//! Waiting for something that must come, with an end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until `look` finds something.
///
/// # Panics
/// When it does not come in time; the message names what was waited for and what was seen last.
pub async fn until<T, E: std::fmt::Debug>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > end => {
                panic!(
                    "not within {} s: {what}; last seen: {seen:?}",
                    within.as_secs()
                );
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// `Ok` when it holds, `Err(seen)` when not: the answer of a look.
///
/// # Errors
/// `seen`, when it does not hold.
pub fn seen<E>(holds: bool, seen: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(seen) }
}
