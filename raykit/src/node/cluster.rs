//! `Cluster`: what a node's threads share with the hands of its cluster's brain. They leave word
//! there (`Post`) and ring a bell; the hands run on the road's own thread, and read it.

use super::Node;
use super::task::Task;
use crate::base::quantity::Resources;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::object::buffer::Buffer;
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::ledger::Ledger;
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::Slot;
use crate::proto::event::Wish;
use crate::proto::wire::{Bytes, LeaseId, Member};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// A node's part in its cluster.
pub(crate) struct Cluster {
    pub(crate) me: NodeId,
    posts: Mutex<Vec<Post>>,
    /// Has the hands look at the posts, once they are there.
    bell: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Another node has room for what is queued here.
    pub(super) wanted: AtomicBool,
    /// Objects of other nodes that something here refers to.
    pub(super) foreign: Mutex<HashMap<ObjectId, Weak<Foreign>>>,
    /// Tasks of this node that others have, or may have.
    pub(super) away: Mutex<HashMap<TaskId, Away>>,
    pub(super) members: Mutex<Vec<Member>>,
    lost: OnceLock<Error>,
}

/// A task that is not here.
pub(super) struct Away {
    pub(super) lease: LeaseId,
    pub(super) task: Arc<Task>,
    pub(super) want: Resources,
    pub(super) spec: Bytes,
    pub(super) refs: Vec<RawRef>,
}

/// A value or an error on its way out.
pub(super) enum Packed {
    /// Small enough to go with the word that it is there.
    Inline(Arc<Sealed>),
    /// It is kept here until somebody comes for it.
    Large(Arc<Sealed>),
    Failed(Arc<Sealed>),
}

/// A word to the hands.
pub(super) enum Post {
    Offer {
        lease: LeaseId,
        wish: Wish,
    },
    Withdraw(LeaseId),
    /// A task of another node has run here.
    Ran {
        lease: LeaseId,
        results: Vec<Packed>,
    },
    /// An object that others wait for is there.
    Sealed {
        object: ObjectId,
        packed: Packed,
    },
    Dropped {
        object: ObjectId,
        generation: u64,
    },
    /// Bytes have come that were asked for, or will not.
    Fetched {
        what: Fetch,
        bytes: Result<Buffer>,
    },
    Leave(String),
}

/// What bytes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fetch {
    Object(ObjectId),
    /// A result of a task that ran elsewhere.
    Result {
        lease: LeaseId,
        index: u32,
    },
}

impl Cluster {
    pub(super) fn new(me: NodeId) -> Arc<Cluster> {
        Arc::new(Cluster {
            me,
            posts: Mutex::new(Vec::new()),
            bell: OnceLock::new(),
            wanted: AtomicBool::new(false),
            foreign: Mutex::new(HashMap::new()),
            away: Mutex::new(HashMap::new()),
            members: Mutex::new(Vec::new()),
            lost: OnceLock::new(),
        })
    }

    /// What makes the hands look.
    pub(super) fn set_bell(&self, ring: impl Fn() + Send + Sync + 'static) {
        let _ = self.bell.set(Box::new(ring));
        self.ring();
    }

    fn ring(&self) {
        if let Some(ring) = self.bell.get() {
            ring();
        }
    }

    pub(super) fn post(&self, post: Post) {
        self.posts.lock().push(post);
        self.ring();
    }

    /// All that was posted since the last time.
    pub(super) fn take_posts(&self) -> Vec<Post> {
        std::mem::take(&mut *self.posts.lock())
    }

    /// Why there is no cluster any more.
    pub(crate) fn lost(&self) -> Option<Error> {
        self.lost.get().cloned()
    }

    pub(super) fn lose(&self, why: &str) -> Error {
        let error = Error::new(ErrorKind::ClusterLost, why);
        self.lost.get_or_init(|| error).clone()
    }

    /// A worker has nothing to do.
    pub(crate) fn is_idle(&self) {
        self.ring();
    }

    /// Work was queued.
    pub(crate) fn has_queued(&self) {
        // Relaxed: whoever asks looks at the queue after it has said so.
        if self.wanted.load(Ordering::Relaxed) {
            self.ring();
        }
    }

    /// The reference to another node's object, made if there is none.
    pub(super) fn hold(
        self: &Arc<Cluster>,
        node: &Node,
        object: ObjectId,
        generation: u64,
    ) -> RawRef {
        let mut table = self.foreign.lock();
        if let Some(there) = table.get(&object).and_then(Weak::upgrade) {
            there.held(generation);
            return RawRef(there);
        }
        let new = Arc::new(Foreign::new(Arc::clone(self), object, node.ledger, generation));
        table.insert(object, Arc::downgrade(&new));
        RawRef(new)
    }

    /// The reference to another node's object, if there is one.
    pub(super) fn held(&self, object: ObjectId) -> Option<RawRef> {
        let there = self.foreign.lock().get(&object).and_then(Weak::upgrade);
        there.map(|there| RawRef(there as _))
    }
}

/// The place of another node's object here. All references in this process share it; when the last
/// one goes, its owner is told.
pub(crate) struct Foreign {
    slot: Slot,
    object: ObjectId,
    /// How often references have arrived, as the brain counts.
    generation: AtomicU64,
    cluster: Arc<Cluster>,
}

impl Foreign {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        object: ObjectId,
        ledger: &'static Ledger,
        generation: u64,
    ) -> Foreign {
        let generation = AtomicU64::new(generation);
        Foreign { slot: Slot::new(object, ledger), object, generation, cluster }
    }

    /// One more reference has arrived.
    pub(super) fn held(&self, generation: u64) {
        self.generation.fetch_max(generation, Ordering::Relaxed); // under the table's lock
    }
}

impl Holder for Foreign {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let generation = self.generation.load(Ordering::Relaxed);
        {
            let mut table = self.cluster.foreign.lock();
            // Another one may stand in its place already.
            if table.get(&self.object).is_some_and(|there| there.strong_count() == 0) {
                table.remove(&self.object);
            }
        }
        self.cluster.post(Post::Dropped { object: self.object, generation });
    }
}

pub(super) fn owner_died(object: ObjectId, why: &str) -> Error {
    let text = format!("{object} was {}'s, and {} is gone: {why}", object.node, object.node);
    Error::new(ErrorKind::OwnerDied, text)
}
