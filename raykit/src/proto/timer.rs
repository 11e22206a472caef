//! All deadlines of the brain, by name, in one table.

use super::wire::LeaseId;
use crate::base::NodeId;
use crate::base::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Say that one is here.
    Beat,
    /// Look who has been silent.
    Silence,
    /// Tell others what has changed in what nodes have to do.
    Loads,
    /// Acknowledge what that node has sent, if nothing else was sent to it meanwhile.
    Ack(NodeId),
    /// Send again what that node has not acknowledged.
    Resend(NodeId),
    /// Try again to get a link to that node.
    Redial(NodeId),
    /// A placement group is tried for too long, or may be tried again.
    Groups,
    /// A task that no node can run fails if none has come.
    Infeasible(LeaseId),
    /// Of what was begun and ended at that node lately its own word has come.
    Unheard(NodeId),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    at: BTreeMap<Timer, Moment>,
    order: BTreeSet<(Moment, Timer)>,
}

impl Timers {
    /// Sets a deadline, in place of an earlier one of that name.
    pub(super) fn set(&mut self, timer: Timer, at: Moment) {
        self.clear(timer);
        self.at.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// The same where there is none yet.
    pub(super) fn set_if_unset(&mut self, timer: Timer, at: Moment) {
        if !self.at.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    /// The same where there is none yet, or a later one.
    pub(super) fn set_if_earlier(&mut self, timer: Timer, at: Moment) {
        if self.at.get(&timer).is_none_or(|before| at < *before) {
            self.set(timer, at);
        }
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.at.len()
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out one whose time has come.
    pub(super) fn due(&mut self, now: Moment) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Beat, Moment(20));
        timers.set(Timer::Ack(NodeId(1)), Moment(10));
        timers.set(Timer::Silence, Moment(5));
        timers.set(Timer::Beat, Moment(15));
        timers.set_if_unset(Timer::Beat, Moment(1));
        timers.set_if_earlier(Timer::Beat, Moment(16));
        timers.clear(Timer::Silence);
        assert_eq!(timers.next(), Some(Moment(10)));
        assert_eq!(timers.due(Moment(9)), None);
        assert_eq!(timers.due(Moment(30)), Some(Timer::Ack(NodeId(1))));
        assert_eq!(timers.due(Moment(30)), Some(Timer::Beat));
        assert_eq!((timers.due(Moment(30)), timers.next()), (None, None));
    }
}
