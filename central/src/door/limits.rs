//! How many may stand at the door. Every member begins as a stranger, so strangers can never hold a
//! place against it: members have places of their own, and where those of strangers are all taken,
//! the oldest stranger of the origin that holds most is thrown out for whoever comes.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Connections of members.
const MEMBERS_MAX: usize = 40_000;
/// Connections that shake hands, in all and of one origin: whole cities may come by one address.
const HANDSHAKES: Most = Most {
    all: 2_000,
    of_one: 200,
};
/// Connections without a certificate that counts: halls that come to enrol.
const UNKNOWN: Most = Most {
    all: 500,
    of_one: 50,
};
/// Whoever has its place for less is left in peace, or many who come at once would throw each other
/// out for ever.
const PEACE: Duration = Duration::from_secs(1);
/// But not where its origin holds more than this while others find no place.
const FAIR: usize = 20;

#[derive(Debug, Clone, Copy)]
struct Most {
    all: usize,
    of_one: usize,
}

/// What one sender can choose addresses of freely: an address of IPv4, a /64 of IPv6.
#[must_use]
pub(super) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (!0 << 64))),
        four @ IpAddr::V4(_) => four,
    }
}

/// Strangers of one kind.
#[derive(Debug)]
struct Places {
    most: Most,
    taken: usize,
    /// By number, so the oldest is the first.
    by_origin: HashMap<IpAddr, BTreeMap<u64, Place>>,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    thrown_out: CancellationToken,
}

impl Places {
    fn new(most: Most) -> Self {
        Self {
            most,
            taken: 0,
            by_origin: HashMap::new(),
        }
    }

    /// False: there is no room, and nobody to be thrown out.
    fn take(&mut self, origin: IpAddr, number: u64, thrown_out: &CancellationToken) -> bool {
        let here = self.by_origin.get(&origin).map_or(0, BTreeMap::len);
        let is_free = if here >= self.most.of_one {
            self.throw_out_of(origin, usize::MAX)
        } else if self.taken >= self.most.all {
            self.heaviest()
                .is_some_and(|heaviest| self.throw_out_of(heaviest, FAIR))
        } else {
            true
        };
        if is_free {
            self.taken += 1;
            let place = Place {
                since: Instant::now(),
                thrown_out: thrown_out.clone(),
            };
            self.by_origin
                .entry(origin)
                .or_default()
                .insert(number, place);
        }
        is_free
    }

    fn heaviest(&self) -> Option<IpAddr> {
        let heaviest = self.by_origin.iter().max_by_key(|(_, places)| places.len());
        heaviest.map(|(origin, _)| *origin)
    }

    /// Throws out the oldest of an origin, unless it is in its [`PEACE`] and the origin holds no more
    /// than `fair`.
    fn throw_out_of(&mut self, origin: IpAddr, fair: usize) -> bool {
        let Some(places) = self.by_origin.get(&origin) else {
            return false;
        };
        let Some((&oldest, place)) = places.first_key_value() else {
            return false;
        };
        if places.len() <= fair && place.since.elapsed() < PEACE {
            return false;
        }
        place.thrown_out.cancel();
        self.leave(origin, oldest);
        true
    }

    /// Gives a place back; does nothing where it was taken away.
    fn leave(&mut self, origin: IpAddr, number: u64) {
        let Some(places) = self.by_origin.get_mut(&origin) else {
            return;
        };
        if places.remove(&number).is_some() {
            self.taken -= 1;
        }
        if places.is_empty() {
            self.by_origin.remove(&origin);
        }
    }
}

#[derive(Debug)]
struct Counts {
    next: u64,
    members: usize,
    handshakes: Places,
    unknown: Places,
}

impl Counts {
    fn give_back(&mut self, pass: &Pass) {
        match pass.standing {
            Standing::Handshake => self.handshakes.leave(pass.origin, pass.number),
            Standing::Unknown => self.unknown.leave(pass.origin, pass.number),
            Standing::Member => self.members -= 1,
            Standing::Nowhere => {}
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Limits(Arc<Mutex<Counts>>);

impl Default for Limits {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Counts {
            next: 0,
            members: 0,
            handshakes: Places::new(HANDSHAKES),
            unknown: Places::new(UNKNOWN),
        })))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Handshake,
    Unknown,
    Member,
    Nowhere,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    limits: Limits,
    origin: IpAddr,
    number: u64,
    standing: Standing,
    thrown_out: CancellationToken,
}

impl Limits {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place to shake hands; `None`: there is no room.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Pass> {
        let (origin, thrown_out) = (origin(address), CancellationToken::new());
        let mut counts = self.counts();
        counts.next += 1;
        let number = counts.next;
        let is_in = counts.handshakes.take(origin, number, &thrown_out);
        is_in.then(|| Pass {
            limits: self.clone(),
            origin,
            number,
            standing: Standing::Handshake,
            thrown_out,
        })
    }
}

impl Pass {
    /// From the handshake on it is a member's; false: there is no room.
    pub(super) fn belongs_to_member(&mut self) -> bool {
        self.moves(Standing::Member, |counts, _| {
            let has_room = counts.members < MEMBERS_MAX;
            counts.members += usize::from(has_room);
            has_room
        })
    }

    /// From the handshake on it is that of somebody unknown; false: there is no room.
    pub(super) fn belongs_to_unknown(&mut self) -> bool {
        self.moves(Standing::Unknown, |counts, pass| {
            let Pass { origin, number, .. } = *pass;
            counts.unknown.take(origin, number, &pass.thrown_out)
        })
    }

    fn moves(&mut self, to: Standing, take: impl FnOnce(&mut Counts, &Self) -> bool) -> bool {
        let limits = self.limits.clone();
        let mut counts = limits.counts();
        counts.give_back(self);
        self.standing = Standing::Nowhere;
        let is_in = take(&mut counts, self);
        if is_in {
            self.standing = to;
        }
        is_in
    }

    /// Ends when another needs the place more.
    pub(super) fn thrown_out(&self) -> CancellationToken {
        self.thrown_out.clone()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let limits = self.limits.clone();
        limits.counts().give_back(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> IpAddr {
        IpAddr::from(u32::try_from(number).unwrap().to_be_bytes())
    }

    #[test]
    fn strangers_that_hold_every_place_make_room_for_who_comes() {
        let limits = Limits::default();
        let mut passes: Vec<Pass> = Vec::new();
        for number in 0..HANDSHAKES.all {
            let origin = address(number / HANDSHAKES.of_one);
            passes.push(limits.admit(origin).unwrap());
        }
        let mut member = limits.admit(address(999)).unwrap();
        let out = |passes: &[Pass]| {
            passes
                .iter()
                .filter(|p| p.thrown_out.is_cancelled())
                .count()
        };
        assert_eq!(out(&passes), 1, "the oldest of the heaviest");
        assert!(member.belongs_to_member());
        assert!(!member.thrown_out().is_cancelled());
        // Members hold no place of strangers, and the thrown out give theirs back once.
        drop((member, passes));
        let counts = limits.counts();
        let left = (counts.members, counts.handshakes.taken);
        assert_eq!(left, (0, 0));
        assert!(counts.handshakes.by_origin.is_empty());
    }

    #[test]
    fn no_number_of_strangers_throws_a_member_out() {
        let (limits, here) = (Limits::default(), address(1));
        let mut member = limits.admit(here).unwrap();
        assert!(member.belongs_to_member());
        std::thread::sleep(PEACE);
        let mut strangers = Vec::new();
        for number in 0..2 * UNKNOWN.all {
            // From its own address first, then from everywhere.
            let from = if number < 2 * UNKNOWN.of_one {
                here
            } else {
                address(number)
            };
            if let Some(mut stranger) = limits.admit(from) {
                stranger.belongs_to_unknown();
                strangers.push(stranger);
            }
        }
        assert!(!member.thrown_out().is_cancelled());
        assert_eq!(limits.counts().members, 1);
    }

    #[test]
    fn one_origin_holds_no_more_than_its_share_and_throws_out_its_own_oldest() {
        let limits = Limits::default();
        let here = address(1);
        let many = |count| (0..count).map(|_| limits.admit(here)).collect::<Vec<_>>();
        let passes = many(HANDSHAKES.of_one);
        assert!(passes.iter().all(Option::is_some));
        assert!(limits.admit(here).is_none(), "all came this very second");
        assert!(limits.admit(address(2)).is_some());
        std::thread::sleep(PEACE);
        let next = limits.admit(here).unwrap();
        assert!(passes[0].as_ref().unwrap().thrown_out.is_cancelled());
        assert!(!next.thrown_out.is_cancelled());
    }

    #[test]
    fn many_that_come_at_once_from_everywhere_do_not_throw_each_other_out() {
        let limits = Limits::default();
        let passes: Vec<_> = (0..HANDSHAKES.all)
            .map(|number| limits.admit(address(number)).unwrap())
            .collect();
        assert!(limits.admit(address(99_999)).is_none());
        assert!(!passes.iter().any(|pass| pass.thrown_out.is_cancelled()));
    }

    #[test]
    fn who_is_unknown_leaves_the_places_of_handshakes() {
        let limits = Limits::default();
        let mut passes = Vec::new();
        for number in 0..UNKNOWN.all {
            let mut pass = limits.admit(address(number)).unwrap();
            assert!(pass.belongs_to_unknown());
            passes.push(pass);
        }
        assert!(!limits.admit(address(9_999)).unwrap().belongs_to_unknown());
        assert_eq!(limits.counts().handshakes.taken, 0);
        assert_eq!(limits.counts().unknown.taken, UNKNOWN.all);
    }

    #[test]
    fn a_network_of_ipv6_is_one_origin() {
        let of = |text: &str| origin(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::4"), of("2001:db8:1:3::4"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
