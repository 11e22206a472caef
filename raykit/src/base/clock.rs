//! What time it is: by the system's clocks, or by that of the simulation which the calling thread
//! belongs to.

use std::time::{Duration, Instant, SystemTime};

/// A moment of this process.
#[inline]
#[allow(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub(crate) fn now() -> Instant {
    #[cfg(feature = "sim")]
    if let Some(now) = super::turns::now() {
        return now;
    }
    Instant::now()
}

/// How long ago `earlier` was.
pub(crate) fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}

/// How long the year 1970 is ago.
pub(crate) fn since_epoch() -> Duration {
    #[cfg(feature = "sim")]
    if let Some(elapsed) = super::turns::elapsed() {
        return elapsed;
    }
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
