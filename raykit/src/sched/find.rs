//! Where a worker finds its next job of one CPU: what is urgent, its own queue, the common ones,
//! and those of the other workers.

use super::job::Job;
use super::lanes::{Lane, Row};
use super::worker::Worker;
use crate::base::clock;
use crate::base::limits::SLICE_US;
use crossbeam_deque::Steal;
use std::sync::Arc;
use std::time::Duration;

/// How many tasks a worker takes from a common queue at once.
const BATCH_LEN: usize = 32;
/// How many it takes from another worker at once.
const STEAL_LEN: usize = 16;

impl Worker {
    pub(super) fn find_plain(&self) -> Option<Arc<dyn Job>> {
        let row = self.row();
        if row.len() > 1
            && let Some(job) = self.urgent(&row).or_else(|| self.next_in_turn(&row))
        {
            return Some(job);
        }
        self.deque
            .pop()
            .or_else(|| self.take_from_lanes(&row, |priority| priority >= 0))
            .or_else(|| self.steal())
            .or_else(|| self.take_from_lanes(&row, |priority| priority < 0))
    }

    /// A task of a priority above the common one. Such tasks never lie in a worker's own queue,
    /// where others could not see that they are urgent.
    fn urgent(&self, row: &Row) -> Option<Arc<dyn Job>> {
        row.iter().take_while(|lane| lane.priority > 0).find_map(|lane| lane.pop())
    }

    /// When the turn of the present lane is over and another one waits: a task of that one. What is
    /// left in the own queue goes back to the common one first.
    fn next_in_turn(&self, row: &Row) -> Option<Arc<dyn Job>> {
        let mine = self.lane.borrow().id;
        let waits = |lane: &&Arc<Lane>| lane.priority == 0 && lane.id != mine && !lane.is_empty();
        if !row.iter().any(|lane| waits(&lane)) {
            self.slice_ends.set(None);
            return None;
        }
        let now = clock::now();
        match self.slice_ends.get() {
            Some(end) if now >= end => {}
            Some(_) => return None,
            None => {
                self.slice_ends.set(Some(now + Duration::from_micros(SLICE_US)));
                return None;
            }
        }
        self.slice_ends.set(None);
        let at = row.iter().position(|lane| lane.id == mine).map_or(0, |at| at + 1);
        let next = row[at..].iter().chain(&row[..at]).find(waits)?;
        while let Some(job) = self.deque.pop() {
            self.shared.lanes.push(job);
        }
        next.pop_batch(&self.deque, BATCH_LEN)
    }

    fn take_from_lanes(&self, row: &Row, which: impl Fn(i32) -> bool) -> Option<Arc<dyn Job>> {
        let mine = self.lane.borrow().id;
        let at = row.iter().position(|lane| lane.id == mine).unwrap_or(0);
        let level = |lane: &&Arc<Lane>| which(lane.priority);
        let take = |lane: &Arc<Lane>| match lane.priority {
            0 => lane.pop_batch(&self.deque, BATCH_LEN),
            _ => lane.pop(),
        };
        // From the present lane on, and around; lanes of other priorities in the order of the row.
        let same = row[at..].iter().chain(&row[..at]).filter(|lane| lane.priority == 0);
        same.filter(level)
            .find_map(take)
            .or_else(|| row.iter().filter(|lane| lane.priority != 0).filter(level).find_map(take))
    }

    fn steal(&self) -> Option<Arc<dyn Job>> {
        let seats = self.seats();
        let start = self.rng.borrow_mut().below(seats.len().max(1));
        let order = (start..seats.len()).chain(0..start);
        for at in order.filter(|at| !Arc::ptr_eq(&seats[*at], &self.seat)) {
            loop {
                match seats[at].stealer.steal_batch_with_limit_and_pop(&self.deque, STEAL_LEN) {
                    Steal::Success(job) => return Some(job),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }
}
