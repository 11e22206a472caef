//! rayon's `spawn`, with a count of what has run.

use crate::bench::timed;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Spawns empty closures from outside the pool and parks until the last of them has run.
pub(crate) fn spawn_and_count(tasks: usize) -> f64 {
    let left = Arc::new(AtomicUsize::new(tasks));
    let caller = std::thread::current();
    let (seconds, ()) = timed(|| {
        for _ in 0..tasks {
            let (left, caller) = (Arc::clone(&left), caller.clone());
            rayon::spawn(move || {
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    caller.unpark();
                }
            });
        }
        while left.load(Ordering::Acquire) > 0 {
            std::thread::park();
        }
    });
    seconds
}
