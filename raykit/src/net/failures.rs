//! Who fails to join again and again is locked out for a while, so that guessing is hopeless and
//! costs the head little.

use crate::base::AUDIT;
use crate::base::limits::net::{JOIN_ADDRESSES_MAX, JOIN_FAILURES_MAX, JOIN_LOCK_MS};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Who has failed to join of late, by address.
#[derive(Default)]
pub(super) struct Failures {
    by_address: HashMap<IpAddr, (u32, Instant)>,
}

impl Failures {
    /// Whether the address has failed too often.
    pub(super) fn locked(&self, address: IpAddr, now: Instant) -> bool {
        match self.by_address.get(&place(address)) {
            Some((count, since)) => *count >= JOIN_FAILURES_MAX && !is_over(*since, now),
            None => false,
        }
    }

    pub(super) fn add(&mut self, address: IpAddr, now: Instant) {
        if self.by_address.len() >= JOIN_ADDRESSES_MAX {
            self.by_address.retain(|_, (_, since)| !is_over(*since, now));
        }
        let known = self.by_address.len() < JOIN_ADDRESSES_MAX;
        let place = place(address);
        if !known && !self.by_address.contains_key(&place) {
            return;
        }
        let (count, since) = self.by_address.entry(place).or_insert((0, now));
        if is_over(*since, now) {
            (*count, *since) = (0, now);
        }
        *count += 1;
        if *count == JOIN_FAILURES_MAX {
            // The time that it is locked out for begins now.
            *since = now;
            tracing::warn!(target: AUDIT, %address, "failed to join too often: locked out for a while");
        }
    }
}

fn is_over(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= Duration::from_millis(JOIN_LOCK_MS)
}

/// What counts as one place: who has an address of IPv6 has 2^64 of them.
pub(super) fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_is_locked_out_for_a_while() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        for count in 0..JOIN_FAILURES_MAX {
            assert!(!failures.locked(one, start), "after {count}");
            failures.add(one, start);
        }
        assert!(failures.locked(one, start));
        assert!(!failures.locked(other, start));
        let later = start + Duration::from_millis(JOIN_LOCK_MS);
        assert!(!failures.locked(one, later));
        failures.add(one, later);
        assert!(!failures.locked(one, later), "it counts from the beginning");
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for address in 0..2 * JOIN_ADDRESSES_MAX as u32 {
            failures.add(std::net::Ipv4Addr::from_bits(address).into(), now);
        }
        assert_eq!(failures.by_address.len(), JOIN_ADDRESSES_MAX);
        let host = |low: &str| place(format!("2001:db8::{low}").parse().unwrap());
        assert_eq!(host("1"), host("ffff"));
    }
}
