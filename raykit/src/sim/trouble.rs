//! The world carries out the plan of troubles.

use super::checks::HEAD;
use super::faults::{Fault, Noticed};
use super::host::Chore;
use super::node::Happening;
use super::world::{WORD_WITHIN, World};
use crate::base::NodeId;
use std::collections::VecDeque;
use std::time::Duration;

/// Nodes in one world at the most.
const NODES_MAX: u32 = 8;

/// How often a node that is to go looks whether it can.
const DRAINED_EVERY: Duration = Duration::from_millis(100);

impl World {
    /// One of the nodes that live, by dice; `spares` the head.
    fn one(&self, dice: usize, spares: bool) -> Option<NodeId> {
        let all: Vec<NodeId> =
            self.nodes.keys().copied().filter(|id| !spares || *id != HEAD).collect();
        (!all.is_empty()).then(|| all[dice % all.len()])
    }

    fn two(&self, a: usize, b: usize) -> Option<(NodeId, NodeId)> {
        let (a, b) = (self.one(a, false)?, self.one(b, false)?);
        (a != b).then_some((a, b))
    }

    /// What happens to no process, but to the world.
    pub(super) fn befalls(&mut self, what: Happening) {
        match what {
            Happening::Fault(fault) => self.fault(fault),
            Happening::Resume(id) => self.resume(id),
            Happening::Enter(id, welcome) => self.enter(id, welcome),
            Happening::Unblock(from, to) => self.network.unblock(from, to),
            Happening::Turn => self.turns_hostile(),
            Happening::Attack => self.attacks(),
            Happening::Unslow(a, b) => self.network.slow(a, b, 1),
            _ => {}
        }
    }

    fn fault(&mut self, fault: Fault) {
        if self.tells {
            println!("{:>12} {fault:?}", self.clock.now().0 / 1_000);
        }
        match fault {
            Fault::Crash { who, noticed } => {
                if let Some(id) = self.one(who, true) {
                    self.crash(id, noticed);
                }
            }
            Fault::Pause { who, time } => {
                let Some(id) = self.one(who, false) else { return };
                let time = if id == HEAD { time.min(Duration::from_secs(3)) } else { time };
                if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.held.is_none()) {
                    node.held = Some(VecDeque::new());
                    self.clock.after(time, Happening::Resume(id));
                }
            }
            Fault::Cut { a, b } => {
                if let Some((a, b)) = self.two(a, b) {
                    self.cut(a, b);
                }
            }
            Fault::Replace { a, b } => {
                if let Some((a, b)) = self.two(a, b).filter(|(a, b)| {
                    self.network.epoch(*a, *b).is_some() && !self.network.is_blocked(*a, *b)
                }) {
                    let epoch = self.network.renew(a, b);
                    self.opens(a, b, epoch);
                }
            }
            Fault::Part { groups, time, one_way } => self.part(groups, time, one_way),
            Fault::Slow { a, b, time } => {
                if let Some((a, b)) = self.two(a, b) {
                    self.network.slow(a, b, 100);
                    self.clock.after(time, Happening::Unslow(a, b));
                }
            }
            Fault::Rumour { who } => {
                if let Some(node) = self.one(who, true) {
                    let head = HEAD;
                    let near = false;
                    self.clock.after(Duration::ZERO, Happening::Doubt { head, node, near });
                }
            }
            Fault::Join { late } => self.join(late),
            Fault::Leave { who } => self.leave(who),
        }
    }

    fn crash(&mut self, id: NodeId, noticed: Noticed) {
        let head = HEAD;
        match noticed {
            Noticed::Surely => self.end(id, true),
            Noticed::ByLostLinks => self.end(id, false),
            Noticed::ByDoubt | Noticed::Never => {
                self.nodes.remove(&id);
                self.model.ended.insert(id);
                if noticed == Noticed::ByDoubt {
                    // Some are on the head's host.
                    let near = id.0.is_multiple_of(2);
                    self.clock.after(Duration::ZERO, Happening::Doubt { head, node: id, near });
                }
            }
        }
    }

    fn part(&mut self, groups: usize, time: Duration, one_way: bool) {
        let side = |id: &NodeId| groups >> (id.0 % 8) & 1;
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        for from in &all {
            for to in all.iter().filter(|to| side(from) != side(to)) {
                if side(from) == 0 || !one_way {
                    self.network.block(*from, *to);
                    self.clock.after(time, Happening::Unblock(*from, *to));
                }
            }
        }
    }

    pub(super) fn join(&mut self, late: bool) {
        if self.next > NODES_MAX {
            return;
        }
        let member = self.member();
        let now = self.clock.now();
        let Some(head) = self.nodes.get_mut(&HEAD).filter(|head| head.held.is_none()) else {
            return;
        };
        let id = member.node;
        let welcome = head.machine.admit(head.local(now), member);
        self.carry_out(HEAD, None);
        if late {
            self.model.ended.insert(id);
        } else {
            let pause = Duration::from_millis(self.rng.below(300) as u64);
            self.clock.after(pause, Happening::Enter(id, welcome));
        }
    }

    fn leave(&mut self, who: usize) {
        let Some(id) = self.one(who, true) else { return };
        let most = if self.rng.below(3) == 0 { 3_000 } else { 40_000 };
        let pause = Duration::from_millis(500 + self.rng.below(most) as u64);
        let now = self.clock.now();
        if let Some(node) = self.nodes.get_mut(&id) {
            node.host.draining = true;
            node.leaves.get_or_insert(now);
            self.clock.after(pause, Happening::Chore(id, Chore::Leave));
            if self.extras.drains {
                self.clock.after(DRAINED_EVERY, Happening::Chore(id, Chore::Drained));
            }
            self.carry_out(id, None);
        }
    }

    /// A node that is to go looks whether somebody waits for something of it: it waits until all
    /// have heard that it takes nothing new, and all that it has said has come.
    pub(super) fn drains_out(&mut self, id: NodeId) {
        let now = self.clock.now();
        let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.host.left) else { return };
        let all_know = node.leaves.is_some_and(|since| now.since(since) > WORD_WITHIN);
        if all_know && node.host.is_drained() && node.machine.unacked() == 0 {
            self.model.drained.insert(id);
            node.host.leaves();
        } else {
            self.clock.after(DRAINED_EVERY, Happening::Chore(id, Chore::Drained));
        }
        self.carry_out(id, None);
    }
}
