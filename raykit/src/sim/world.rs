//! `World`: all nodes, the network between them, one clock, and one loop: `step`.

use super::checks::{self, HEAD, Nodes};
use super::clock::Clock;
use super::faults::Extras;
use super::host::{Chore, Host};
use super::model::{Model, mix};
use super::network::Network;
use super::node::{Happening, Node};
use crate::base::NodeId;
use crate::base::quantity::{Amount, Resources};
use crate::base::rng::Rng;
use crate::proto::event::{Action, Event};
use crate::proto::machine::Welcome;
use crate::proto::wire::{Bytes, Member};
use std::collections::VecDeque;
use std::time::Duration;

/// Looks after which a node that is dead for the head must have heard of it: some seconds.
const UNAWARE_MAX: u32 = 24;
/// In mild weather all have heard within so long that a node takes nothing new.
pub(super) const WORD_WITHIN: Duration = Duration::from_secs(8);

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) clock: Clock<Happening>,
    pub(super) network: Network,
    pub(super) nodes: Nodes,
    pub(super) model: Model,
    /// The number of the next node.
    pub(super) next: u32,
    pub(super) submits: u32,
    pub(super) steps: u64,
    pub(super) hash: u64,
    /// Prints what happens.
    pub(super) tells: bool,
    pub(super) extras: Extras,
    pub(super) seed: u64,
    /// The dice of who is hostile.
    pub(super) foe: Rng,
}

impl World {
    pub(super) fn new(rng: Rng, network: Network, submits: u32, tells: bool) -> World {
        World {
            rng,
            clock: Clock::new(),
            network,
            nodes: Nodes::new(),
            model: Model::default(),
            next: 1,
            submits,
            steps: 0,
            hash: 0,
            tells,
            extras: Extras::default(),
            seed: 0,
            foe: Rng::new(0),
        }
    }

    /// A node as others will know it.
    pub(super) fn member(&mut self) -> Member {
        let node = NodeId(self.next);
        self.next += 1;
        let mut total = super::host::cpus(1 + self.rng.below(4));
        if self.rng.below(2) == 0 {
            total.gpu = Amount::ONE;
        }
        let name = format!("node {}", node.0);
        let (addresses, labels) = (Vec::new(), Vec::new());
        Member { node, name, addresses, host: 0, driver: false, total, labels }
    }

    pub(super) fn enter(&mut self, id: NodeId, welcome: Welcome) {
        let of_me = welcome.members.iter().find(|member| member.node == id);
        let Some(total) = of_me.map(|member| member.total.clone()) else { return };
        let mut host = Host::new(id, self.rng.next(), total, self.submits);
        host.takes_up(self.extras);
        let (base, ppm) = (self.rng.below(1 << 40) as u64, self.rng.below(10_001) as i64 - 5_000);
        let node = Node::new(host, welcome, self.clock.now(), base, ppm);
        self.nodes.insert(id, node);
        self.carry_out(id, None);
    }

    /// Does the next thing that is to happen. Whether there was one.
    pub(super) fn step(&mut self) -> Option<Happening> {
        let what = self.clock.next()?;
        self.steps += 1;
        if let Some(id) = what.whose() {
            if let Some(held) = self.nodes.get_mut(&id).and_then(|node| node.held.as_mut()) {
                held.push_back(what);
                return Some(Happening::Look);
            }
            self.happens(id, what);
            return Some(Happening::Look);
        }
        Some(what)
    }

    fn happens(&mut self, id: NodeId, what: Happening) {
        self.hash = mix(self.hash ^ self.clock.now().0, u64::from(id.0));
        match what {
            Happening::Deliver { from, epoch, packet, .. } => {
                let open = self.network.epoch(from, id) == Some(epoch);
                if open && !self.network.is_blocked(from, id) {
                    let words = packet.chunks(8).map(|bytes| {
                        bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
                    });
                    self.hash = words.fold(self.hash, mix);
                    self.tells_brain(id, Event::Arrived(from, packet));
                }
            }
            Happening::Up { peer, epoch, .. } if self.network.epoch(id, peer) == Some(epoch) => {
                self.tells_brain(id, Event::Up(peer));
            }
            Happening::Down { peer, sure, .. } => {
                self.network.told(id, peer);
                self.tells_brain(id, Event::Down { peer, sure });
            }
            Happening::Doubt { node, near, .. } => {
                self.tells_brain(id, Event::Doubt { node, near });
            }
            Happening::Wake(_) => self.wakes(id),
            Happening::Drain(_) => self.drains(id),
            Happening::Chore(_, Chore::Fetch(lease, by)) => self.fetches(id, lease, by),
            Happening::Chore(_, Chore::Drained) => self.drains_out(id),
            Happening::Chore(_, chore) => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.host.does(&mut self.model, chore);
                    self.carry_out(id, None);
                }
            }
            _ => {}
        }
    }

    fn tells_brain(&mut self, id: NodeId, event: Event) {
        let now = self.clock.now();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if self.tells {
            println!("{:>12} {id} {}", now.0 / 1_000, told(&event));
        }
        node.deaf = matches!(event, Event::Arrived(from, _) if node.machine.is_dead(from));
        node.machine.handle(node.local(now), event.clone());
        self.carry_out(id, Some(event));
    }

    fn wakes(&mut self, id: NodeId) {
        let now = self.clock.now();
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.wake.is_some_and(|wake| wake > now) {
            return; // an earlier thought
        }
        node.wake = None;
        let local = node.local(now);
        if node.machine.deadline().is_some_and(|deadline| deadline <= local) {
            node.machine.overdue(local);
        }
        self.carry_out(id, None);
    }

    fn drains(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        for _ in 0..node.host.inbox.len() {
            let Some(node) = self.nodes.get_mut(&id) else { return };
            let Some(event) = node.host.inbox.pop_front() else { break };
            node.host.hands_over(&mut self.model, &event);
            self.tells_brain(id, event);
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.due = false;
        }
        self.schedule(id);
    }

    /// Carries out what the brain wants, and checks it. `event` is what it has just heard.
    pub(super) fn carry_out(&mut self, id: NodeId, event: Option<Event>) {
        let mut ends = false;
        while let Some(node) = self.nodes.get_mut(&id)
            && let Some(action) = node.machine.action()
        {
            if self.tells {
                println!("{:>12} {id}   -> {}", self.clock.now().0 / 1_000, wanted(&action));
            }
            checks::action(node, &action, event.as_ref(), &mut self.model);
            // Its actor is called as long as it lives.
            if matches!(&action, Action::Run { want, .. } if *want != Resources::NOTHING)
                && self.model.mild
                && node.leaves.is_some_and(|since| self.clock.now().since(since) > WORD_WITHIN)
            {
                let owner = match &action {
                    Action::Run { lease, .. } => lease.task.node,
                    _ => id,
                };
                let text = format!("I22: {id} takes nothing new, and is given something");
                self.model.fail_of([owner, id], text);
            }
            ends |= matches!(action, Action::Alone { .. });
            match action {
                Action::Send(to, packet) => self.sends(id, to, packet),
                Action::Connect(to, _) => self.connects(id, to),
                Action::Disconnect(to) => self.cut(id, to),
                other => {
                    let from = match &event {
                        Some(Event::Arrived(from, _)) => Some(*from),
                        _ => None,
                    };
                    node.host.obeys(&mut self.model, from, other);
                }
            }
        }
        if ends {
            let leaves = self.nodes.get(&id).is_none_or(|node| node.host.draining)
                || self.model.hostile == Some(id);
            self.model.false_deaths += u64::from(!leaves);
            return self.end(id, true);
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.host.settle(&mut self.model);
            checks::after_event(node, &mut self.model);
        }
        checks::references(&self.nodes, &mut self.model);
        self.schedule(id);
    }

    /// Sees to it that the node is called when there is something for it to do.
    fn schedule(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        for (pause, chore) in std::mem::take(&mut node.host.chores) {
            self.clock.after(pause, Happening::Chore(id, chore));
        }
        if !node.due && !node.host.inbox.is_empty() {
            node.due = true;
            let us = if self.rng.below(10) == 0 { 5_000 } else { 300 };
            let pause = Duration::from_micros(self.rng.below(us) as u64);
            self.clock.after(pause, Happening::Drain(id));
        }
        if let Some(deadline) = node.machine.deadline() {
            let at = node.global(deadline);
            if node.wake.is_none_or(|wake| wake > at) {
                node.wake = Some(at);
                self.clock.at(at, Happening::Wake(id));
            }
        }
    }

    pub(super) fn sends(&mut self, from: NodeId, to: NodeId, packet: Bytes) {
        let Some(epoch) = self.network.epoch(from, to) else { return };
        let [first, again] = self.network.route(self.clock.now(), &mut self.rng, from, to);
        if let Some(at) = again {
            let packet = packet.clone();
            self.clock.at(at, Happening::Deliver { to, from, epoch, packet });
        }
        if let Some(at) = first {
            self.clock.at(at, Happening::Deliver { to, from, epoch, packet });
        }
    }

    fn connects(&mut self, from: NodeId, to: NodeId) {
        if !self.nodes.contains_key(&to) {
            return;
        }
        if let Some(epoch) = self.network.connect(from, to) {
            self.opens(from, to, epoch);
        }
    }

    /// Both ends hear of a new link.
    pub(super) fn opens(&mut self, from: NodeId, to: NodeId, epoch: u64) {
        for (node, peer) in [(to, from), (from, to)] {
            let at = self.clock.now() + self.network.delay(&mut self.rng, from, to);
            self.network.opens(peer, node, at);
            self.clock.at(at, Happening::Up { node, peer, epoch });
        }
    }

    pub(super) fn cut(&mut self, a: NodeId, b: NodeId) {
        if self.network.cut(a, b) {
            for (node, peer) in [(a, b), (b, a)] {
                let pause = Duration::from_micros(self.rng.below(30_000) as u64);
                self.clock.after(pause, Happening::Down { node, peer, sure: false });
            }
        }
    }

    /// A process ends, and all its links with it. `sure`: some of the others know what that means.
    pub(super) fn end(&mut self, id: NodeId, sure: bool) {
        self.nodes.remove(&id);
        self.model.ended.insert(id);
        for peer in self.network.neighbours(id) {
            self.network.cut(id, peer);
            self.network.told(id, peer);
            let pause = Duration::from_micros(self.rng.below(30_000) as u64);
            let sure = sure && self.rng.below(4) > 0;
            self.clock.after(pause, Happening::Down { node: peer, peer: id, sure });
        }
    }

    /// Looks for processes that were declared dead, can reach the head, and live on.
    pub(super) fn look_for_the_unaware(&mut self) {
        let Some(head) = self.nodes.get(&HEAD) else { return };
        let dead: Vec<NodeId> =
            self.nodes.keys().copied().filter(|id| head.machine.is_dead(*id)).collect();
        let asleep = head.held.is_some();
        for id in dead {
            let open = !self.network.is_blocked(HEAD, id) && !self.network.is_blocked(id, HEAD);
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            let awake = !asleep && node.held.is_none();
            node.unaware = if open && awake { node.unaware + 1 } else { 0 };
            if node.unaware > UNAWARE_MAX {
                self.model.fail(format!("I18: {id} is dead, and nobody tells it"));
            }
        }
    }

    /// A process goes on: all that came meanwhile comes at once.
    pub(super) fn resume(&mut self, id: NodeId) {
        let held = self.nodes.get_mut(&id).and_then(|node| node.held.take());
        let (wakes, others): (VecDeque<_>, VecDeque<_>) =
            held.into_iter().flatten().partition(|what| matches!(what, Happening::Wake(_)));
        others.into_iter().chain(wakes).for_each(|what| self.happens(id, what));
    }

    /// Pulls a large result from the node that keeps it.
    fn fetches(&mut self, id: NodeId, lease: crate::proto::wire::LeaseId, by: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (wanted, gone) = (node.host.fetches(lease), node.machine.is_dead(by));
        let blocked = self.network.is_blocked(id, by) || self.network.is_blocked(by, id);
        let keeper = self.nodes.get_mut(&by).filter(|keeper| keeper.held.is_none() && !blocked);
        let Some(keeper) = keeper.filter(|keeper| !keeper.machine.is_dead(id)) else {
            if !gone {
                let again = Happening::Chore(id, Chore::Fetch(lease, by));
                self.clock.after(Duration::from_millis(100), again);
            }
            return;
        };
        let value = keeper.host.parked.remove(&lease);
        if !wanted {
            return;
        }
        if value.is_none() {
            let text = format!("I6: {by} does not keep the large result of {lease:?}");
            self.model.fail_of([id, by], text);
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.host.fetched(&mut self.model, lease, value);
            self.carry_out(id, None);
        }
    }
}

/// An event in one line: of a packet the frame.
fn told(event: &Event) -> String {
    match event {
        Event::Arrived(from, packet) => format!("<- {from} {}", read(packet)),
        other => format!("{other:?}"),
    }
}

fn wanted(action: &Action) -> String {
    match action {
        Action::Send(to, packet) => format!("Send({to}, {})", read(packet)),
        other => format!("{other:?}"),
    }
}

fn read(packet: &[u8]) -> String {
    use crate::proto::wire::{Frame, Reader, Wire};
    let mut reader = Reader::new(packet);
    let numbers = <(u64, u64)>::take(&mut reader);
    let (number, ack) = numbers.unwrap_or_default();
    Frame::take(&mut reader)
        .map_or_else(|| "no frame".to_owned(), |frame| format!("{number}/{ack} {frame:?}"))
}
