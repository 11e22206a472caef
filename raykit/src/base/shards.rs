//! A counter that many threads raise and lower without meeting: each works on a cell of its own,
//! and the sum is exact whenever nobody is in the middle of a step.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

const CELLS: usize = 16;

/// The cell of this thread.
fn cell() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    std::thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
    }
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

/// A sum kept in sixteen cells, each on a cache line of its own.
pub(crate) struct Sharded([CachePadded<AtomicI64>; CELLS]);

impl Sharded {
    pub(crate) fn new() -> Self {
        Sharded(std::array::from_fn(|_| CachePadded::new(AtomicI64::new(0))))
    }

    pub(crate) fn add(&self, n: i64) {
        self.0[cell()].fetch_add(n, Ordering::Relaxed);
    }

    /// The sum. Single cells may be below zero: what one thread raised another may lower.
    pub(crate) fn sum(&self) -> i64 {
        self.0.iter().map(|cell| cell.load(Ordering::Acquire)).sum()
    }
}
