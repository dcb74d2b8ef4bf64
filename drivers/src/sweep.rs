//! Asking many hosts of the hall whether a device of ours is there.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use crate::Found;

/// Hosts asked at the same time, and how long a search may take in all.
const HOSTS_AT_ONCE: usize = 16;
const SEARCH_TIME_MAX: Duration = Duration::from_secs(10);

/// Asks every host, some at a time; gives what answered before the time was over.
pub(crate) async fn sweep<P>(hosts: Vec<IpAddr>, ask: impl Fn(IpAddr) -> P) -> Vec<Found>
where
    P: Future<Output: IntoIterator<Item = Found>>,
{
    let until = Instant::now() + SEARCH_TIME_MAX;
    let mut answers = stream::iter(hosts).map(ask).buffer_unordered(HOSTS_AT_ONCE);
    let mut found = Vec::new();
    while let Ok(Some(answer)) = timeout_at(until, answers.next()).await {
        found.extend(answer);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hosts_that_say_nothing_do_not_hold_up_those_that_do() {
        let hosts: Vec<IpAddr> = (1..=40).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        let began = Instant::now();
        let found = sweep(hosts, async |host| {
            let dead = matches!(host, IpAddr::V4(v4) if v4.octets()[3] % 4 == 0);
            let pause = if dead { 3600 } else { 1 };
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let settings = toml::Table::new();
            let identity = zhiban_vocabulary::device::DeviceIdentity::default();
            Some(Found { settings, identity })
        });
        assert_eq!(found.await.len(), 30);
        assert!(began.elapsed() <= SEARCH_TIME_MAX);
    }
}
