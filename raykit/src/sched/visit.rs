//! A look at what a pool has to do, for whoever asks from outside. Nothing is taken out, and no job
//! is held beyond the look: the last claim to one must not end here.

use super::Pool;
use super::job::Job;
use std::sync::Arc;

impl Pool {
    /// Shows the jobs that run, those below others on a thread's stack included.
    pub(crate) fn visit_running(&self, see: &mut dyn FnMut(&Arc<dyn Job>)) {
        self.shared.seats().iter().for_each(|seat| seat.visit(see));
    }

    /// Shows the jobs that are queued, as long as `see` says so: those that were granted what they
    /// asked for, those that wait for it, and those of one CPU. A worker's own queue cannot be
    /// looked into; `queued_all` counts what is there too.
    pub(crate) fn visit_queued(&self, see: &mut dyn FnMut(&Arc<dyn Job>) -> bool) {
        let shared = &self.shared;
        let _ = shared.granted.visit(see) && shared.budget.visit(see) && shared.lanes.visit(see);
    }

    /// Jobs that are queued anywhere, about.
    pub(crate) fn queued_all(&self) -> usize {
        let shared = &self.shared;
        let own: usize = shared.seats().iter().map(|seat| seat.stealer.len()).sum();
        own + shared.granted.len() + shared.budget.waiting() + shared.lanes.len()
    }
}
