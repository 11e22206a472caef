//! How often strangers may begin a handshake: each costs the head a millisecond or less, and the
//! head has but one thread for its road. A bucket of tokens for each address, and one for all.

use super::failures::place;
use crate::base::limits::net::{
    HANDSHAKE_ADDRESSES_MAX, HANDSHAKES_AT_ONCE, HANDSHAKES_AT_ONCE_ALL, HANDSHAKES_PER_S,
    HANDSHAKES_PER_S_ALL,
};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// What is left of a number that fills up with time.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    since: Instant,
}

impl Bucket {
    fn full(most: f64, now: Instant) -> Bucket {
        Bucket { left: most, since: now }
    }

    /// What is in it now.
    fn look(&mut self, most: f64, per_s: f64, now: Instant) -> f64 {
        let filled = now.saturating_duration_since(self.since).as_secs_f64() * per_s;
        (self.left, self.since) = ((self.left + filled).min(most), now);
        self.left
    }
}

/// Who has begun handshakes of late.
pub(super) struct Rate {
    by_address: HashMap<IpAddr, Bucket>,
    all: Bucket,
}

/// Whether somebody may begin another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Yes,
    /// If it shows that the address is its own: so much was begun from there that somebody may be
    /// using it who is not there.
    Shown,
    /// Not now.
    No,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Rate {
        let all = Bucket::full(HANDSHAKES_AT_ONCE_ALL, now);
        Rate { by_address: HashMap::new(), all }
    }

    /// Counts a handshake from `address`, if it may begin.
    pub(super) fn begin(&mut self, address: IpAddr, shown: bool, now: Instant) -> Allowed {
        if self.all.look(HANDSHAKES_AT_ONCE_ALL, HANDSHAKES_PER_S_ALL, now) < 1.0 {
            return Allowed::No;
        }
        let (most, per_s) = (HANDSHAKES_AT_ONCE, HANDSHAKES_PER_S);
        if self.by_address.len() >= HANDSHAKE_ADDRESSES_MAX {
            self.by_address.retain(|_, bucket| bucket.look(most, per_s, now) < most);
        }
        let place = place(address);
        let has_room = self.by_address.len() < HANDSHAKE_ADDRESSES_MAX;
        if !has_room && !self.by_address.contains_key(&place) {
            return Allowed::No;
        }
        let bucket = self.by_address.entry(place).or_insert_with(|| Bucket::full(most, now));
        let left = bucket.look(most, per_s, now);
        if left < 1.0 {
            return Allowed::No;
        }
        if !shown && left < most / 2.0 {
            return Allowed::Shown;
        }
        bucket.left -= 1.0;
        self.all.left -= 1.0;
        Allowed::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    /// How many begin before one may not.
    fn begun(rate: &mut Rate, address: IpAddr, shown: bool, now: Instant) -> (usize, Allowed) {
        let mut count = 0;
        loop {
            match rate.begin(address, shown, now) {
                Allowed::Yes => count += 1,
                other => return (count, other),
            }
        }
    }

    #[test]
    fn an_address_has_so_many_at_once_and_then_so_many_a_second() {
        let now = Instant::now();
        let (one, other) = (Ipv4Addr::from_bits(1).into(), Ipv4Addr::from_bits(2).into());
        let mut rate = Rate::new(now);
        let half = HANDSHAKES_AT_ONCE as usize / 2;
        let (count, why) = begun(&mut rate, one, false, now);
        assert_eq!((count.abs_diff(half) <= 1, why), (true, Allowed::Shown));
        let (more, why) = begun(&mut rate, one, true, now);
        assert_eq!((count + more, why), (2 * half, Allowed::No));
        assert_eq!(rate.begin(other, false, now), Allowed::Yes, "it is somebody else");
        let later = now + Duration::from_secs(1);
        let (count, _) = begun(&mut rate, one, true, later);
        assert_eq!(count, HANDSHAKES_PER_S as usize);
    }

    #[test]
    fn many_addresses_have_a_bound_together_and_take_bounded_memory() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        let address = |at: u32| IpAddr::from(Ipv4Addr::from_bits(at));
        let begun = (0..100_000).filter(|at| rate.begin(address(*at), true, now) == Allowed::Yes);
        assert_eq!(begun.count(), HANDSHAKES_AT_ONCE_ALL as usize);
        for at in 0..100_000 {
            now += Duration::from_millis(4);
            rate.begin(address(at), true, now);
            assert!(rate.by_address.len() <= HANDSHAKE_ADDRESSES_MAX);
        }
        // An address of IPv6 is no place of its own: whoever has one has 2^64 of them.
        let host = |low: u32| format!("2001:db8::{low:x}").parse().unwrap();
        let later = now + Duration::from_secs(100);
        let begun = (0..).take_while(|at| rate.begin(host(*at), true, later) == Allowed::Yes);
        assert_eq!(begun.count(), HANDSHAKES_AT_ONCE as usize);
    }
}
