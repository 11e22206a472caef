//! Values that lie on other nodes: large results of own tasks, which stay where they were made
//! until somebody here wants them, and large objects of others.

use super::task::Task;
use crate::base::moment::Moment;
use crate::base::{NodeId, ObjectId};
use crate::object::raw::RawRef;
use crate::proto::wire::{LeaseId, record};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where such a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) node: NodeId,
    pub(super) lease: LeaseId,
    pub(super) len: u64,
    /// There are no references in it: any node can read it from there.
    pub(super) plain: bool,
}
record!(Left { node, lease, len, plain });

/// An own task whose result stays elsewhere. It keeps its arguments: if the result is lost it runs
/// again.
pub(super) struct Staying {
    pub(super) task: Arc<Task>,
    pub(super) at: Left,
    /// The references in the result.
    pub(super) refs: Vec<RawRef>,
}

/// An object of another node that is read from a third one.
pub(super) struct Direct {
    pub(super) object: ObjectId,
    pub(super) node: NodeId,
    /// There is no link to that node yet.
    pub(super) waits: bool,
}

/// All that lies elsewhere, as the hands know it.
#[derive(Default)]
pub(super) struct Apart {
    pub(super) staying: BTreeMap<ObjectId, Staying>,
    /// Large objects of others that nobody here has asked for: their bytes, and the references in
    /// them.
    pub(super) unasked: HashMap<ObjectId, (u64, Vec<RawRef>)>,
    /// Objects of others that neither are here nor at their owners.
    pub(super) places: HashMap<ObjectId, Left>,
    pub(super) direct: HashMap<LeaseId, Direct>,
    /// When `staying` was looked at.
    pub(super) looked: Moment,
}

impl Apart {
    pub(super) fn unasked(&mut self, object: ObjectId, len: u64, refs: Vec<RawRef>) {
        self.places.remove(&object); // its owner has it now
        self.unasked.insert(object, (len, refs));
    }

    /// Nobody here refers to that object of another node any more.
    pub(super) fn forget(&mut self, object: ObjectId) {
        self.unasked.remove(&object);
        self.places.remove(&object);
    }

    /// There is no cluster any more: the tasks whose results were elsewhere.
    pub(super) fn end(&mut self) -> Vec<Arc<Task>> {
        let staying = std::mem::take(&mut self.staying);
        *self = Apart::default();
        staying.into_values().map(|staying| staying.task).collect()
    }
}
