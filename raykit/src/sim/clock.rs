//! Time that moves when told: a heap of what is to happen, by the time and, of equal times, by the
//! order in which it was put in.

use crate::base::moment::Moment;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

#[derive(Debug)]
struct Entry<E> {
    at: Moment,
    sequence: u64,
    what: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}
impl<E> Eq for Entry<E> {}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// The heap gives out its largest entry, which must be the earliest.
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

#[derive(Debug)]
pub(super) struct Clock<E> {
    now: Moment,
    sequence: u64,
    heap: BinaryHeap<Entry<E>>,
}

impl<E> Clock<E> {
    pub(super) fn new() -> Clock<E> {
        Clock { now: Moment(0), sequence: 0, heap: BinaryHeap::new() }
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    pub(super) fn at(&mut self, at: Moment, what: E) {
        self.sequence += 1;
        self.heap.push(Entry { at: at.max(self.now), sequence: self.sequence, what });
    }

    pub(super) fn after(&mut self, pause: Duration, what: E) {
        self.at(self.now + pause, what);
    }

    /// Moves on to what happens next.
    pub(super) fn next(&mut self) -> Option<E> {
        let entry = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.what)
    }
}
