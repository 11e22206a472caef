//! `Queue`: first in, first out, for any number of threads. Its memory is one ring under a lock: a
//! push allocates nothing once the ring has grown, and nobody who takes something out frees memory
//! that the pushing thread's allocator has to be locked for.

use super::job::Job;
use crate::base::sync::{Arc, AtomicUsize, Mutex, Ordering};
use std::collections::VecDeque;

/// How many one call of `pop_batch` takes out at the most.
const BATCH_LEN_MAX: usize = 32;
/// A ring that is empty and longer than this is given back.
const KEPT_LEN_MAX: usize = 1 << 12;

/// Jobs in the order of their arrival.
pub(crate) struct Queue {
    /// Length of `jobs`, readable without the lock.
    len: AtomicUsize,
    jobs: Mutex<VecDeque<Arc<dyn Job>>>,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue { len: AtomicUsize::new(0), jobs: Mutex::new(VecDeque::new()) }
    }

    pub(crate) fn push(&self, job: Arc<dyn Job>) {
        let mut jobs = self.jobs.lock();
        jobs.push_back(job);
        // Who sleeps reads this behind a fence; see README.md beside this file.
        self.len.store(jobs.len(), Ordering::Release);
    }

    /// How many there are, about.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Takes out the oldest of those that `wanted` says yes to, `count` at the most, and looks at
    /// no more than twice as many.
    pub(crate) fn take(
        &self,
        count: usize,
        wanted: impl Fn(&Arc<dyn Job>) -> bool,
    ) -> Vec<Arc<dyn Job>> {
        let mut jobs = self.jobs.lock();
        let mut taken = Vec::new();
        let mut passed = 0;
        while taken.len() < count && passed <= count && passed < jobs.len() {
            if wanted(&jobs[passed]) {
                taken.extend(jobs.remove(passed));
            } else {
                passed += 1;
            }
        }
        self.len.store(jobs.len(), Ordering::Release);
        taken
    }

    /// Shows the oldest of them, as long as `see` says so. Nobody takes or adds any meanwhile.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&Arc<dyn Job>) -> bool) -> bool {
        self.jobs.lock().iter().all(see)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub(crate) fn pop(&self) -> Option<Arc<dyn Job>> {
        if self.is_empty() {
            return None;
        }
        let mut jobs = self.jobs.lock();
        let first = jobs.pop_front();
        self.len.store(jobs.len(), Ordering::Release);
        first
    }

    /// Takes one out, and hands up to `limit` more to `further`, the last of them first, but not
    /// more than half of what is here.
    pub(crate) fn pop_batch(
        &self,
        limit: usize,
        further: impl FnMut(Arc<dyn Job>),
    ) -> Option<Arc<dyn Job>> {
        if self.is_empty() {
            return None;
        }
        let mut batch: [Option<Arc<dyn Job>>; BATCH_LEN_MAX] = [const { None }; BATCH_LEN_MAX];
        let (first, emptied) = {
            let mut jobs = self.jobs.lock();
            let first = jobs.pop_front()?;
            let more = limit.min(BATCH_LEN_MAX).min(jobs.len().div_ceil(2));
            for (place, job) in batch.iter_mut().zip(jobs.drain(..more)) {
                *place = Some(job);
            }
            self.len.store(jobs.len(), Ordering::Release);
            let wasteful = jobs.is_empty() && jobs.capacity() > KEPT_LEN_MAX;
            (first, wasteful.then(|| std::mem::take(&mut *jobs)))
        };
        drop(emptied);
        batch.into_iter().rev().flatten().for_each(further);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::Numbered;
    use super::*;

    fn filled(with: u64) -> Queue {
        let queue = Queue::new();
        (0..with).for_each(|number| queue.push(Arc::new(Numbered(number))));
        queue
    }

    #[test]
    fn jobs_come_out_in_the_order_of_their_arrival() {
        let queue = filled(100);
        let out: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|job| job.label()).collect();
        assert_eq!(out, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(queue.is_empty());
    }

    #[test]
    fn a_batch_leaves_half_to_others_and_is_bounded() {
        for (here, limit, taken) in [(1, 32, 0), (2, 32, 1), (9, 32, 4), (9, 2, 2), (500, 99, 32)] {
            let queue = filled(here);
            let mut more = Vec::new();
            let first = queue.pop_batch(limit, |job| more.push(job.label())).map(|job| job.label());
            assert_eq!(first.as_deref(), Some("0"));
            let expected: Vec<_> = (1..=taken).rev().map(|number| number.to_string()).collect();
            assert_eq!(more, expected, "{here} with limit {limit}");
            let left = std::iter::from_fn(|| queue.pop()).count() as u64;
            assert_eq!(left, here - 1 - taken);
        }
    }

    #[test]
    fn a_long_ring_is_given_back_once_it_is_empty() {
        let queue = filled(2 * KEPT_LEN_MAX as u64);
        while queue.pop_batch(BATCH_LEN_MAX, drop).is_some() {}
        assert!(queue.is_empty());
        assert_eq!(queue.jobs.lock().capacity(), 0);
    }
}
