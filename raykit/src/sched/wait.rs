//! What a worker does when its task waits for something that another thread has to do: it gives its
//! CPU back, sees to it that a thread is there to use it, sleeps, and takes a CPU again.

use super::worker::Worker;
use crate::base::quantity::Amount;

/// All threads that the pool may have are waiting; one more would leave nobody to do the work.
#[derive(Debug)]
pub(crate) struct Exhausted {
    pub(crate) threads: usize,
}

impl Worker {
    /// Calls `sleep`, which blocks this thread, while others use its CPU.
    pub(crate) fn block<R>(&self, sleep: impl FnOnce() -> R) -> Result<R, Exhausted> {
        let shared = &self.shared;
        if !self.is_desk() {
            shared.crew_blocks()?;
        }
        self.set_busy(false);
        let charge = self.set_charge(Amount::ZERO);
        shared.run_granted(shared.budget.give_cpu(charge));
        let result = self.away(sleep);
        if !self.is_desk() {
            shared.crew_unblocks();
        }
        shared.budget.take_back(charge, &self.parker, |jobs| shared.run_granted(jobs));
        self.set_charge(charge);
        self.set_busy(true);
        Ok(result)
    }
}
