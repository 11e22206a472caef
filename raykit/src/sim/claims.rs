//! `Claims`: who in a node holds which object. It keeps the node's side of the contract in
//! `proto::event`: references of its own are counted, the brain's claim is one mark, and an object
//! that neither of them wants is let go.

use super::model::Model;
use crate::base::{NodeId, ObjectId};
use crate::proto::wire::{Bytes, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Claim {
    /// References of the node: in tasks, in states, in outcomes, in events that wait.
    count: u32,
    /// The brain's claim.
    brain: bool,
    generation: u64,
    pub(super) outcome: Option<Outcome>,
    watched: bool,
    /// Who has sent a reference to it.
    pub(super) givers: BTreeSet<NodeId>,
}

impl Claim {
    pub(super) fn is_held(&self) -> bool {
        self.count > 0 || self.brain
    }
}

#[derive(Debug)]
pub(super) struct Claims {
    me: NodeId,
    entries: BTreeMap<ObjectId, Claim>,
    /// Objects of others that nobody here wants, with the number of the hold.
    pub(super) dropped: Vec<(ObjectId, u64)>,
    /// Own objects that are there and that the brain wants to know of.
    pub(super) sealed: Vec<ObjectId>,
}

/// Causes of errors, as the bytes of `Outcome::Failed`.
pub(super) mod cause {
    pub(crate) const CANCELLED: u8 = 1;
    pub(crate) const INFEASIBLE: u8 = 2;
    pub(crate) const LOST: u8 = 3;
    pub(crate) const OWNER_DIED: u8 = 4;
    pub(crate) const FREED: u8 = 5;
}

pub(super) fn failed(cause: u8) -> Outcome {
    Outcome::Failed(Arc::from([cause]), Vec::new())
}

pub(super) fn inline(value: u64, refs: Vec<ObjectId>) -> Outcome {
    let bytes: Bytes = Arc::from(value.to_le_bytes());
    Outcome::Inline(bytes, refs)
}

/// The value in an outcome, or the cause of its error.
pub(super) fn read(outcome: &Outcome) -> Result<u64, u8> {
    match outcome {
        Outcome::Inline(bytes, _) => {
            let bytes: Result<[u8; 8], _> = bytes.as_ref().try_into();
            Ok(bytes.map_or(0, u64::from_le_bytes))
        }
        Outcome::Failed(bytes, _) => Err(bytes.first().copied().unwrap_or(0)),
        Outcome::Large(len, ..) => Ok(*len),
        Outcome::Freed => Err(cause::FREED),
    }
}

impl Claims {
    pub(super) fn new(me: NodeId) -> Claims {
        Claims { me, entries: BTreeMap::new(), dropped: Vec::new(), sealed: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (&ObjectId, &Claim)> {
        self.entries.iter()
    }

    pub(super) fn get(&self, object: ObjectId) -> Option<&Claim> {
        self.entries.get(&object)
    }

    pub(super) fn outcome(&self, object: ObjectId) -> Option<&Outcome> {
        self.entries.get(&object)?.outcome.as_ref()
    }

    /// A new object of this node, with one reference.
    pub(super) fn create(&mut self, model: &mut Model, object: ObjectId, value: u64) {
        model.expect(object, value);
        self.entries.insert(object, Claim { count: 1, ..Claim::default() });
    }

    /// One more reference of the node to what it holds.
    pub(super) fn hold(&mut self, model: &mut Model, object: ObjectId) {
        match self.entries.get_mut(&object) {
            Some(claim) => claim.count += 1,
            None => model.fail(format!("I6: {} uses {object}, which it does not hold", self.me)),
        }
    }

    /// A reference has arrived from that node.
    pub(super) fn arrives(
        &mut self,
        model: &mut Model,
        from: NodeId,
        object: ObjectId,
        generation: u64,
    ) {
        if object.node == self.me && !self.entries.contains_key(&object) {
            model.to_check_home.push((from, object));
            // The process goes on with an object that is gone.
            let gone = Claim { outcome: Some(Outcome::Freed), ..Claim::default() };
            self.entries.insert(object, gone);
        }
        let claim = self.entries.entry(object).or_default();
        claim.count += 1;
        claim.generation = generation;
        claim.givers.insert(from);
        model.to_check_held.push((self.me, object));
    }

    /// The brain gets a claim, together with an event.
    pub(super) fn lend(&mut self, refs: &[ObjectId]) {
        for object in refs {
            if let Some(claim) = self.entries.get_mut(object) {
                claim.brain = true;
            }
        }
    }

    /// The brain's claim has ended.
    pub(super) fn brain_lets(&mut self, model: &mut Model, object: ObjectId) {
        match self.entries.get_mut(&object) {
            Some(claim) if claim.brain => {
                claim.brain = false;
                self.settle(model, object);
            }
            _ => model.fail(format!("I6: {} lets {object} go, which it has not got", self.me)),
        }
    }

    pub(super) fn let_go(&mut self, model: &mut Model, object: ObjectId) {
        match self.entries.get_mut(&object) {
            Some(claim) if claim.count > 0 => {
                claim.count -= 1;
                self.settle(model, object);
            }
            _ => model.fail(format!("I6: {} drops {object} once too often", self.me)),
        }
    }

    fn settle(&mut self, model: &mut Model, object: ObjectId) {
        let Some(claim) = self.entries.get(&object).filter(|claim| !claim.is_held()) else {
            return;
        };
        if object.node == self.me {
            self.remove(model, object);
        } else {
            self.dropped.push((object, claim.generation));
        }
    }

    fn remove(&mut self, model: &mut Model, object: ObjectId) {
        let Some(claim) = self.entries.remove(&object) else { return };
        if object.node == self.me && !matches!(claim.outcome, Some(Outcome::Freed)) {
            model.frees(object);
        }
        let inner = claim.outcome.map_or_else(Vec::new, |outcome| outcome.refs().to_vec());
        inner.into_iter().for_each(|inner| self.let_go(model, inner));
    }

    /// The word that nobody here wants an object is handed to the brain: it is forgotten here too,
    /// if no reference has come meanwhile.
    pub(super) fn forget(&mut self, model: &mut Model, object: ObjectId, generation: u64) {
        let held = |claim: &Claim| claim.is_held() || claim.generation != generation;
        if let Some(claim) = self.entries.get(&object).filter(|claim| !held(claim)) {
            model.given.insert((self.me, object), claim.givers.clone());
            self.remove(model, object);
        }
    }

    /// An object is there: an own one was made, or word of another one's has come.
    pub(super) fn seal(&mut self, model: &mut Model, object: ObjectId, outcome: Outcome) {
        let Some(claim) = self.entries.get_mut(&object) else { return };
        if claim.outcome.is_some() {
            return;
        }
        if let Ok(value) = read(&outcome) {
            model.sees(self.me, object, value);
        }
        let inner = outcome.refs().to_vec();
        if std::mem::take(&mut claim.watched) {
            self.sealed.push(object);
        }
        claim.outcome = Some(outcome);
        inner.into_iter().for_each(|inner| self.hold(model, inner));
    }

    /// The brain wants to know when an own object is there.
    pub(super) fn watch(&mut self, model: &mut Model, object: ObjectId) {
        match self.entries.get_mut(&object) {
            None => model.fail(format!("I6: {} watches {object}, which is freed", self.me)),
            Some(claim) => match &claim.outcome {
                Some(_) => self.sealed.push(object),
                None => claim.watched = true,
            },
        }
    }

    /// A node is gone: what it owned will never be there.
    pub(super) fn owner_gone(&mut self, model: &mut Model, node: NodeId) {
        let lost: Vec<ObjectId> =
            self.entries.keys().filter(|object| object.node == node).copied().collect();
        for object in lost {
            self.seal(model, object, failed(cause::OWNER_DIED));
        }
    }
}
