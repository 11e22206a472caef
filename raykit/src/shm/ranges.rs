//! `Ranges`: which parts of one segment are free. Pure: numbers only.

use std::collections::BTreeMap;

/// The free parts of so many bytes. All numbers are multiples of a page.
pub(super) struct Ranges {
    /// By where they begin: how long they are. No two of them touch.
    free: BTreeMap<usize, usize>,
    bytes: usize,
    /// What lies before this was written once, and costs nothing more to write again.
    warm: usize,
}

impl Ranges {
    pub(super) fn new(bytes: usize) -> Ranges {
        Ranges { free: BTreeMap::from([(0, bytes)]), bytes, warm: 0 }
    }

    /// Whether nothing is taken.
    pub(super) fn is_free(&self) -> bool {
        self.free.get(&0) == Some(&self.bytes)
    }

    /// How much longer than `bytes` the tightest free part is that is warm.
    pub(super) fn spare_warm(&self, bytes: usize) -> Option<usize> {
        let warm = self.free.iter().filter(|(start, len)| *start + *len <= self.warm);
        warm.filter_map(|(_, len)| len.checked_sub(bytes)).min()
    }

    /// Takes so many bytes of the tightest free part: of a warm one if there is any that is long
    /// enough, else of the first one. Where they begin.
    pub(super) fn take(&mut self, bytes: usize) -> Option<usize> {
        let is_warm = |start: &usize, len: &usize| start + len <= self.warm;
        let fits = |(_, len): &(&usize, &usize)| **len >= bytes;
        let warm = self.free.iter().filter(|(start, len)| is_warm(start, len)).filter(fits);
        let tightest = warm.min_by_key(|(_, len)| **len);
        let (&start, &len) = tightest.or_else(|| self.free.iter().find(fits))?;
        self.free.remove(&start);
        if len > bytes {
            self.free.insert(start + bytes, len - bytes);
        }
        Some(start)
    }

    /// Gives back what was taken, or a part of it; of it `written` bytes were written.
    pub(super) fn give(&mut self, start: usize, bytes: usize, written: usize) {
        if bytes == 0 {
            return;
        }
        self.warm = self.warm.max(start + written);
        let (mut start, mut bytes) = (start, bytes);
        if let Some((&before, &len)) = self.free.range(..start).next_back()
            && before + len == start
        {
            self.free.remove(&before);
            (start, bytes) = (before, bytes + len);
        }
        if let Some(len) = self.free.remove(&(start + bytes)) {
            bytes += len;
        }
        self.free.insert(start, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn warm_parts_go_first_and_the_tightest_of_them() {
        let mut ranges = Ranges::new(100);
        let parts: Vec<usize> = [10, 5, 20, 5].map(|len| ranges.take(len).unwrap()).into();
        assert_eq!(parts, [0, 10, 15, 35]);
        ranges.give(15, 20, 20);
        ranges.give(0, 10, 10);
        assert_eq!(ranges.spare_warm(8), Some(2));
        assert_eq!(ranges.take(8), Some(0), "the tightest one");
        assert_eq!(ranges.take(15), Some(15));
        assert_eq!(ranges.spare_warm(6), None);
        assert_eq!(ranges.take(6), Some(40), "none is long enough but what was never written");
        assert_eq!(ranges.take(60), None);
    }

    proptest! {
        /// Against a plain list of who has which byte.
        #[test]
        fn no_byte_is_taken_twice_and_none_is_lost(
            steps in prop::collection::vec((any::<bool>(), 1..30usize, any::<prop::sample::Index>()), 1..80),
        ) {
            const BYTES: usize = 128;
            let mut ranges = Ranges::new(BYTES);
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for (take, len, which) in steps {
                if take || taken.is_empty() {
                    match ranges.take(len) {
                        Some(start) => {
                            prop_assert!(start + len <= BYTES);
                            let apart = |(other, other_len): &(usize, usize)| {
                                start + len <= *other || other + other_len <= start
                            };
                            prop_assert!(taken.iter().all(apart));
                            taken.push((start, len));
                        }
                        None => {
                            // No gap between those that are taken is long enough.
                            let mut ends: Vec<(usize, usize)> = taken.clone();
                            ends.extend([(0, 0), (BYTES, 0)]);
                            ends.sort_unstable();
                            let gap = |pair: &[(usize, usize)]| pair[1].0 - (pair[0].0 + pair[0].1);
                            prop_assert!(ends.windows(2).all(|pair| gap(pair) < len));
                        }
                    }
                } else {
                    let (start, whole) = taken.swap_remove(which.index(taken.len()));
                    // The end first, as an archive does that was shorter than estimated.
                    let kept = whole.min(len);
                    ranges.give(start + kept, whole - kept, 0);
                    ranges.give(start, kept, kept);
                }
            }
            for (start, len) in taken {
                ranges.give(start, len, len);
            }
            prop_assert!(ranges.is_free());
        }
    }
}
