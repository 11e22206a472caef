//! Values that lie on other nodes: large results of own tasks, which stay where they were made
//! until somebody here wants them, and large objects of others.

use super::task::Task;
use crate::base::limits::LINEAGE_BYTES_MAX;
use crate::base::maps::HashMap;
use crate::base::moment::Moment;
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId};
use crate::object::error::{Error, Result};
use crate::object::raw::RawRef;
use crate::object::value::Value;
use crate::proto::wire::{LeaseId, record};
use std::collections::{BTreeMap, VecDeque};
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

/// An own task whose result stays elsewhere.
pub(super) struct Staying {
    pub(super) task: Arc<Task>,
    pub(super) at: Left,
    /// The references in the result.
    pub(super) refs: Vec<RawRef>,
    /// It has its arguments, and so can run again: their bytes.
    pub(super) keeps: Option<u64>,
}

/// The results of a task as far as they have come.
pub(super) struct Arriving {
    pub(super) task: Arc<Task>,
    pub(super) by: NodeId,
    pub(super) results: Vec<Option<Result<Value>>>,
    /// Why one of them will not come.
    pub(super) broken: Option<Error>,
    /// The task could not run again.
    pub(super) once: bool,
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
    /// Bytes of arguments that are kept, and of which tasks, the oldest first.
    kept: u64,
    keepers: VecDeque<ObjectId>,
}

impl Apart {
    /// That task has its result elsewhere.
    pub(super) fn stays(&mut self, object: ObjectId, staying: Staying) {
        if let Some(bytes) = staying.keeps.filter(|bytes| *bytes > 0) {
            self.kept = self.kept.saturating_add(bytes);
            self.keepers.push_back(object);
        }
        self.staying.insert(object, staying);
    }

    /// It has not any more.
    pub(super) fn goes(&mut self, object: ObjectId) -> Option<Staying> {
        let staying = self.staying.remove(&object)?;
        self.kept -= staying.keeps.unwrap_or(0).min(self.kept);
        Some(staying)
    }

    /// A task that has to let go of its arguments, where more are kept than should be.
    pub(super) fn forgets(&mut self) -> Option<Arc<Task>> {
        while self.kept > LINEAGE_BYTES_MAX {
            let oldest = self.keepers.pop_front()?;
            let Some(staying) = self.staying.get_mut(&oldest) else { continue };
            self.kept -= staying.keeps.take().unwrap_or(0).min(self.kept);
            return Some(Arc::clone(&staying.task));
        }
        if self.keepers.len() > 2 * self.staying.len() + 64 {
            self.keepers.retain(|object| self.staying.contains_key(object));
        }
        None
    }

    pub(super) fn unasked(&mut self, object: ObjectId, len: u64, refs: Vec<RawRef>) {
        self.places.remove(&object); // its owner has it now
        self.unasked.insert(object, (len, refs));
    }

    /// Nobody here refers to that object of another node any more.
    pub(super) fn forget(&mut self, object: ObjectId) {
        let unasked = self.unasked.remove(&object);
        quietly(|| drop(unasked));
        self.places.remove(&object);
    }

    /// That node is gone.
    pub(super) fn forget_all_of(&mut self, node: NodeId) {
        let gone: Vec<_> = self.unasked.extract_if(|object, _| object.node == node).collect();
        quietly(|| drop(gone));
        self.places.retain(|object, _| object.node != node);
    }

    /// There is no cluster any more.
    pub(super) fn end(&mut self) {
        let all = std::mem::take(self);
        quietly(|| drop(all));
    }
}
