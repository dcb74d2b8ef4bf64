//! Asking many hosts of the hall whether a device of ours is there.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::{Found, Search};

/// Most addresses asked at the same time.
const AT_ONCE: usize = 64;
/// Longest search. Those of our drivers ask 256 hosts in less, also when not one answers.
const TIME_MAX: Duration = Duration::from_secs(80);

/// Asks every host, some at a time; `ask` has to end by itself, so that the number of hosts says
/// how long it takes in all. What was not answered when the time is over is counted.
pub(crate) async fn sweep<P>(hosts: Vec<IpAddr>, ask: impl Fn(IpAddr) -> P) -> Search
where
    P: Future<Output: IntoIterator<Item = Found>>,
{
    let until = Instant::now() + TIME_MAX;
    let mut search = Search {
        found: Vec::new(),
        unasked: hosts.len(),
    };
    let mut answers = stream::iter(hosts).map(ask).buffer_unordered(AT_ONCE);
    while let Ok(Some(answer)) = timeout_at(until, answers.next()).await {
        search.found.extend(answer);
        search.unasked -= 1;
    }
    search
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(count: u8) -> Vec<IpAddr> {
        (1..=count).map(|n| [10, 0, 0, n].into()).collect()
    }

    /// Only the last one is there; the others are silent for `seconds`.
    async fn last_of(count: u8, seconds: u64) -> Search {
        sweep(hosts(count), |host| async move {
            let is_there = host == IpAddr::from([10, 0, 0, count]);
            if !is_there {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            is_there.then(|| Found {
                settings: toml::Table::new(),
                identity: zhiban_vocabulary::device::DeviceIdentity::default(),
            })
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_of_a_network_of_silent_hosts_is_found() {
        let search = last_of(255, 3).await;
        assert_eq!((search.found.len(), search.unasked), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_there_was_no_time_for_are_counted() {
        let began = Instant::now();
        let search = last_of(255, 3600).await;
        assert_eq!((search.found.len(), search.unasked), (0, 255));
        assert!(began.elapsed() <= TIME_MAX);
        let search = last_of(64, 3600).await;
        assert_eq!((search.found.len(), search.unasked), (1, 63));
    }
}
