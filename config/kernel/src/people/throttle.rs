//! Slows down guessing: by account and by address, for a while, never for good.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(15 * 60);
const TRIES_PER_ACCOUNT: usize = 10;
const TRIES_PER_ADDRESS: usize = 50;
/// Keys remembered; when more come, the oldest windows are dropped first.
const KEYS_MAX: usize = 10_000;

/// Counts failed tries.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<String, Vec<Instant>>>);

impl Throttle {
    /// How long to wait before this account may be tried from this address; `None`: now.
    pub(super) fn wait(&self, account: &str, address: IpAddr) -> Option<Duration> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wait = |key: String, limit: usize| {
            let times = failures.get_mut(&key)?;
            times.retain(|time| time.elapsed() < WINDOW);
            let first = times.first()?;
            (times.len() >= limit).then(|| WINDOW.saturating_sub(first.elapsed()))
        };
        wait(account_key(account), TRIES_PER_ACCOUNT)
            .max(wait(address_key(address), TRIES_PER_ADDRESS))
    }

    /// Counts a try before its outcome is known, so that tries side by side are all counted;
    /// [`Throttle::succeeded`] takes it back.
    pub(super) fn count(&self, account: &str, address: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= KEYS_MAX {
            failures.retain(|_, times| times.last().is_some_and(|t| t.elapsed() < WINDOW / 3));
        }
        for key in [account_key(account), address_key(address)] {
            failures.entry(key).or_default().push(Instant::now());
        }
    }

    pub(super) fn succeeded(&self, account: &str, address: IpAddr) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.remove(&account_key(account));
        if let Some(times) = tries.get_mut(&address_key(address)) {
            times.pop();
        }
    }
}

fn account_key(account: &str) -> String {
    format!("account {account}")
}

fn address_key(address: IpAddr) -> String {
    format!("address {address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_tries_close_the_account_for_a_while_and_no_other() {
        let throttle = Throttle::default();
        let here = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..TRIES_PER_ACCOUNT {
            assert_eq!(throttle.wait("1001", here), None);
            throttle.count("1001", here);
        }
        assert!(
            throttle
                .wait("1001", here)
                .is_some_and(|wait| wait <= WINDOW)
        );
        assert_eq!(throttle.wait("1002", here), None);
        throttle.succeeded("1001", here);
        assert_eq!(throttle.wait("1001", here), None);
    }
}
