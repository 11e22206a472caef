//! The estimate of what a value owns, kept short: a type may contain itself to any depth.

use std::cell::Cell;

/// Values of users' types that one estimate looks at. What lies behind them counts for nothing.
const VISITS_MAX: u32 = 4096;

/// Levels of users' types that one estimate goes down; well within the smallest stack.
const DEPTH_MAX: u32 = 64;

std::thread_local! {
    /// How deep the estimate that runs is, and how many values it has looked at.
    static NOW: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// What `value` owns by `sum`, which asks its fields in turn.
pub fn estimated<T>(value: &T, sum: impl FnOnce(&T) -> usize) -> usize {
    // A type with nothing to drop owns nothing.
    if !std::mem::needs_drop::<T>() {
        return 0;
    }
    let (depth, visits) = NOW.get();
    let visits = if depth == 0 { 0 } else { visits };
    if depth == DEPTH_MAX || visits == VISITS_MAX {
        return 0;
    }
    NOW.set((depth + 1, visits + 1));
    let _restore = Restore(depth);
    sum(value)
}

/// Lowers the depth again, after a panic in a user's `heap_bytes` too.
struct Restore(u32);

impl Drop for Restore {
    fn drop(&mut self) {
        NOW.set((self.0, NOW.get().1));
    }
}
