//! The protocol of references in the smallest world that is worth it: three processes, two objects,
//! one crash, and every order in which anything can happen.

use super::bugs::{Bug, plant};
use super::context::Context;
use super::event::Action;
use super::refs::Refs;
use super::wire::{Frame, LeaseId, Outcome, Wire};
use crate::base::quantity::Resources;
use crate::base::{NodeId, ObjectId, TaskId};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What a process knows of one object.
#[derive(Clone, Debug, Default, Hash)]
struct Claim {
    held: bool,
    brain: bool,
    generation: u64,
    /// Bits of those that have given it.
    givers: u8,
}

#[derive(Clone, Debug, Hash)]
struct Process {
    refs: Refs,
    claims: BTreeMap<ObjectId, Claim>,
    /// Words for the brain that it has not heard.
    inbox: VecDeque<(ObjectId, u64)>,
    knows_of_crash: bool,
}

#[derive(Clone, Debug)]
struct World {
    nodes: u32,
    processes: Vec<Option<Process>>,
    /// Each frame with the bits of those who gave its sender what it passes on.
    lines: BTreeMap<(u32, u32), VecDeque<(Frame, u8)>>,
    crashed: Option<u32>,
    passes: u32,
    outer: Option<ObjectId>,
    freed: Vec<ObjectId>,
    excused: Vec<ObjectId>,
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Deliver(u32, u32),
    Pass(u32, ObjectId, u32),
    Drop(u32, ObjectId),
    Hand(u32),
    Crash(u32),
    Hear(u32),
}

fn object(node: u32, sequence: u64) -> ObjectId {
    TaskId { node: NodeId(node), sequence }.result(0)
}

impl World {
    /// `nested`: the first object holds the second.
    fn new(nodes: u32, owners: [u32; 2], passes: u32, nested: bool) -> World {
        let process = |node| Process {
            refs: Refs::new(NodeId(node)),
            claims: BTreeMap::new(),
            inbox: VecDeque::new(),
            knows_of_crash: false,
        };
        let mut world = World {
            nodes,
            processes: (0..nodes).map(|node| Some(process(node))).collect(),
            lines: BTreeMap::new(),
            crashed: None,
            passes,
            outer: nested.then(|| object(owners[0], 1)),
            freed: Vec::new(),
            excused: Vec::new(),
        };
        for (owner, sequence) in owners.into_iter().zip(1..) {
            let claim = Claim { held: true, ..Claim::default() };
            world.process(owner).claims.insert(object(owner, sequence), claim);
        }
        if nested && owners[0] != owners[1] {
            // The owner of the outer one has got the inner one from its owner.
            let _ = world.pass(owners[1], object(owners[1], 2), owners[0]);
            let _ = world.deliver(owners[1], owners[0]);
        }
        world
    }

    fn process(&mut self, node: u32) -> &mut Process {
        self.processes[node as usize].as_mut().expect("it lives")
    }

    /// The object that stands in the first one.
    fn inner(&self) -> Vec<ObjectId> {
        let all = self.processes.iter().flatten().flat_map(|process| process.claims.keys());
        self.outer
            .map_or_else(Vec::new, |_| all.filter(|id| id.sequence == 2).take(1).copied().collect())
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for ((from, to), line) in &self.lines {
            if !line.is_empty() {
                moves.push(Move::Deliver(*from, *to));
            }
        }
        for node in 0..self.nodes {
            let Some(process) = &self.processes[node as usize] else { continue };
            if !process.inbox.is_empty() {
                moves.push(Move::Hand(node));
            }
            if self.crashed.is_some() && !process.knows_of_crash {
                moves.push(Move::Hear(node));
            }
            if self.crashed.is_none() {
                moves.push(Move::Crash(node));
            }
            let outer_lives = self
                .outer
                .filter(|outer| outer.node.0 == node)
                .is_some_and(|outer| process.claims.contains_key(&outer));
            for (object, claim) in &process.claims {
                if !claim.held {
                    continue;
                }
                // What stands in an outcome is kept as long as that is.
                if !(outer_lives && object.sequence == 2) {
                    moves.push(Move::Drop(node, *object));
                }
                for to in 0..self.nodes {
                    let dead = process.knows_of_crash && self.crashed == Some(to);
                    if self.passes > 0 && to != node && !dead {
                        moves.push(Move::Pass(node, *object, to));
                    }
                }
            }
        }
        moves
    }

    fn make(&mut self, step: Move) -> Result<(), String> {
        match step {
            Move::Deliver(from, to) => self.deliver(from, to)?,
            Move::Pass(from, object, to) => {
                self.passes -= 1;
                self.pass(from, object, to)?;
            }
            Move::Drop(node, object) => {
                if let Some(claim) = self.process(node).claims.get_mut(&object) {
                    claim.held = false;
                }
                self.settle(node, object);
            }
            Move::Hand(node) => self.hand(node)?,
            Move::Crash(node) => {
                self.crashed = Some(node);
                self.processes[node as usize] = None;
                self.lines.retain(|(_, to), _| *to != node);
            }
            Move::Hear(node) => {
                let crashed = self.crashed.unwrap_or(node);
                self.lines.retain(|line, _| *line != (crashed, node));
                let mut cx = Context::default();
                let process = self.process(node);
                process.knows_of_crash = true;
                process.refs.gone(&mut cx, NodeId(crashed));
                self.carry_out(node, None, cx)?;
            }
        }
        self.check()
    }

    /// A call with one reference goes out.
    fn pass(&mut self, from: u32, object: ObjectId, to: u32) -> Result<(), String> {
        let mut cx = Context::default();
        let process = self.process(from);
        process.claims.entry(object).or_default().brain = true;
        process.refs.pin(&[object]);
        let lease = LeaseId { task: TaskId { node: NodeId(from), sequence: 0 }, attempt: 0 };
        let frame = Frame::Lease {
            lease,
            want: Resources::default(),
            spec: Arc::from([]),
            refs: vec![object],
            token: process.refs.token(),
        };
        cx.frames.push_back((NodeId(to), frame));
        process.refs.sends(&mut cx, NodeId(to), &[object]);
        process.refs.unpin(&mut cx, &[object]);
        self.carry_out(from, None, cx)
    }

    fn deliver(&mut self, from: u32, to: u32) -> Result<(), String> {
        let Some((frame, givers)) = self.lines.get_mut(&(from, to)).and_then(VecDeque::pop_front)
        else {
            return Ok(());
        };
        let mut cx = Context::default();
        let refs = &mut self.process(to).refs;
        match frame {
            Frame::Lease { refs: inner, token, .. } => {
                refs.arrive(&mut cx, NodeId(from), &inner, token);
            }
            Frame::Borrow { object, lender, token } => {
                refs.borrowed(&mut cx, NodeId(from), object, lender, token);
            }
            Frame::Lent { token, by } => refs.lent(&mut cx, NodeId(from), token, by),
            Frame::Release { object, count } => {
                refs.released(&mut cx, NodeId(from), object, count);
            }
            Frame::Sealed { object, outcome, token } => {
                refs.arrive(&mut cx, NodeId(from), outcome.refs(), token);
                refs.filled(&mut cx, NodeId(from), object, outcome);
            }
            _ => {}
        }
        self.carry_out(to, Some((from, givers)), cx)
    }

    fn hand(&mut self, node: u32) -> Result<(), String> {
        let process = self.process(node);
        let Some((object, generation)) = process.inbox.pop_front() else { return Ok(()) };
        let forgets = |claim: &Claim| !claim.held && !claim.brain && claim.generation == generation;
        if process.claims.get(&object).is_some_and(forgets) {
            process.claims.remove(&object);
        }
        let mut cx = Context::default();
        process.refs.dropped(&mut cx, object, generation);
        self.carry_out(node, None, cx)
    }

    /// Nobody wants it here any more, if that is so.
    fn settle(&mut self, node: u32, object: ObjectId) {
        let Some(claim) = self.process(node).claims.get(&object) else { return };
        if claim.held || claim.brain {
            return;
        }
        let generation = claim.generation;
        if object.node.0 == node {
            self.process(node).claims.remove(&object);
            self.freed.push(object);
        } else {
            self.process(node).inbox.push_back((object, generation));
        }
    }

    fn carry_out(
        &mut self,
        node: u32,
        from: Option<(u32, u8)>,
        mut cx: Context,
    ) -> Result<(), String> {
        while !cx.actions.is_empty() || !cx.frames.is_empty() {
            while let Some((to, frame)) = cx.frames.pop_front() {
                let dead = self.crashed == Some(to.0);
                if to.0 != node && !dead {
                    let given = match &frame {
                        Frame::Lease { refs, .. } => refs.first(),
                        _ => None,
                    };
                    let claim = given.and_then(|object| self.process(node).claims.get(object));
                    let givers = claim.map_or(0, |claim| claim.givers);
                    self.lines.entry((node, to.0)).or_default().push_back((frame, givers));
                }
            }
            let Some(action) = cx.actions.pop_front() else { continue };
            match action {
                Action::Hold { object, generation } => {
                    let gone = object.node.0 == node && self.freed.contains(&object);
                    if gone {
                        // The dead vouch for nothing, though their words still come.
                        let by_dead =
                            self.crashed.zip(from).is_some_and(|(dead, (from, givers))| {
                                from == dead || givers == 1 << dead
                            });
                        if !self.excused.contains(&object) && !by_dead {
                            return Err(format!("I6: {object} comes home, and is freed"));
                        }
                        continue;
                    }
                    let claim = self.process(node).claims.entry(object).or_default();
                    (claim.held, claim.generation) = (true, generation);
                    claim.givers |= 1 << from.map_or(node, |(from, _)| from);
                }
                Action::Let(object) => {
                    if let Some(claim) = self.process(node).claims.get_mut(&object) {
                        claim.brain = false;
                    }
                    self.settle(node, object);
                }
                Action::Watch(object) if self.outer == Some(object) => {
                    let inner = self.inner();
                    for inner in &inner {
                        self.process(node).claims.entry(*inner).or_default().brain = true;
                    }
                    let outcome = Outcome::Inline(Arc::from([]), inner);
                    self.process(node).refs.sealed(&mut cx, object, outcome);
                }
                Action::Fill { object, outcome: Outcome::Freed } => {
                    if !self.is_excused(node, object) {
                        return Err(format!("I7: {node} is told that {object} is freed"));
                    }
                    self.excused.push(object);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether that process may have lost the object: only the dead one has given it.
    fn is_excused(&self, node: u32, object: ObjectId) -> bool {
        let Some(process) = &self.processes[node as usize] else { return true };
        let givers = process.claims.get(&object).map_or(0, |claim| claim.givers);
        self.excused.contains(&object) || self.crashed.is_some_and(|dead| givers == 1 << dead)
    }

    fn check(&mut self) -> Result<(), String> {
        for node in 0..self.nodes {
            let Some(process) = &self.processes[node as usize] else { continue };
            let lost: Vec<ObjectId> = (process.claims.iter())
                .filter(|(object, claim)| {
                    self.freed.contains(object) && (claim.held || claim.brain)
                })
                .map(|(object, _)| *object)
                .collect();
            for object in lost {
                if object.node.0 == node || self.crashed == Some(object.node.0) {
                    continue;
                }
                if !self.is_excused(node, object) {
                    return Err(format!("I6: {node} holds {object}, which is freed"));
                }
                self.excused.push(object);
            }
        }
        let quiet = self.lines.values().all(VecDeque::is_empty);
        let mut living = self.processes.iter().flatten();
        let idle = living.clone().all(|process| {
            let heard = self.crashed.is_none() || process.knows_of_crash;
            process.inbox.is_empty() && heard && process.claims.values().all(|claim| !claim.held)
        });
        if quiet && idle {
            let left = living.find(|p| !p.refs.is_empty() || !p.claims.is_empty());
            return left.map_or(Ok(()), |process| Err(format!("Q1: is left: {process:?}")));
        }
        Ok(())
    }

    fn key(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        for process in self.processes.iter().flatten() {
            process.hash(&mut hash);
        }
        for (line, frames) in self.lines.iter().filter(|(_, frames)| !frames.is_empty()) {
            line.hash(&mut hash);
            for (frame, givers) in frames {
                let mut bytes = Vec::with_capacity(64);
                frame.put(&mut bytes);
                (bytes, givers).hash(&mut hash);
            }
        }
        (self.crashed, self.passes, &self.freed, &self.excused).hash(&mut hash);
        hash.finish()
    }
}

/// All that can come of that world: how many different ones, or how it goes wrong.
fn explore(world: World) -> Result<usize, String> {
    let mut seen = HashSet::from([world.key()]);
    let mut open = vec![(world, Vec::new())];
    while let Some((world, way)) = open.pop() {
        for step in world.moves() {
            let mut next = world.clone();
            let made = next.make(step);
            let way: Vec<Move> = way.iter().copied().chain([step]).collect();
            made.map_err(|failure| format!("{failure} after {way:?}"))?;
            if seen.insert(next.key()) {
                open.push((next, way));
            }
        }
    }
    Ok(seen.len())
}

/// Owners of the two objects, references passed on, and whether the first object holds the second.
const WORLDS: [([u32; 2], u32, bool); 4] =
    [([0, 1], 2, false), ([0, 0], 2, true), ([0, 1], 2, true), ([0, 0], 3, false)];

/// R3, R5, R6, R8, R9, R21, R22, R23, R28: who lends, borrows, drops, dies, and hears of it, in
/// each order.
#[test]
fn every_order_of_events_is_safe_and_leaves_nothing() {
    for (owners, passes, nested) in WORLDS {
        match explore(World::new(3, owners, passes, nested)) {
            Ok(count) => println!("{owners:?} {passes} {nested}: {count} worlds"),
            Err(failure) => panic!("{owners:?} {passes} {nested}: {failure}"),
        }
    }
}

#[test]
fn planted_faults_are_found_in_the_small_world() {
    let bugs = [
        Bug::CountIgnored,
        Bug::GenerationIgnored,
        Bug::LostLent,
        Bug::SidewaysUnpinned,
        Bug::HoldersOfTheDead,
        Bug::InnerUnpinned,
        Bug::DeadOwnerKept,
        Bug::RefusedForgotten,
    ];
    for bug in bugs {
        plant(Some(bug));
        let found = WORLDS.iter().find_map(|(owners, passes, nested)| {
            explore(World::new(3, *owners, *passes, *nested)).err()
        });
        plant(None);
        let failure = found.unwrap_or_else(|| panic!("{bug:?} is not found"));
        println!("{bug:?}: {failure}");
    }
}

/// A node has borrowed an object from two others. The first dies before the owner has heard of it;
/// the second must have kept the object meanwhile.
#[test]
fn a_second_lender_waits_for_the_owner() {
    let [owner, holder, first, second] = [0, 1, 2, 3];
    let object = object(owner, 1);
    let run = || {
        let mut world = World::new(4, [owner, owner], 4, false);
        [
            Move::Pass(owner, object, first),
            Move::Pass(owner, object, second),
            Move::Drop(owner, object),
            Move::Deliver(owner, first),
            Move::Deliver(owner, second),
            Move::Pass(first, object, holder),
            Move::Pass(second, object, holder),
            Move::Deliver(first, holder),
            Move::Deliver(second, holder),
            Move::Deliver(holder, second),
            Move::Drop(second, object),
            Move::Hand(second),
            Move::Crash(first),
            Move::Hear(owner),
            Move::Deliver(second, owner),
            Move::Deliver(holder, owner),
        ]
        .into_iter()
        .try_for_each(|step| world.make(step))
    };
    assert_eq!(run(), Ok(()));
    plant(Some(Bug::LentTooEarly));
    let found = run();
    plant(None);
    assert!(found.is_err(), "the fault is not found");
}
