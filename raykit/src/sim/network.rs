//! Links between nodes: how long a packet takes, and whether it arrives. A link that is cut loses
//! what is under way; a road that is blocked loses what is sent on it; and a link is made again
//! only after both ends have heard that the old one is gone.

use crate::base::NodeId;
use crate::base::moment::Moment;
use crate::base::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up(u64),
    /// So many ends have not heard yet that it is gone.
    Ending(u8),
}

/// How bad it is at this moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) delay_us: usize,
    pub(super) jitter_us: usize,
    /// P1: of ten thousand packets so many are lost, come twice, come out of order.
    pub(super) lost: usize,
    pub(super) twice: usize,
    pub(super) early: usize,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) weather: Weather,
    links: BTreeMap<(NodeId, NodeId), Link>,
    blocked: BTreeSet<(NodeId, NodeId)>,
    /// Roads that are slower by this factor.
    slow: BTreeMap<(NodeId, NodeId), u64>,
    /// When the last packet arrives on each road.
    last: BTreeMap<(NodeId, NodeId), Moment>,
    epoch: u64,
}

fn pair(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    (a.min(b), a.max(b))
}

impl Network {
    pub(super) fn new(weather: Weather) -> Network {
        Network {
            weather,
            links: BTreeMap::new(),
            blocked: BTreeSet::new(),
            slow: BTreeMap::new(),
            last: BTreeMap::new(),
            epoch: 0,
        }
    }

    /// The present link, if there is one.
    pub(super) fn epoch(&self, a: NodeId, b: NodeId) -> Option<u64> {
        match self.links.get(&pair(a, b)) {
            Some(Link::Up(epoch)) => Some(*epoch),
            _ => None,
        }
    }

    /// Makes a link, if the roads are open and the ends have forgotten the old one.
    pub(super) fn connect(&mut self, from: NodeId, to: NodeId) -> Option<u64> {
        let open = !self.is_blocked(from, to) && !self.is_blocked(to, from);
        if !open || self.links.contains_key(&pair(from, to)) {
            return None;
        }
        Some(self.renew(from, to))
    }

    /// A new link in place of whatever there was; what was under way on that is lost.
    pub(super) fn renew(&mut self, a: NodeId, b: NodeId) -> u64 {
        self.epoch += 1;
        self.links.insert(pair(a, b), Link::Up(self.epoch));
        self.epoch
    }

    /// The end at `to` hears of the link at that time, and of no packet before.
    pub(super) fn opens(&mut self, from: NodeId, to: NodeId, at: Moment) {
        self.last.insert((from, to), at);
    }

    /// Ends a link. Both ends are to be told, and each of them by `told`.
    pub(super) fn cut(&mut self, a: NodeId, b: NodeId) -> bool {
        let up = self.epoch(a, b).is_some();
        if up {
            self.links.insert(pair(a, b), Link::Ending(2));
        }
        up
    }

    pub(super) fn told(&mut self, a: NodeId, b: NodeId) {
        match self.links.get_mut(&pair(a, b)) {
            Some(Link::Ending(ends)) if *ends > 1 => *ends -= 1,
            Some(Link::Ending(_)) => drop(self.links.remove(&pair(a, b))),
            _ => {}
        }
    }

    /// Those that have a link to that node.
    pub(super) fn neighbours(&self, node: NodeId) -> Vec<NodeId> {
        let up = self.links.iter().filter(|(_, link)| matches!(link, Link::Up(_)));
        let other = |&(a, b): &(NodeId, NodeId)| match node {
            _ if a == node => Some(b),
            _ if b == node => Some(a),
            _ => None,
        };
        up.filter_map(|(ends, _)| other(ends)).collect()
    }

    pub(super) fn block(&mut self, from: NodeId, to: NodeId) {
        self.blocked.insert((from, to));
    }

    pub(super) fn unblock(&mut self, from: NodeId, to: NodeId) {
        self.blocked.remove(&(from, to));
    }

    pub(super) fn slow(&mut self, a: NodeId, b: NodeId, factor: u64) {
        self.slow.insert(pair(a, b), factor);
    }

    /// Good weather, and all roads open.
    pub(super) fn heal(&mut self) {
        self.blocked.clear();
        self.slow.clear();
        (self.weather.lost, self.weather.twice, self.weather.early) = (0, 0, 0);
    }

    pub(super) fn is_blocked(&self, from: NodeId, to: NodeId) -> bool {
        self.blocked.contains(&(from, to))
    }

    pub(super) fn delay(&self, rng: &mut Rng, a: NodeId, b: NodeId) -> Duration {
        let factor = self.slow.get(&pair(a, b)).copied().unwrap_or(1);
        let us = self.weather.delay_us + rng.below(self.weather.jitter_us + 1);
        Duration::from_micros(us as u64 * factor)
    }

    /// When a packet that is sent now arrives: never, once or twice.
    pub(super) fn route(
        &mut self,
        now: Moment,
        rng: &mut Rng,
        from: NodeId,
        to: NodeId,
    ) -> [Option<Moment>; 2] {
        if self.is_blocked(from, to) {
            return [None, None];
        }
        let dice = rng.below(10_000);
        let Weather { lost, twice, early, .. } = self.weather;
        if dice < lost {
            return [None, None];
        }
        let mut at = now + self.delay(rng, from, to);
        let last = self.last.entry((from, to)).or_default();
        if dice >= lost + early {
            at = at.max(*last + Duration::from_nanos(1));
            *last = at;
        }
        let again = dice >= 10_000 - twice;
        [Some(at), again.then(|| at + Duration::from_micros(rng.below(5_000) as u64))]
    }
}
