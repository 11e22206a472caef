//! `Room`: what one node has of another's tasks, and how many it may have at a time.

use crate::base::limits::{AHEAD_MS, AHEAD_TASKS_MAX};
use crate::base::moment::Moment;
use crate::base::quantity::{Amount, Resources};
use std::time::Duration;

/// What this node has lent to another one.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// What it is busy with for this node.
    pub(super) lent: Resources,
    pub(super) count: u32,
    /// What was begun there and keeps what it asks for, and what has ended, too short a while ago
    /// for the node's own word on it.
    pub(super) held: Resources,
    pub(super) freed: Resources,
    /// Tasks that it has finished in the present stretch of time, and in the one before.
    finished: u32,
    finished_before: u32,
    stretch: Moment,
    /// It has said that it has nothing to do.
    pub(super) asks: bool,
}

/// So much work is held ahead of a node for this long.
const STRETCH: Duration = Duration::from_millis(AHEAD_MS);

impl Room {
    pub(super) const fn new() -> Room {
        Room {
            lent: Resources::NOTHING,
            count: 0,
            held: Resources::NOTHING,
            freed: Resources::NOTHING,
            finished: 0,
            finished_before: 0,
            stretch: Moment(0),
            asks: false,
        }
    }

    pub(super) fn give(&mut self, want: &Resources) {
        self.count += 1;
        self.lent.add(want);
    }

    pub(super) fn take_back(&mut self, want: &Resources) {
        self.count = self.count.saturating_sub(1);
        self.lent.keep_from(want);
    }

    pub(super) fn finish(&mut self, now: Moment) {
        if now.since(self.stretch) >= STRETCH {
            let late = now.since(self.stretch) >= 2 * STRETCH;
            self.finished_before = if late { 0 } else { self.finished };
            (self.finished, self.stretch) = (0, now);
        }
        self.finished += 1;
    }

    /// How many tasks it may have at a time: those that it can run, and as many as it has finished
    /// lately.
    pub(super) fn ahead(&self, total: &Resources) -> u32 {
        let cpus = (total.cpu.0 / Amount::ONE.0) as u32;
        let lately = self.finished.max(self.finished_before);
        (cpus + 1).max(2 * lately).min(AHEAD_TASKS_MAX)
    }
}
