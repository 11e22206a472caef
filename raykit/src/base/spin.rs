//! A short look at something that may come any moment.

use super::limits::SPIN_ALONE_US;
use std::time::{Duration, Instant};

/// Calls `look` until it says yes (`true`) or the time is over.
pub(crate) fn spin(limit: Duration, mut look: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if look() {
            return true;
        }
        let spent = begun.elapsed();
        if spent >= limit {
            return false;
        }
        if spent.as_micros() < u128::from(SPIN_ALONE_US) {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}
