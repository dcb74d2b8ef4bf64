//! How many may stand at the door. A stranger costs a handshake and no more; a member that was
//! recognised counts no longer against the strangers of its address, for whole cities may come by
//! one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections in all, of members and strangers.
const ALL_MAX: usize = 40_000;
/// Connections that have not shown a certificate that counts.
const STRANGERS_MAX: usize = 2_000;
const STRANGERS_PER_ADDRESS_MAX: usize = 200;

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    strangers: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits(Arc<Mutex<Counts>>);

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    limits: Limits,
    address: IpAddr,
    is_stranger: bool,
}

impl Limits {
    /// `None`: there is no room.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Pass> {
        let address = address.to_canonical();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = counts.by_address.get(&address).copied().unwrap_or(0);
        let is_full = counts.all >= ALL_MAX
            || counts.strangers >= STRANGERS_MAX
            || here >= STRANGERS_PER_ADDRESS_MAX;
        if is_full {
            return None;
        }
        counts.all += 1;
        counts.strangers += 1;
        *counts.by_address.entry(address).or_default() += 1;
        Some(Pass {
            limits: self.clone(),
            address,
            is_stranger: true,
        })
    }
}

impl Pass {
    pub(super) fn belongs_to_member(&mut self) {
        if self.is_stranger {
            self.is_stranger = false;
            let mut counts = self.limits.0.lock().unwrap_or_else(PoisonError::into_inner);
            counts.one_stranger_less(self.address);
        }
    }
}

impl Counts {
    fn one_stranger_less(&mut self, address: IpAddr) {
        self.strangers -= 1;
        if let Some(here) = self.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.limits.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if self.is_stranger {
            counts.one_stranger_less(self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_of_one_address_leave_room_for_others_and_members_count_no_more() {
        let limits = Limits::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut passes: Vec<Pass> = Vec::new();
        for _ in 0..STRANGERS_PER_ADDRESS_MAX {
            passes.push(limits.admit(here).unwrap());
        }
        assert!(limits.admit(here).is_none());
        assert!(limits.admit(there).is_some());
        passes[0].belongs_to_member();
        passes[0].belongs_to_member();
        let another = limits.admit(here).unwrap();
        assert!(limits.admit(here).is_none());
        drop((another, passes));
        let counts = limits.0.lock().unwrap();
        assert_eq!((counts.all, counts.strangers), (0, 0));
        assert!(counts.by_address.is_empty());
    }
}
