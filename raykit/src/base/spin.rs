//! A short look at something that may come any moment.

use super::{clock, thread};
use std::time::Duration;

/// Calls `look` until it says yes (`true`) or the time is over. Others may run between two looks:
/// who is to bring what is looked for may be waiting for this very core.
pub(crate) fn spin(limit: Duration, mut look: impl FnMut() -> bool) -> bool {
    let end = clock::now() + limit;
    loop {
        if look() {
            return true;
        }
        if clock::now() >= end {
            return false;
        }
        thread::yield_now();
    }
}
