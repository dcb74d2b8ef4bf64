//! Limits that keep one device or address from taking the hall's share of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::refusal::Refusal;

/// A token bucket, kept as the time at which it will be full again.
#[derive(Debug)]
pub(super) struct Bucket {
    full_at: Instant,
    per_message: Duration,
    allowed_ahead: Duration,
}

impl Bucket {
    /// `burst` at once, then one each `per_message`.
    pub(super) fn new(per_message: Duration, burst: u32) -> Self {
        Self {
            full_at: Instant::now(),
            per_message,
            allowed_ahead: per_message * burst,
        }
    }

    /// Takes `count` and says from when on more may be taken; `None` for at once.
    pub(super) fn take(&mut self, count: u32, now: Instant) -> Option<Instant> {
        self.full_at = self.full_at.max(now) + self.per_message * count;
        let ready = self.full_at.checked_sub(self.allowed_ahead)?;
        (ready > now).then_some(ready)
    }

    /// Takes one if there is one.
    pub(super) fn try_take(&mut self, now: Instant) -> bool {
        let room = self.full_at.max(now) + self.per_message <= now + self.allowed_ahead;
        if room {
            self.full_at = self.full_at.max(now) + self.per_message;
        }
        room
    }
}

/// Counts open connections, in all and by address.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<GateInner>);

#[derive(Debug)]
struct GateInner {
    connections_max: usize,
    per_address_max: usize,
    by_address: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// One open connection; counted until dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Gate,
    address: IpAddr,
}

impl Gate {
    pub(super) fn new(connections_max: u32, per_address_max: u32) -> Self {
        Self(Arc::new(GateInner {
            connections_max: connections_max as usize,
            per_address_max: per_address_max as usize,
            by_address: Mutex::default(),
        }))
    }

    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, Refusal> {
        let mut open = self.lock();
        let (total, by_address) = &mut *open;
        if *total >= self.0.connections_max {
            return Err(Refusal::TooManyConnections(*total));
        }
        let here = by_address.entry(address).or_default();
        if *here >= self.0.per_address_max {
            return Err(Refusal::TooManyFromAddress(*here));
        }
        *here += 1;
        *total += 1;
        metrics::gauge!("zhiban_mqtt_connections").set(*total as f64);
        drop(open);
        Ok(Place {
            gate: self.clone(),
            address,
        })
    }

    /// Open connections, also of those that have not said who they are.
    pub(super) fn open(&self) -> usize {
        self.lock().0
    }

    pub(super) fn is_full_for(&self, address: IpAddr) -> bool {
        let open = self.lock();
        let here = open.1.get(&address).copied().unwrap_or(0);
        open.0 >= self.0.connections_max || here >= self.0.per_address_max
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (usize, HashMap<IpAddr, usize>)> {
        let by_address = &self.0.by_address;
        by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.lock();
        let (total, by_address) = &mut *open;
        *total -= 1;
        metrics::gauge!("zhiban_mqtt_connections").set(*total as f64);
        if let Some(here) = by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Failed logins by address: each makes the next answer to that address slower. A good login
/// never waits, so a wrong device does not lock out its neighbours behind the same address.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (u32, Instant)>>);

const FAILURE_WAIT: Duration = Duration::from_millis(200);
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(5);
const FAILURES_FORGOTTEN: Duration = Duration::from_secs(60);
/// Beyond, addresses share the longest wait.
const ADDRESSES_MAX: usize = 1_024;

impl Failures {
    /// Notes a failure and says how long its answer waits.
    pub(super) fn note(&self, address: IpAddr, now: Instant) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, last)| now.duration_since(*last) < FAILURES_FORGOTTEN);
        if known.len() >= ADDRESSES_MAX && !known.contains_key(&address) {
            return FAILURE_WAIT_MAX;
        }
        let (count, last) = known.entry(address).or_insert((0, now));
        *count += 1;
        *last = now;
        let doubled = FAILURE_WAIT * 2_u32.saturating_pow((*count / 4).min(5));
        doubled.min(FAILURE_WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_average_holds() {
        let mut bucket = Bucket::new(Duration::from_millis(10), 5);
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(bucket.take(5, now), None);
        let ready = bucket.take(5, now).unwrap();
        assert_eq!(ready - now, Duration::from_millis(50));
        assert!(!bucket.try_take(now));
        assert!(bucket.try_take(now + Duration::from_millis(60)));
    }

    #[test]
    fn places_are_given_back() {
        let gate = Gate::new(3, 2);
        let (one, two) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = gate.enter(one).unwrap();
        let _second = gate.enter(one).unwrap();
        assert_eq!(gate.enter(one).unwrap_err(), Refusal::TooManyFromAddress(2));
        let _third = gate.enter(two).unwrap();
        assert_eq!(gate.enter(two).unwrap_err(), Refusal::TooManyConnections(3));
        drop(first);
        assert!(gate.enter(one).is_ok());
    }

    #[test]
    fn answers_to_guessing_get_slower() {
        let failures = Failures::default();
        let (address, now) = ([10, 0, 0, 1].into(), Instant::now());
        assert_eq!(failures.note(address, now), FAILURE_WAIT);
        let waits = (0..40).map(|_| failures.note(address, now));
        assert_eq!(waits.last(), Some(FAILURE_WAIT_MAX));
    }
}
