//! References across nodes. Each object belongs to the node whose number is in its id, its
//! *owner*. The owner keeps an object as long as a node *holds* it; a node holds it from the first
//! reference that arrives there to the drop of the last.
//!
//! Lines deliver in order and once, and what is said on one line is enough to count:
//! 1. A node that sends a reference of its own object counts it for the receiver. The receiver
//!    counts it too, and when it has let go tells how many it had: the owner subtracts. What is on
//!    its way meanwhile stays counted.
//! 2. A node that sends a reference of another's object keeps its own hold until the owner has
//!    said (`Lent`) that it knows of the receiver, or one of the three is gone.
//! 3. A node that sends a reference to its owner need do nothing: what lets go of its hold comes
//!    later on the same line.
//! 4. Of an object that is there with its owner the outcome goes to each holder, after the
//!    reference. References inside of it are kept as long as the outcome is.

use super::bugs::{Bug, planted};
use super::context::Context;
use super::event::Action;
use super::wire::{Frame, Outcome};
use crate::base::{NodeId, ObjectId};
use std::collections::{BTreeMap, BTreeSet};

/// Of an object of this node that others know.
#[derive(Clone, Debug, Default, Hash)]
struct Own {
    /// Who holds it, by how many references that have not been let go.
    holders: BTreeMap<NodeId, Held>,
    outcome: Option<Outcome>,
    pins: u32,
}

#[derive(Clone, Debug, Default, Hash)]
struct Held {
    count: u64,
    /// It was sent the outcome.
    told: bool,
}

/// Of an object of another node.
#[derive(Clone, Debug, Default, Hash)]
struct Foreign {
    /// How often a reference has arrived: the number of the present hold.
    generation: u64,
    /// How many references the owner has counted for this node.
    counted: u64,
    /// The owner has itself given this node a reference, and so knows that it holds one.
    known: bool,
    /// The node's claim has come and has not been ended.
    claimed: bool,
    pins: u32,
}

/// A reference that was passed on, until its owner knows.
#[derive(Clone, Debug, Hash)]
struct Passed {
    object: ObjectId,
    to: NodeId,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Refs {
    me: NodeId,
    own: BTreeMap<ObjectId, Own>,
    foreign: BTreeMap<ObjectId, Foreign>,
    passed: BTreeMap<u64, Passed>,
    /// References of which a node was told that the object is gone. They were not counted here, and
    /// that node will say that it has let go of them.
    refused: BTreeMap<(ObjectId, NodeId), u64>,
    next_token: u64,
    /// Nodes that are gone: of their objects nothing has to be kept.
    dead: BTreeSet<NodeId>,
}

impl Refs {
    pub(super) fn new(me: NodeId) -> Refs {
        Refs {
            me,
            own: BTreeMap::new(),
            foreign: BTreeMap::new(),
            passed: BTreeMap::new(),
            refused: BTreeMap::new(),
            next_token: 1,
            dead: BTreeSet::new(),
        }
    }

    /// Whether nothing is left here, and nobody waits for anything.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty()
            && self.foreign.is_empty()
            && self.passed.is_empty()
            && self.refused.is_empty()
    }

    /// References that were passed on: under which number, of what, and to whom.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn passed(&self) -> Vec<(u64, ObjectId, NodeId)> {
        self.passed.iter().map(|(token, passed)| (*token, passed.object, passed.to)).collect()
    }

    /// How many other nodes hold an own object.
    pub(super) fn holders(&self, object: ObjectId) -> usize {
        self.own.get(&object).map_or(0, |own| own.holders.len())
    }

    /// The node has claimed these for the brain, which keeps them until `unpin`.
    pub(super) fn pin(&mut self, refs: &[ObjectId]) {
        for object in refs {
            if object.node == self.me {
                self.own.entry(*object).or_default().pins += 1;
            } else {
                let foreign = self.foreign.entry(*object).or_default();
                foreign.pins += 1;
                foreign.claimed = true;
            }
        }
    }

    pub(super) fn unpin(&mut self, cx: &mut Context, refs: &[ObjectId]) {
        for object in refs {
            if object.node == self.me {
                if let Some(own) = self.own.get_mut(object) {
                    own.pins -= 1;
                    self.settle_own(cx, *object);
                }
            } else if let Some(foreign) = self.foreign.get_mut(object) {
                foreign.pins -= 1;
                self.settle_foreign(cx, *object);
            }
        }
    }

    /// An object of this node that nobody holds is the node's alone again.
    fn settle_own(&mut self, cx: &mut Context, object: ObjectId) {
        let mut open = vec![object];
        while let Some(object) = open.pop() {
            let Some(own) = self.own.get(&object) else { continue };
            if own.pins > 0 || !own.holders.is_empty() {
                continue;
            }
            let gone = self.own.remove(&object);
            cx.actions.push_back(Action::Let(object));
            let inner = gone.and_then(|own| own.outcome).filter(|_| !planted(Bug::InnerUnpinned));
            for inner in inner.iter().flat_map(Outcome::refs) {
                if inner.node == self.me {
                    if let Some(own) = self.own.get_mut(inner) {
                        own.pins -= 1;
                    }
                    open.push(*inner);
                } else if let Some(foreign) = self.foreign.get_mut(inner) {
                    foreign.pins -= 1;
                    self.settle_foreign(cx, *inner);
                }
            }
        }
    }

    fn settle_foreign(&mut self, cx: &mut Context, object: ObjectId) {
        if let Some(foreign) = self.foreign.get_mut(&object)
            && foreign.pins == 0
        {
            if std::mem::take(&mut foreign.claimed) {
                cx.actions.push_back(Action::Let(object));
            }
            if self.dead.contains(&object.node) {
                self.foreign.remove(&object);
            }
        }
    }

    /// These references are about to be sent to that node, in a frame that comes before all that is
    /// put into `frames` from now on.
    pub(super) fn sends(&mut self, cx: &mut Context, to: NodeId, refs: &[ObjectId]) {
        // All of this frame get their numbers before the outcomes that follow take theirs.
        if !planted(Bug::TokensMixed) {
            refs.iter().for_each(|object| self.passes(*object, to));
        }
        for object in refs {
            if planted(Bug::TokensMixed) {
                self.passes(*object, to);
            }
            if object.node == self.me {
                self.counts(cx, *object, to);
            }
        }
    }

    /// Keeps an object of a third node, a reference to which goes to `to`.
    fn passes(&mut self, object: ObjectId, to: NodeId) {
        if object.node == self.me || object.node == to {
            return;
        }
        let token = self.next_token;
        self.next_token += 1;
        if self.dead.contains(&object.node) {
            return; // nobody will say that he knows
        }
        self.passed.insert(token, Passed { object, to });
        if !planted(Bug::SidewaysUnpinned) {
            self.pin(&[object]);
        }
    }

    /// The number of the next reference that is passed on; frames carry it, and the receiver counts
    /// on from there in the order of the references.
    pub(super) fn token(&self) -> u64 {
        self.next_token
    }

    /// One more reference of an own object for that node.
    fn counts(&mut self, cx: &mut Context, object: ObjectId, holder: NodeId) {
        let own = self.own.entry(object).or_default();
        if own.holders.is_empty() && own.outcome.is_none() {
            cx.actions.push_back(Action::Watch(object));
        }
        own.holders.entry(holder).or_default().count += 1;
        self.tell(cx, object, holder);
    }

    /// Sends the outcome to a holder that has not got it.
    fn tell(&mut self, cx: &mut Context, object: ObjectId, holder: NodeId) {
        let Some(own) = self.own.get_mut(&object) else { return };
        let (Some(outcome), Some(held)) = (&own.outcome, own.holders.get_mut(&holder)) else {
            return;
        };
        if std::mem::replace(&mut held.told, true) {
            return;
        }
        let outcome = outcome.clone();
        let (inner, token) = (outcome.refs().to_vec(), self.next_token);
        cx.frames.push_back((holder, Frame::Sealed { object, outcome, token }));
        self.sends(cx, holder, &inner);
    }

    /// References have arrived from that node, the first of them with this token.
    pub(super) fn arrive(
        &mut self,
        cx: &mut Context,
        from: NodeId,
        refs: &[ObjectId],
        first_token: u64,
    ) {
        let mut token = first_token; // as a peer says: any number
        for object in refs {
            if object.node == self.me {
                cx.actions.push_back(Action::Hold { object: *object, generation: 0 });
                continue;
            }
            if self.dead.contains(&object.node) {
                cx.actions.push_back(Action::Hold { object: *object, generation: 0 });
                cx.frames.push_back((from, Frame::Lent { token, by: self.me }));
                token = token.wrapping_add(1);
                continue;
            }
            let foreign = self.foreign.entry(*object).or_default();
            foreign.generation += 1;
            let generation = foreign.generation;
            cx.actions.push_back(Action::Hold { object: *object, generation });
            if object.node == from {
                foreign.counted += 1;
                foreign.known = true;
                continue;
            }
            // What was borrowed from one node is no reason to let another one go: the first may
            // die before the owner has heard of it.
            let known = foreign.known;
            foreign.known |= planted(Bug::LentTooEarly);
            match known {
                // The owner has this node on its list.
                true => cx.frames.push_back((from, Frame::Lent { token, by: self.me })),
                false => {
                    foreign.counted += 1;
                    let borrow = Frame::Borrow { object: *object, lender: from, token };
                    cx.frames.push_back((object.node, borrow));
                }
            }
            token = token.wrapping_add(1);
        }
    }

    /// A node has got a reference to an own object from another one.
    pub(super) fn borrowed(
        &mut self,
        cx: &mut Context,
        by: NodeId,
        object: ObjectId,
        lender: NodeId,
        token: u64,
    ) {
        if object.node != self.me || !self.own.contains_key(&object) {
            // It would be held by its lender, if that had not died before this was known.
            if !planted(Bug::RefusedForgotten) {
                *self.refused.entry((object, by)).or_default() += 1;
            }
            let freed = Frame::Sealed { object, outcome: Outcome::Freed, token: 0 };
            cx.frames.push_back((by, freed));
            // Whoever passed it on after that need not keep it any longer.
            cx.frames.push_back((lender, Frame::Lent { token, by }));
            return;
        }
        self.counts(cx, object, by);
        if !planted(Bug::LostLent) {
            cx.frames.push_back((lender, Frame::Lent { token, by }));
        }
    }

    /// The owner, or the receiver, says that a reference which was passed on is known.
    /// Nobody else can: who has it borrowed stands in the word, since the owner says so to whomever
    /// a borrower names.
    pub(super) fn lent(&mut self, cx: &mut Context, from: NodeId, token: u64, by: NodeId) {
        let Some(passed) = self.passed.get(&token) else { return };
        let his = passed.to == by && (from == by || from == passed.object.node);
        if his || planted(Bug::LentBelieved) {
            self.passes_no_more(cx, token);
        }
    }

    fn passes_no_more(&mut self, cx: &mut Context, token: u64) {
        if let Some(passed) = self.passed.remove(&token)
            && !planted(Bug::SidewaysUnpinned)
        {
            self.unpin(cx, &[passed.object]);
        }
    }

    /// A node has let go of so many references.
    pub(super) fn released(&mut self, cx: &mut Context, by: NodeId, object: ObjectId, count: u64) {
        let count = count - self.refused.remove(&(object, by)).unwrap_or(0).min(count);
        let Some(own) = self.own.get_mut(&object) else { return };
        let Some(held) = own.holders.get_mut(&by) else { return };
        let count = if planted(Bug::CountIgnored) { u64::MAX } else { count };
        held.count = held.count.saturating_sub(count);
        // It keeps no copy, and needs another if one is on its way.
        held.told = planted(Bug::ToldOnce);
        if planted(Bug::EarlyFree) {
            own.holders.clear();
            return self.settle_own(cx, object);
        }
        match held.count {
            0 => {
                own.holders.remove(&by);
                self.settle_own(cx, object);
            }
            _ => self.tell(cx, object, by),
        }
    }

    /// Whether that node has a reference to an own object.
    pub(super) fn is_held(&self, by: NodeId, object: ObjectId) -> bool {
        self.own.get(&object).is_some_and(|own| own.holders.contains_key(&by))
    }

    /// A node has lost what it was told of an object, and holds it still.
    pub(super) fn again(&mut self, cx: &mut Context, by: NodeId, object: ObjectId) {
        let held = self.own.get_mut(&object).and_then(|own| own.holders.get_mut(&by));
        if let Some(held) = held {
            held.told = false;
            self.tell(cx, object, by);
        }
    }

    /// Nobody here has a reference any more, as far as that many have arrived.
    pub(super) fn dropped(&mut self, cx: &mut Context, object: ObjectId, generation: u64) {
        let Some(foreign) = self.foreign.get(&object) else { return };
        if foreign.generation != generation && !planted(Bug::GenerationIgnored) {
            // Another one has arrived meanwhile, and what was known of the object went with those
            // that were dropped.
            return cx.frames.push_back((object.node, Frame::Again { object }));
        }
        if foreign.pins > 0 {
            return;
        }
        let count = foreign.counted;
        self.foreign.remove(&object);
        cx.frames.push_back((object.node, Frame::Release { object, count }));
    }

    /// An own object is there.
    pub(super) fn sealed(&mut self, cx: &mut Context, object: ObjectId, outcome: Outcome) {
        let inner = if planted(Bug::InnerUnpinned) { Vec::new() } else { outcome.refs().to_vec() };
        self.pin(&inner);
        match self.own.get_mut(&object) {
            Some(own) if own.outcome.is_none() => own.outcome = Some(outcome),
            _ => return self.unpin(cx, &inner),
        }
        let holders: Vec<NodeId> = self
            .own
            .get(&object)
            .map_or_else(Vec::new, |own| own.holders.keys().copied().collect());
        holders.into_iter().for_each(|holder| self.tell(cx, object, holder));
    }

    /// The owner of an object has said what became of it.
    pub(super) fn filled(
        &mut self,
        cx: &mut Context,
        from: NodeId,
        object: ObjectId,
        outcome: Outcome,
    ) {
        if object.node == from && self.foreign.contains_key(&object) {
            cx.actions.push_back(Action::Fill { object, outcome });
        }
    }

    /// A node is gone: what it held is free, and what it owned is lost, which the node itself tells
    /// those that wait for it.
    pub(super) fn gone(&mut self, cx: &mut Context, node: NodeId) {
        if !planted(Bug::DeadOwnerKept) {
            self.dead.insert(node);
        }
        let lost: Vec<u64> = (self.passed.iter())
            .filter(|(_, passed)| passed.to == node || passed.object.node == node)
            .map(|(token, _)| *token)
            .collect();
        lost.into_iter().for_each(|token| self.passes_no_more(cx, token));
        self.refused.retain(|(_, by), _| *by != node);
        let held: Vec<ObjectId> = self.own.keys().copied().collect();
        for object in held.into_iter().filter(|_| !planted(Bug::HoldersOfTheDead)) {
            if let Some(own) = self.own.get_mut(&object)
                && own.holders.remove(&node).is_some()
            {
                self.settle_own(cx, object);
            }
        }
        // What is left of the dead one's objects here: their claims end with their pins, and nobody
        // is told when they are dropped.
        self.foreign.retain(|object, foreign| object.node != node || foreign.pins > 0);
    }
}
