//! `Job`: what the pool runs. It knows how to run once and what to do if it never will; the pool
//! knows nothing else of it.

use std::any::Any;
use std::sync::Arc;

/// A unit of work, shared with whoever else may start it first.
pub(crate) trait Job: Any + Send + Sync {
    /// Runs the work, unless it was started or given up already.
    fn run(self: Arc<Self>);

    /// The pool is closed: the work will not be started by it, or is not waited for any longer.
    fn abandon(&self);

    /// What the work asked for was granted. `false` if a worker should run it now; who runs
    /// elsewhere takes note, and says `true`.
    fn take_grant(&self) -> bool {
        false
    }

    /// Whether it could as well run on another node.
    fn can_leave(&self) -> bool {
        false
    }

    /// The lane whose turn this work takes.
    fn lane(&self) -> LaneId;

    /// How the work is named in reports.
    fn label(&self) -> String;
}

/// Names a [`Lane`](super::lanes::Lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(pub(crate) u32);

/// A job of the tests: it has a number, and does nothing.
#[cfg(test)]
pub(super) struct Numbered(pub(super) u64);

#[cfg(test)]
impl Job for Numbered {
    fn run(self: Arc<Self>) {}
    fn abandon(&self) {}
    fn lane(&self) -> LaneId {
        LaneId(0)
    }
    fn label(&self) -> String {
        self.0.to_string()
    }
}
