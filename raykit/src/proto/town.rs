//! `Town`: some brains, a road between them, and what may go wrong on it, one thing at a time.

use super::event::{Action, Event, Offer, Wish};
use super::machine::{Machine, Welcome};
use super::wire::{Bytes, Frame, LeaseId, Member, Outcome, Wire};
use crate::base::moment::Moment;
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, TaskId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) const HEAD: NodeId = NodeId(1);
pub(super) const NODE: NodeId = NodeId(2);
pub(super) const OTHER: NodeId = NodeId(3);

/// Calls: one that has a result at once, one that is turned down, and one that runs until it is
/// stopped.
pub(super) const ENDS: &[u8] = b"ends";
pub(super) const REFUSED: &[u8] = b"refused";
pub(super) const ENDLESS: &[u8] = b"endless";

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Lost,
    Twice,
    /// It comes after the one that follows it.
    Late,
    /// The link ends, and with it all that is under way.
    Cut,
}

/// Some brains, and the packets that are on their way.
pub(super) struct Town {
    pub(super) now: Moment,
    pub(super) brains: BTreeMap<NodeId, Machine>,
    road: VecDeque<(NodeId, NodeId, Bytes)>,
    pub(super) sent: usize,
    /// What befalls which packet.
    pub(super) trouble: Option<(usize, Trouble)>,
    /// Nodes whose processes have ended without a word, or that nobody hears.
    pub(super) silent: BTreeSet<NodeId>,
    /// What brains wanted done, but for packets and links.
    pub(super) wanted: Vec<(NodeId, Action)>,
}

pub(super) fn cpus(count: u64) -> Resources {
    Resources { cpu: Amount(count * Amount::ONE.0), ..Resources::default() }
}

pub(super) fn member(node: NodeId) -> Member {
    Member {
        node,
        name: String::new(),
        addresses: vec!["10.0.0.1:7000".to_owned()],
        host: 0,
        driver: false,
        total: cpus(4),
        labels: Vec::new(),
    }
}

pub(super) fn lease(node: NodeId, sequence: u64) -> LeaseId {
    LeaseId { task: TaskId { node, sequence }, attempt: 0 }
}

/// A task for that node, or for another one if there is none of that number.
pub(super) fn offer(lease: LeaseId, node: NodeId, spec: &[u8]) -> Box<Offer> {
    Box::new(Offer {
        lease,
        want: cpus(1),
        wish: Wish::At { node, soft: true },
        labels: Arc::from([]),
        holds: false,
        spec: Arc::from(spec),
        refs: Vec::new(),
    })
}

pub(super) fn outcome() -> Outcome {
    Outcome::Inline(Arc::from(&b"a value"[..]), Vec::new())
}

impl Town {
    /// A head and so many more.
    pub(super) fn new(nodes: u32) -> Town {
        let members = vec![member(HEAD)];
        let welcome = Welcome { head: HEAD, version: 1, members, gone: Vec::new() };
        let mut town = Town {
            now: Moment(0),
            brains: BTreeMap::from([(HEAD, Machine::new(HEAD, welcome, Moment(0)))]),
            road: VecDeque::new(),
            sent: 0,
            trouble: None,
            silent: BTreeSet::new(),
            wanted: Vec::new(),
        };
        (0..nodes).for_each(|at| town.join(NodeId(NODE.0 + at)));
        town
    }

    pub(super) fn join(&mut self, node: NodeId) {
        let now = self.now;
        let welcome = self.brain(HEAD).admit(now, member(node));
        self.brains.insert(node, Machine::new(node, welcome, now));
        self.settle();
    }

    pub(super) fn brain(&mut self, node: NodeId) -> &mut Machine {
        self.brains.get_mut(&node).expect("it is there")
    }

    pub(super) fn tell(&mut self, node: NodeId, event: Event) {
        let now = self.now;
        self.brain(node).handle(now, event);
        self.settle();
    }

    /// Carries all to where it goes, until nothing is on its way.
    pub(super) fn settle(&mut self) {
        self.carry(usize::MAX);
    }

    /// Carries so many packets at the most.
    pub(super) fn carry(&mut self, packets: usize) {
        for left in (0..=packets).rev() {
            for node in self.brains.keys().copied().collect::<Vec<_>>() {
                while let Some(action) = self.brain(node).action() {
                    self.does(node, action);
                }
            }
            let next = if left > 0 { self.road.pop_front() } else { None };
            let Some((from, to, packet)) = next else { return };
            let now = self.now;
            if let Some(brain) = self.brains.get_mut(&to).filter(|_| !self.silent.contains(&to)) {
                brain.handle(now, Event::Arrived(from, packet));
            }
        }
    }

    fn does(&mut self, node: NodeId, action: Action) {
        match action {
            Action::Send(to, packet) if !self.silent.contains(&node) => {
                self.send(node, to, packet);
            }
            Action::Connect(to, _) if ![to, node].iter().any(|end| self.silent.contains(end)) => {
                if self.brains.contains_key(&to) {
                    self.both(node, to, Event::Up);
                }
            }
            Action::Send(..) | Action::Connect(..) | Action::Disconnect(_) => {}
            Action::Run { lease, ref spec, .. } => {
                let spec = Arc::clone(spec);
                self.wanted.push((node, action));
                if spec[..] == *REFUSED {
                    self.hears(node, Event::Refused { lease, why: spec });
                } else if spec[..] == *ENDS {
                    self.hears(node, Event::Item { lease, item: outcome() });
                    self.hears(node, Event::Ran { lease, results: vec![outcome()] });
                }
            }
            Action::Stop { lease } => {
                self.wanted.push((node, action));
                self.hears(node, Event::Ran { lease, results: Vec::new() });
            }
            Action::Reserve { group, attempt, bundle, .. } => {
                self.wanted.push((node, action));
                self.hears(node, Event::Reserved { group, attempt, bundle });
            }
            other => self.wanted.push((node, other)),
        }
    }

    pub(super) fn hears(&mut self, node: NodeId, event: Event) {
        let now = self.now;
        self.brain(node).handle(now, event);
    }

    fn both(&mut self, a: NodeId, b: NodeId, event: impl Fn(NodeId) -> Event) {
        self.hears(a, event(b));
        self.hears(b, event(a));
    }

    fn cut(&mut self, a: NodeId, b: NodeId) {
        self.road.retain(|(from, to, _)| ![(a, b), (b, a)].contains(&(*from, *to)));
        self.both(a, b, |peer| Event::Down { peer, sure: false });
    }

    fn send(&mut self, from: NodeId, to: NodeId, packet: Bytes) {
        let at = self.sent;
        self.sent += 1;
        match self.trouble {
            Some((which, Trouble::Lost)) if which == at => {}
            Some((which, Trouble::Cut)) if which == at => self.cut(from, to),
            Some((which, Trouble::Twice)) if which == at => {
                self.road.extend([(from, to, Arc::clone(&packet)), (from, to, packet)]);
            }
            Some((which, Trouble::Late)) if which + 1 == at => {
                let before = self.road.len().saturating_sub(1);
                self.road.insert(before, (from, to, packet));
            }
            _ => self.road.push_back((from, to, packet)),
        }
    }

    /// That time goes by.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            let next = self.brains.values().filter_map(Machine::deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.brains.values_mut().for_each(|brain| brain.overdue(now));
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn count(&self, of: impl Fn(NodeId, &Action) -> bool) -> usize {
        self.wanted.iter().filter(|(node, action)| of(*node, action)).count()
    }

    pub(super) fn deaths_of(&self, node: NodeId, by: NodeId) -> usize {
        self.count(|at, action| {
            at == by && matches!(action, Action::Gone { node: gone, .. } if *gone == node)
        })
    }

    /// Nothing is lent or set aside, and nothing is on its way.
    pub(super) fn is_at_rest(&self) -> bool {
        let rests = |brain: &Machine| {
            brain.counts() == (0, 0, true)
                && brain.is_unused()
                && brain.groups() + brain.unacked() == 0
        };
        self.brains.values().all(rests)
    }
}

/// What a packet says, as somebody would write it who says it outside of the line.
pub(super) fn loose(frame: &Frame) -> Bytes {
    let mut packet = Vec::new();
    (0_u64, 0_u64).put(&mut packet);
    frame.put(&mut packet);
    packet.into()
}
