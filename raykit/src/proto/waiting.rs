//! `Waiting`: tasks that no node has, in the order in which they came, by what they ask for: where
//! there is no place for one there is none for the others that ask for the same.

use super::event::{Offer, Wish};
use super::wire::LeaseId;
use crate::base::labels::Need;
use crate::base::quantity::Resources;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    lines: Vec<Line>,
    /// How many have come.
    count: u64,
}

/// Those that ask for the same.
#[derive(Debug)]
struct Line {
    want: Resources,
    wish: Wish,
    labels: Arc<[Need]>,
    holds: bool,
    /// Each with its place in the order of all.
    leases: VecDeque<(u64, LeaseId)>,
}

impl Waiting {
    pub(super) fn push(&mut self, offer: &Offer) {
        self.count += 1;
        let (count, lease) = (self.count, offer.lease);
        let same = |line: &&mut Line| {
            line.want == offer.want
                && line.wish == offer.wish
                && line.labels == offer.labels
                && line.holds == offer.holds
        };
        match self.lines.iter_mut().find(same) {
            Some(line) => line.leases.push_back((count, lease)),
            None => self.lines.push(Line {
                want: offer.want.clone(),
                wish: offer.wish,
                labels: Arc::clone(&offer.labels),
                holds: offer.holds,
                leases: VecDeque::from([(count, lease)]),
            }),
        }
    }

    /// Of the first of each line the oldest that came no sooner than `from`, and which line that
    /// is.
    pub(super) fn next(&self, from: u64) -> Option<(usize, LeaseId)> {
        let firsts = self.lines.iter().enumerate().filter_map(|(at, line)| {
            let (order, lease) = *line.leases.front()?;
            (order >= from).then_some((order, at, lease))
        });
        firsts.min().map(|(_, at, lease)| (at, lease))
    }

    /// When the first of that line has come.
    pub(super) fn order(&self, at: usize) -> u64 {
        self.lines.get(at).and_then(|line| line.leases.front()).map_or(u64::MAX, |first| first.0)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &LeaseId> {
        self.lines.iter().flat_map(|line| line.leases.iter().map(|(_, lease)| lease))
    }

    /// Takes out the first of that line.
    pub(super) fn take(&mut self, at: usize) {
        let Some(line) = self.lines.get_mut(at) else { return };
        line.leases.pop_front();
        if line.leases.is_empty() {
            self.lines.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::quantity::Amount;
    use crate::base::{NodeId, TaskId};

    fn offer(sequence: u64, cpus: u64) -> Offer {
        let lease = LeaseId { task: TaskId { node: NodeId(1), sequence }, attempt: 0 };
        let want = Resources { cpu: Amount(cpus), ..Resources::default() };
        Offer {
            lease,
            want,
            wish: Wish::Anywhere,
            labels: Arc::from([]),
            holds: false,
            spec: Arc::from([]),
            refs: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_comes_first_and_no_line_holds_up_another() {
        let mut waiting = Waiting::default();
        for (sequence, cpus) in [(1, 5), (2, 5), (3, 1), (4, 5), (5, 1)] {
            waiting.push(&offer(sequence, cpus));
        }
        let first = |waiting: &Waiting, from| {
            waiting.next(from).map(|(at, lease)| (at, lease.task.sequence))
        };
        assert_eq!(first(&waiting, 0), Some((0, 1)));
        let after = waiting.order(0) + 1;
        let (small, sequence) = first(&waiting, after).expect("the other line");
        assert_eq!(sequence, 3);
        waiting.take(small);
        assert_eq!(first(&waiting, after), Some((small, 5)));
        waiting.take(small);
        assert_eq!(first(&waiting, after), None);
        for sequence in [1, 2, 4] {
            assert_eq!(first(&waiting, 0), Some((0, sequence)));
            waiting.take(0);
        }
        assert_eq!(first(&waiting, 0), None);
    }
}
