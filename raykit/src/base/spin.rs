//! A short look at something that may come any moment.

use std::time::{Duration, Instant};

/// Calls `look` until it says yes (`true`) or the time is over. Others may run between two looks:
/// who is to bring what is looked for may be waiting for this very core.
pub(crate) fn spin(limit: Duration, mut look: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if look() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::yield_now();
    }
}
