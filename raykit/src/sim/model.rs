//! What is known of the world by itself and not by any node in it: what each value must be, how
//! often each task was begun, which objects are gone. The hosts write it, the checks read it.

use crate::base::{NodeId, ObjectId, PlacementGroupId, TaskId};
use crate::proto::wire::LeaseId;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Model {
    values: BTreeMap<ObjectId, u64>,
    /// What stands in which outcome.
    inner: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    begun: BTreeMap<TaskId, u32>,
    leases: BTreeSet<LeaseId>,
    freed: BTreeSet<ObjectId>,
    /// How many items of each stream were taken.
    taken: BTreeMap<TaskId, u32>,
    /// Objects that a holder has lost because all who could vouch for it have died.
    pub(super) excused: BTreeSet<ObjectId>,
    /// Nodes that went when nobody waited for anything of them.
    pub(super) drained: BTreeSet<NodeId>,
    /// The node that is somebody else's, and objects of which it has said what is not so.
    pub(super) hostile: Option<NodeId>,
    pub(super) tainted: BTreeSet<ObjectId>,
    /// No trouble lasts for long, and no packet is lost.
    pub(super) mild: bool,
    /// Placement groups that there are for the head, and how many bundles each has.
    pub(super) groups: BTreeMap<PlacementGroupId, usize>,
    /// Nodes whose process is gone.
    pub(super) ended: BTreeSet<NodeId>,
    /// Objects that were freed in this step, and references that came into being: to be checked.
    pub(super) to_check_freed: Vec<ObjectId>,
    pub(super) to_check_held: Vec<(NodeId, ObjectId)>,
    /// Nodes that have sent a reference to an object which its owner has freed.
    pub(super) to_check_home: Vec<(NodeId, ObjectId)>,
    /// Of references that were let go: who had given them.
    pub(super) given: BTreeMap<(NodeId, ObjectId), BTreeSet<NodeId>>,
    /// Nodes that were told that an object is gone.
    pub(super) to_check_told: Vec<(NodeId, ObjectId)>,
    /// Words that a node is gone for good.
    pub(super) deaths: u64,
    /// Processes that were taken for dead, and neither had crashed nor wanted to leave.
    pub(super) false_deaths: u64,
    pub(super) failure: Option<String>,
    /// Tasks that ended, and how many of them in an error.
    pub(super) settled: u64,
    pub(super) failed: u64,
}

impl Model {
    /// Notes the first thing that is wrong.
    pub(super) fn fail(&mut self, what: String) {
        if self.failure.is_none() {
            self.failure = Some(what);
        }
    }

    /// The same if all of those nodes are what they should be.
    pub(super) fn fail_of<const N: usize>(&mut self, nodes: [NodeId; N], what: String) {
        if !nodes.iter().any(|node| Some(*node) == self.hostile) {
            self.fail(what);
        }
    }

    pub(super) fn turns_hostile(&mut self, node: NodeId) {
        self.hostile = Some(node);
        // What has to do with it may fail by that.
        self.deaths += 1;
    }

    pub(super) fn expect(&mut self, object: ObjectId, value: u64) {
        self.values.insert(object, value);
    }

    pub(super) fn value(&self, object: ObjectId) -> u64 {
        self.values.get(&object).copied().unwrap_or(0)
    }

    /// Notes that an object is to hold a reference to another one, unless that would be a circle,
    /// which counting can never free.
    pub(super) fn may_hold(&mut self, outer: ObjectId, inner: ObjectId) -> bool {
        let (mut open, mut seen) = (vec![inner], BTreeSet::new());
        while let Some(object) = open.pop() {
            if object == outer {
                return false;
            }
            if seen.insert(object) {
                open.extend(self.inner.get(&object).into_iter().flatten());
            }
        }
        self.inner.entry(outer).or_default().insert(inner)
    }

    /// A node has seen a value.
    pub(super) fn sees(&mut self, node: NodeId, object: ObjectId, value: u64) {
        if self.values.get(&object) != Some(&value) {
            self.fail(format!("I5: {node} reads {object} as {value:x}"));
        }
    }

    /// An attempt begins; `retries_max` is how often the task may be begun again.
    pub(super) fn begins(&mut self, node: NodeId, lease: LeaseId, retries_max: u32) {
        if !self.leases.insert(lease) {
            let text = format!("I12: {lease:?} is begun a second time, on {node}");
            self.fail_of([lease.task.node], text);
        }
        let begun = self.begun.entry(lease.task).or_default();
        *begun += 1;
        if *begun > 1 + retries_max {
            let text = format!("I3: {} was begun {begun} times, retries {retries_max}", lease.task);
            self.fail_of([lease.task.node], text);
        }
    }

    /// The producer of a stream gives an item, before which there were so many.
    pub(super) fn gives_item(&mut self, lease: LeaseId, index: u32, ahead: u32) {
        let taken = self.taken.get(&lease.task).copied().unwrap_or(0);
        if index >= taken + ahead {
            let text = format!("I21: {lease:?} is {index} - {taken} items ahead of its reader");
            self.fail_of([lease.task.node], text);
        }
    }

    pub(super) fn takes_item(&mut self, stream: TaskId) {
        *self.taken.entry(stream).or_default() += 1;
    }

    /// A task ends in an error of that kind.
    pub(super) fn errs(&mut self, task: TaskId, by_loss: bool) {
        self.failed += 1;
        if by_loss && self.deaths == 0 {
            self.fail(format!("I25: {task} fails by a loss, and nobody has died"));
        }
    }

    pub(super) fn frees(&mut self, object: ObjectId) {
        if !self.freed.insert(object) {
            self.fail(format!("I9: {object} is freed a second time"));
        }
        self.to_check_freed.push(object);
    }

    pub(super) fn is_freed(&self, object: ObjectId) -> bool {
        self.freed.contains(&object)
    }
}

/// A number that the arguments alone decide.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = (a ^ b.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z ^= z >> 29;
    z = z.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 32)
}
