//! Code of the user's that runs where nobody could be told of its panic: a value's own `Drop` above
//! all.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`. A panic in it is logged and harms nobody; the panic hook has printed it already.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        tracing::error!("a value panicked when it was dropped");
        // So may its payload.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    }
}
