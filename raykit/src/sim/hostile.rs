//! A member of the cluster that was taken over. Beside what its brain does it sends frames of its
//! own making: such as the head alone may send, such as concern what others have between them, and
//! no frames at all. What it has a part in may go wrong as long as it is there; nothing else may,
//! and when it is gone nothing of that may be left.

use super::checks::HEAD;
use super::model::mix;
use super::node::Happening;
use super::program::{Kind, Program};
use super::world::World;
use crate::base::quantity::{Amount, Resources};
use crate::base::rng::Rng;
use crate::base::{NodeId, ObjectId, PlacementGroupId, TaskId};
use crate::proto::wire::{Bytes, Frame, Group, LeaseId, Load, Outcome, Wire};
use std::time::Duration;

impl World {
    /// One of the nodes is somebody else's from now on.
    pub(super) fn turns_hostile(&mut self) {
        self.foe = Rng::new(mix(u64::from(self.next), 7) ^ self.seed);
        let all: Vec<NodeId> = self.nodes.keys().copied().filter(|id| *id != HEAD).collect();
        if let Some(id) = pick(&mut self.foe, &all) {
            self.model.turns_hostile(id);
            self.clock.after(Duration::ZERO, Happening::Attack);
        }
    }

    /// It sends something, and will again.
    pub(super) fn attacks(&mut self) {
        let Some(me) = self.model.hostile.filter(|me| self.nodes.contains_key(me)) else { return };
        let others: Vec<NodeId> = self.nodes.keys().copied().filter(|id| *id != me).collect();
        if self.foe.below(3) == 0 {
            others.iter().for_each(|to| self.says_all_is_known(me, *to));
        }
        if let Some(to) = pick(&mut self.foe, &others) {
            if self.tells {
                println!("{:>12} {me} lies to {to}", self.clock.now().0 / 1_000);
            }
            for _ in 0..1 + self.foe.below(4) {
                let packet = self.forges(me, to);
                self.sends(me, to, packet);
            }
        }
        let pause = Duration::from_micros(self.foe.below(60_000) as u64);
        self.clock.after(pause, Happening::Attack);
    }

    /// It is found out.
    pub(super) fn puts_out(&mut self) {
        if let Some(id) = self.model.hostile.filter(|id| self.nodes.contains_key(id)) {
            self.end(id, true);
        }
    }

    /// That the references which one node has passed on to others are known to their owners.
    fn says_all_is_known(&mut self, me: NodeId, to: NodeId) {
        let all = self.nodes.get(&to).map_or_else(Vec::new, |node| node.machine.passed());
        for (token, object, by) in all.into_iter().filter(|one| one.1.node != me && one.2 != me) {
            let frame = match self.foe.below(3) {
                0 => Frame::Lent { token, by: me },
                _ => Frame::Lent { token, by },
            };
            self.sends(me, to, loose(&frame));
            // The owner tells the lender whom it is told of, even if there is no such object.
            let none = TaskId { node: object.node, sequence: 1 << 40 }.result(0);
            let borrow = Frame::Borrow { object: none, lender: to, token };
            self.sends(me, object.node, loose(&borrow));
        }
    }

    fn forges(&mut self, me: NodeId, to: NodeId) -> Bytes {
        if self.foe.below(30) == 0 {
            let bytes: Vec<u8> = (0..self.foe.below(60)).map(|_| self.foe.next() as u8).collect();
            return bytes.into();
        }
        let frame = match self.foe.below(4) {
            0 => self.as_head(me),
            1 => self.as_node(me),
            2 => self.of_work(me, to),
            _ => self.of_references(me, to),
        };
        let expected = self.nodes.get(&to).map_or(0, |node| node.machine.expects(me));
        let number = if self.foe.below(40) == 0 { expected } else { 0 };
        let mut packet = Vec::new();
        (number, 0_u64).put(&mut packet);
        frame.put(&mut packet);
        if self.foe.below(40) == 0 {
            packet.truncate(self.foe.below(packet.len()));
        }
        packet.into()
    }

    /// A node that is there, or was.
    fn somebody(&mut self) -> NodeId {
        let all: Vec<NodeId> = self.nodes.keys().chain(&self.model.ended).copied().collect();
        pick(&mut self.foe, &all).unwrap_or(HEAD)
    }

    fn group(&mut self) -> PlacementGroupId {
        let all: Vec<PlacementGroupId> = self.model.groups.keys().copied().collect();
        let none = PlacementGroupId { node: self.somebody(), sequence: 1 << 40 };
        pick(&mut self.foe, &all).unwrap_or(none)
    }

    fn resources(&mut self) -> Resources {
        let cpu = match self.foe.below(3) {
            0 => u64::MAX,
            1 => 0,
            _ => Amount::ONE.0,
        };
        Resources { cpu: Amount(cpu), gpu: Amount(cpu), memory: cpu, ..Resources::default() }
    }

    /// What the head alone may say.
    fn as_head(&mut self, me: NodeId) -> Frame {
        let (version, node, group) = (self.foe.below(50) as u64, self.somebody(), self.group());
        let (attempt, bundle) = (self.foe.below(3) as u64, self.foe.below(3) as u32);
        let why = || "somebody says so".to_owned();
        match self.foe.below(11) {
            0 => Frame::Died { version, node, why: why() },
            1 => Frame::Roster { version, members: Vec::new() },
            2 => Frame::Fenced {},
            3 => Frame::Seek { node },
            4 => {
                let load = Load { suspect: true, draining: true, ..Load::default() };
                Frame::Loads { loads: vec![(node, load)] }
            }
            5 => {
                let member =
                    self.nodes.get(&me).and_then(|me| me.machine.members().next().cloned());
                member.map_or(Frame::Ack {}, |mut member| {
                    member.node = NodeId(1_000);
                    Frame::Joined { version, member }
                })
            }
            6 => Frame::Reserve { group, attempt, bundle, want: self.resources() },
            7 => Frame::Unreserve { group, attempt },
            8 => Frame::GroupEnded { group, why: why() },
            9 => {
                let (wants, homes) = (vec![self.resources()], vec![Some(node)]);
                let strategy = crate::base::PlacementStrategy::Pack;
                Frame::GroupLies { group, known: Group { wants, strategy, homes } }
            }
            _ => Frame::Beat { version: 1 << 40, load: Load::default() },
        }
    }

    /// What nodes say to the head.
    fn as_node(&mut self, me: NodeId) -> Frame {
        let (node, group) = (self.somebody(), self.group());
        let load = Load { free: self.resources(), queued: u32::MAX, ..Load::default() };
        match self.foe.below(9) {
            0 => Frame::Beat { version: self.foe.below(50) as u64, load },
            1 => Frame::Heard { node },
            2 => Frame::AskRoster {},
            3 => Frame::Probe { head: node, back: self.foe.below(2) == 0 },
            4 => Frame::EndGroup { group },
            5 | 6 => {
                let (attempt, bundle) = (self.foe.below(4) as u64, self.foe.below(4) as u32);
                Frame::Reserved { group, attempt, bundle }
            }
            7 => {
                let wants = (0..self.foe.below(4)).map(|_| self.resources()).collect();
                let strategy = crate::base::PlacementStrategy::Spread;
                let node = if self.foe.below(2) == 0 { me } else { node };
                let group = PlacementGroupId { node, sequence: (1 << 40) + self.foe.next() % 64 };
                Frame::NewGroup { group, wants, strategy, detached: self.foe.below(8) == 0 }
            }
            _ if self.foe.below(100) == 0 => Frame::Leave { why: "so be it".to_owned() },
            _ => Frame::Resume { next: self.foe.below(20) as u64 },
        }
    }

    /// An attempt of somebody's, which this node does not run.
    fn lease(&mut self, me: NodeId) -> LeaseId {
        let from = self.somebody();
        let host = self.nodes.get(&from).map(|node| &node.host);
        let all: Vec<LeaseId> =
            host.map_or_else(Vec::new, |host| host.offered.iter().copied().collect());
        let none = LeaseId { task: TaskId { node: from, sequence: 1 << 40 }, attempt: 0 };
        let found = pick(&mut self.foe, &all).unwrap_or(none);
        let holder = self.nodes.get(&from).and_then(|node| node.machine.holder(found));
        if holder.is_some_and(|holder| holder != me) { found } else { none }
    }

    fn of_work(&mut self, me: NodeId, to: NodeId) -> Frame {
        let lease = self.lease(me);
        let token = self.token(me, to);
        let outcome = self.outcome();
        match self.foe.below(9) {
            0 | 1 => {
                if self.foe.below(2) == 0
                    && let Some(frame) = self.once_more(me)
                {
                    return frame;
                }
                let sequence = (1 << 40) + self.foe.next() % 16;
                let made_up = LeaseId { task: TaskId { node: me, sequence }, attempt: 0 };
                let own = lease.task.node == me;
                let lease = if own || self.foe.below(2) == 0 { made_up } else { lease };
                let (refs, spec) = (outcome.refs().to_vec(), self.spec());
                Frame::Lease { lease, want: self.resources(), spec, refs, token }
            }
            2 => Frame::Ran { lease, results: vec![outcome], token },
            3 => Frame::Refused { lease, why: Bytes::from(*b"no") },
            4 => Frame::Revoke { lease },
            5 => Frame::Item { lease, item: outcome, token },
            6 => Frame::Credit { lease, items: self.foe.next() % 20 },
            7 => Frame::Unpark { lease },
            _ if self.foe.below(4) == 0 => {
                let running = self.nodes.get(&to).map(|node| &node.host.taken);
                let of_me = running.into_iter().flatten().filter(|lease| lease.task.node == me);
                let all: Vec<LeaseId> = of_me.copied().collect();
                let lease = pick(&mut self.foe, &all).unwrap_or(lease);
                Frame::Credit { lease, items: u64::MAX }
            }
            _ => Frame::Ask { room: self.foe.next() as u32 },
        }
    }

    /// An attempt of an own task that somebody may be running.
    fn once_more(&mut self, me: NodeId) -> Option<Frame> {
        let host = &self.nodes.get(&me)?.host;
        let all: Vec<LeaseId> = host.offered.iter().copied().collect();
        let lease = pick(&mut self.foe, &all)?;
        let task = host.tasks.get(&lease.task)?;
        let (want, spec, refs) = (task.want.clone(), task.program.spec(), task.args.clone());
        // It keeps nothing for who gets these.
        self.model.tainted.extend(&refs);
        Some(Frame::Lease { lease, want, spec, refs, token: 0 })
    }

    fn spec(&mut self) -> Bytes {
        let kind = match self.foe.below(4) {
            0 => return Bytes::from(*b"nonsense"),
            1 => Kind::Stream { items: 9, ahead: 2 },
            2 => Kind::Call { caller: 0, number: self.foe.below(9) as u32 },
            _ => Kind::Task,
        };
        let seed = self.foe.next();
        Program { seed, results: 1, depth: 1, retries_max: 0, kind }.spec()
    }

    /// Something with a reference to what is none of its business.
    fn outcome(&mut self) -> Outcome {
        let object = self.object();
        self.model.tainted.insert(object);
        let refs = if self.foe.below(2) == 0 { Vec::new() } else { vec![object] };
        match self.foe.below(3) {
            0 => Outcome::Large(1 << 20, refs),
            _ => Outcome::Inline(Bytes::from(7_u64.to_le_bytes()), refs),
        }
    }

    /// An object that somebody holds, or that nobody has made.
    fn object(&mut self) -> ObjectId {
        let from = self.somebody();
        let claims = self.nodes.get(&from).map(|node| &node.host.claims);
        let all: Vec<ObjectId> =
            claims.map_or_else(Vec::new, |claims| claims.objects().map(|(id, _)| *id).collect());
        let none = TaskId { node: from, sequence: 1 << 40 }.result(0);
        pick(&mut self.foe, &all).unwrap_or(none)
    }

    /// The number under which a node keeps something for another one, which is easily guessed.
    fn token(&mut self, me: NodeId, of: NodeId) -> u64 {
        let all = self.nodes.get(&of).map_or_else(Vec::new, |node| node.machine.passed());
        let Some((token, object, to)) = pick(&mut self.foe, &all) else { return 1 };
        if to == me || object.node == me {
            // It may say so, and have it freed for those that have it by way of this node.
            self.model.tainted.insert(object);
        }
        token
    }

    fn of_references(&mut self, me: NodeId, to: NodeId) -> Frame {
        let (object, lender) = (self.object(), self.somebody());
        let token = self.token(me, to);
        match self.foe.below(8) {
            0 => Frame::Borrow { object, lender, token: self.token(me, lender) },
            1 => {
                // Of an object that is there.
                let held = self.nodes.get(&to).map(|node| &node.host.claims);
                let held = held.into_iter().flat_map(|claims| claims.objects());
                let all: Vec<ObjectId> =
                    held.map(|(id, _)| *id).filter(|id| id.node == to).collect();
                let object = pick(&mut self.foe, &all).unwrap_or(object);
                Frame::Borrow { object, lender, token: self.token(me, lender) }
            }
            2 | 3 => {
                let by = if self.foe.below(2) == 0 { me } else { self.somebody() };
                Frame::Lent { token, by }
            }
            4 => {
                self.model.tainted.insert(object);
                Frame::Release { object, count: self.foe.next() % 4 }
            }
            5 if object.node != me => {
                let outcome = self.outcome();
                Frame::Sealed { object, outcome, token }
            }
            6 => Frame::Cancel { object },
            _ => Frame::Again { object },
        }
    }
}

fn pick<T: Copy>(foe: &mut Rng, of: &[T]) -> Option<T> {
    (!of.is_empty()).then(|| of[foe.below(of.len())])
}

/// A packet outside of the line.
fn loose(frame: &Frame) -> Bytes {
    let mut packet = Vec::new();
    (0_u64, 0_u64).put(&mut packet);
    frame.put(&mut packet);
    packet.into()
}
