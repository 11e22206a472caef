//! Whom a node has turned away: all are counted here, and the log has a line for the 1st, 2nd, 4th,
//! 8th and so on. Who is refused must not fill a disk.

use crate::base::AUDIT;
use parking_lot::Mutex;
use std::fmt::Display;

/// Why somebody was turned away. Each is counted by itself, so that a flood of one kind does not
/// hide the first of another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// Its address, or all together, have begun more handshakes than they may.
    Begun,
    /// More handshakes are under way than may be.
    UnderWay,
    /// It has failed to join too often.
    LockedOut,
    /// It has not ended what it began.
    BrokenOff,
    /// It is no peer of this cluster, or one that is kept out.
    Unwelcome,
    /// It knocked at the socket of shared memory, where it has no business.
    #[cfg(target_os = "linux")]
    Uninvited,
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Why::Begun => "too many handshakes were begun",
            Why::UnderWay => "too many handshakes are under way",
            Why::LockedOut => "its address is locked out, since it failed to join too often",
            Why::BrokenOff => "it did not end what it began",
            Why::Unwelcome => "it is not welcome",
            #[cfg(target_os = "linux")]
            Why::Uninvited => "it may not read shared memory",
        }
    }
}

/// How many were turned away.
#[derive(Default)]
pub(super) struct TurnedAway {
    by_why: Mutex<[u64; 6]>,
}

impl TurnedAway {
    /// One more: `who`, and what else is known of it.
    pub(super) fn add(&self, why: Why, who: impl Display, known: impl Display) {
        if let Some(count) = self.count(why) {
            let why = why.text();
            tracing::warn!(target: AUDIT, address = %who, count, why, %known, "somebody was turned away");
        }
    }

    /// How many there are of them now, if that is worth a word.
    fn count(&self, why: Why) -> Option<u64> {
        let mut by_why = self.by_why.lock();
        let count = &mut by_why[why as usize];
        *count += 1;
        Some(*count).filter(|count| count.is_power_of_two())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_many_are_told_of_and_no_kind_hides_another() {
        let turned = TurnedAway::default();
        let told: Vec<u64> = (0..1_000).filter_map(|_| turned.count(Why::Begun)).collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        for why in [Why::UnderWay, Why::LockedOut, Why::BrokenOff, Why::Unwelcome] {
            assert_eq!(turned.count(why), Some(1), "{why:?}");
        }
        #[cfg(target_os = "linux")]
        assert_eq!(turned.count(Why::Uninvited), Some(1));
        let all: u64 = turned.by_why.lock().iter().sum();
        assert!(all == 1_004 + u64::from(cfg!(target_os = "linux")), "{all}");
    }
}
