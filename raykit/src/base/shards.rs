//! A counter that many threads raise and lower without meeting: each works on a cell of its own,
//! and the sum is exact whenever nobody is in the middle of a step.

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

/// The last one is common to all threads that came when the others were taken.
const CELLS: usize = 16;
const COMMON: usize = CELLS - 1;

/// The cells that no living thread has: those given back, and from which on none was ever taken.
static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// A cell as long as its thread lives: nobody else writes there. The next owner finds it as it was
/// left, since it takes it out of the same lock.
struct Own(usize);

impl Own {
    fn take() -> Own {
        let mut free = FREE.lock();
        Own(free.0.pop().unwrap_or_else(|| {
            let fresh = free.1;
            free.1 = (fresh + 1).min(COMMON);
            fresh
        }))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.0 != COMMON {
            FREE.lock().0.push(self.0);
        }
    }
}

/// The cell of this thread.
fn cell() -> usize {
    std::thread_local! {
        static MINE: Own = Own::take();
    }
    MINE.try_with(|mine| mine.0).unwrap_or(COMMON)
}

/// A sum kept in sixteen cells, each on a cache line of its own.
pub(crate) struct Sharded([CachePadded<AtomicI64>; CELLS]);

impl Sharded {
    pub(crate) fn new() -> Self {
        Sharded(std::array::from_fn(|_| CachePadded::new(AtomicI64::new(0))))
    }

    pub(crate) fn add(&self, n: i64) {
        match cell() {
            COMMON => {
                self.0[COMMON].fetch_add(n, Ordering::Release);
            }
            own => {
                let before = self.0[own].load(Ordering::Relaxed);
                self.0[own].store(before.wrapping_add(n), Ordering::Release);
            }
        }
    }

    /// The sum. Single cells may be below zero: what one thread raised another may lower.
    pub(crate) fn sum(&self) -> i64 {
        self.0.iter().map(|cell| cell.load(Ordering::Acquire)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More threads than there are cells, one generation after the other.
    #[test]
    fn the_sum_is_exact_whoever_has_which_cell() {
        let sum = Sharded::new();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..2 * CELLS {
                    scope.spawn(|| {
                        (0..1_000).for_each(|n| sum.add(if n % 4 == 0 { -1 } else { 1 }))
                    });
                }
            });
        }
        assert_eq!(sum.sum(), 3 * 2 * CELLS as i64 * 500);
    }
}
