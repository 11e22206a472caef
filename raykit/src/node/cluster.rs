//! `Cluster`: what a node's threads share with the hands of its cluster's brain. They leave word
//! there (`Post`) and ring a bell; the hands run on the road's own thread, and read it.

use super::Node;
use super::keys::{KeyOrder, Keys};
use super::left::Left;
pub(super) use super::post::{Away, Fetch, Packed, Place, Post};
use super::question::Names;
use super::task::Task;
use crate::base::clock;
use crate::base::inorder::InOrderMap;
use crate::base::maps::HashMap;
use crate::base::quiet::quietly;
use crate::base::thread::Condvar;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::object::buffer::{Buffer, Lender};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::ledger::Ledger;
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::Slot;
use crate::object::value::{Payload, Value};
use crate::proto::wire::Member;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// A node's part in its cluster.
pub(crate) struct Cluster {
    pub(crate) me: NodeId,
    head: NodeId,
    /// The head's.
    pub(super) names: Names,
    posts: Mutex<Vec<Post>>,
    /// Has the hands look at the posts, once they are there.
    bell: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Another node has room for what is queued here.
    pub(super) wanted: AtomicBool,
    /// Objects of other nodes that something here refers to.
    pub(super) foreign: Mutex<HashMap<ObjectId, Weak<Foreign>>>,
    /// Tasks of this node that others have, or may have.
    pub(super) away: Mutex<InOrderMap<TaskId, Away>>,
    /// Large results of these that stay where they were made.
    pub(super) left: Mutex<BTreeMap<ObjectId, Left>>,
    pub(super) members: Mutex<Vec<Member>>,
    lost: OnceLock<Error>,
    /// It takes nothing new, and leaves when it has run what it has.
    draining: AtomicBool,
    /// While it does: what others wait for, once that was counted.
    owed: Mutex<Option<usize>>,
    owed_changed: Condvar,
    road: OnceLock<Arc<dyn OnRoad>>,
    /// Told when there is no cluster any more.
    on_lost: Mutex<Option<OnLost>>,
    /// Memory that nodes of the same host and user can read, and the number of that host.
    memory: OnceLock<(Arc<dyn Lender>, u128)>,
    /// There are such nodes.
    has_near: AtomicBool,
    /// Objects that have come in such memory.
    mapped: AtomicU64,
}

type OnLost = Box<dyn FnOnce(&Error) + Send>;

/// The road that a node is on, as the rest of the node sees it.
pub(crate) trait OnRoad: Send + Sync {
    /// Where the node can be reached.
    fn address(&self) -> SocketAddr;

    /// Says goodbye to all.
    fn close(&self, grace: Duration);

    /// The head's: does something with its tokens.
    fn keys(&self, order: &KeyOrder) -> Result<Keys>;
}

impl Cluster {
    pub(super) fn new(me: NodeId, head: NodeId, members: Vec<Member>) -> Arc<Cluster> {
        Arc::new(Cluster {
            me,
            head,
            names: Names::default(),
            posts: Mutex::new(Vec::new()),
            bell: OnceLock::new(),
            wanted: AtomicBool::new(false),
            foreign: Mutex::new(HashMap::default()),
            away: Mutex::default(),
            left: Mutex::default(),
            members: Mutex::new(members),
            lost: OnceLock::new(),
            draining: AtomicBool::new(false),
            owed: Mutex::default(),
            owed_changed: Condvar::new(),
            road: OnceLock::new(),
            on_lost: Mutex::new(None),
            memory: OnceLock::new(),
            has_near: AtomicBool::new(false),
            mapped: AtomicU64::new(0),
        })
    }

    /// Lets nodes of this host read what lies in `memory`.
    #[cfg_attr(
        not(all(feature = "cluster", target_os = "linux")),
        expect(dead_code, reason = "no other node can read it")
    )]
    pub(super) fn share(&self, memory: Arc<dyn Lender>, host: u128) {
        let _ = self.memory.set((memory, host));
        self.look_near();
    }

    /// The members have changed.
    pub(super) fn look_near(&self) {
        let Some((_, host)) = self.memory.get() else { return };
        let near = |member: &Member| member.host == *host && member.node != self.me;
        let has_near = self.members.lock().iter().any(near);
        self.has_near.store(has_near, Ordering::Relaxed); // it only saves work
    }

    /// Whether that node and this one share memory.
    pub(super) fn is_near(&self, node: NodeId) -> bool {
        let Some((_, host)) = self.memory.get() else { return false };
        self.members.lock().iter().any(|member| member.node == node && member.host == *host)
    }

    /// Where large values go that may be asked for by a node of this host.
    pub(super) fn lender(&self) -> Option<&dyn Lender> {
        let (lender, _) = self.memory.get().filter(|_| self.has_near.load(Ordering::Relaxed))?;
        Some(&**lender)
    }

    /// An object has come; whether in shared memory is seen by its bytes.
    pub(super) fn has_come(&self, bytes: &Buffer) {
        let mapped = bytes.memory().is_some_and(|memory| !memory.is_own());
        self.mapped.fetch_add(u64::from(mapped), Ordering::Relaxed);
    }

    /// Objects that have come in shared memory, and the bytes of it that this node has.
    pub(crate) fn shared(&self) -> (u64, u64) {
        let own = self.memory.get().map_or(0, |(memory, _)| memory.bytes());
        (self.mapped.load(Ordering::Relaxed), own)
    }

    /// What makes the hands look.
    pub(super) fn set_bell(&self, ring: impl Fn() + Send + Sync + 'static) {
        let _ = self.bell.set(Box::new(ring));
        self.ring();
    }

    pub(super) fn ring(&self) {
        if let Some(ring) = self.bell.get() {
            ring();
        }
    }

    pub(super) fn post(&self, post: Post) {
        let first = {
            let mut posts = self.posts.lock();
            posts.push(post);
            posts.len() == 1
        };
        // Whoever has left the first one rings for those behind it.
        if first {
            self.ring();
        }
    }

    /// Has objects of that ledger brought that are wanted.
    pub(super) fn brings_to(self: &Arc<Cluster>, ledger: &Ledger) {
        let there = Arc::downgrade(self);
        ledger.brings(move |object| {
            there.upgrade().into_iter().for_each(|cluster| cluster.post(Post::Want(object)));
        });
    }

    /// All that was posted since the last time.
    pub(super) fn take_posts(&self) -> Vec<Post> {
        std::mem::take(&mut *self.posts.lock())
    }

    pub(super) fn be_on(&self, road: Arc<dyn OnRoad>) {
        let _ = self.road.set(road);
    }

    /// The nodes that belong to it, as far as this one has heard.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.lock().clone()
    }

    pub(crate) fn head(&self) -> NodeId {
        self.head
    }

    pub(crate) fn road(&self) -> Option<&Arc<dyn OnRoad>> {
        self.road.get()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Takes nothing new from now on, and waits until what runs here for others has ended, and they
    /// have what came of it.
    pub(crate) fn drain(&self, limit: Duration) {
        self.draining.store(true, Ordering::Release);
        self.ring();
        let deadline = clock::now() + limit;
        let mut owed = self.owed.lock();
        while *owed != Some(0) && self.lost().is_none() {
            if self.owed_changed.wait_until(&mut owed, deadline).timed_out() {
                let text =
                    "tasks of other nodes have not ended in time, or their results have not gone";
                tracing::warn!(left = *owed, "{text}");
                return;
            }
        }
    }

    /// What others wait for of this node while it drains.
    pub(super) fn set_owed(&self, count: usize) {
        *self.owed.lock() = Some(count);
        self.owed_changed.notify_all();
    }

    /// This node goes: says so, and leaves the road.
    pub(super) fn leave(&self, grace: Duration) {
        self.post(Post::Leave("the node was closed".to_owned()));
        self.road.get().into_iter().for_each(|road| road.close(grace));
    }

    /// Why there is no cluster any more.
    pub(crate) fn lost(&self) -> Option<Error> {
        self.lost.get().cloned()
    }

    /// Has `told` called when there is no cluster any more.
    pub(crate) fn when_lost(&self, told: impl FnOnce(&Error) + Send + 'static) {
        *self.on_lost.lock() = Some(Box::new(told));
        if let Some(error) = self.lost() {
            let told = self.on_lost.lock().take();
            told.into_iter().for_each(|told| told(&error));
        }
    }

    pub(super) fn lose(&self, why: &str) -> Error {
        let error = Error::new(ErrorKind::ClusterLost, why);
        let error = self.lost.get_or_init(|| error).clone();
        let told = self.on_lost.lock().take();
        told.into_iter().for_each(|told| told(&error));
        error
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
    /// Somebody here waits for it.
    wanted: AtomicBool,
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
        let wanted = AtomicBool::new(false);
        Foreign { slot: Slot::new(object, ledger), object, generation, wanted, cluster }
    }

    pub(crate) fn object(&self) -> ObjectId {
        self.object
    }

    /// Has its owner cancel the task that makes it. `false` if it is there already.
    pub(crate) fn cancel(&self) -> bool {
        let open = self.slot.stage() == Stage::Open && !self.object.is_actor();
        if open {
            self.cluster.post(Post::Cancel(self.object));
        }
        open
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
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
    fn want(&self) {
        let has_value = !self.object.is_actor() && !self.object.is_stream();
        if has_value && self.stage() == Stage::Open && !self.wanted.swap(true, Ordering::SeqCst) {
            self.cluster.post(Post::Want(self.object));
        }
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

/// Gives an object its outcome, if it has none.
pub(super) fn seal(reference: &RawRef, outcome: Result<Value>) {
    quietly(|| {
        reference.seal(outcome.map(Payload::new));
    });
}

impl Node {
    /// Whatever waits for other nodes ends in this error.
    pub(super) fn end_away(
        self: &Arc<Node>,
        cluster: &Cluster,
        more: Vec<Arc<Task>>,
        error: &Error,
    ) {
        let away: Vec<Away> = cluster.away.lock().drain().map(|(_, away)| away).collect();
        for task in away.into_iter().map(|away| away.task).chain(more) {
            let error = error.clone().in_task(task.name(), task.id());
            self.after_attempt(task, Err(error));
        }
        self.end_groups(error);
        let foreign: Vec<ObjectId> = cluster.foreign.lock().keys().copied().collect();
        for object in foreign {
            if let Some(reference) = cluster.held(object) {
                seal(&reference, Err(error.clone()));
            }
        }
    }

    /// Leaves the cluster.
    pub(super) fn leave_cluster(self: &Arc<Node>) {
        let Some(cluster) = self.cluster.get() else { return };
        cluster.leave(self.config.grace);
        let error = cluster.lose("the node was closed");
        self.end_away(cluster, Vec::new(), &error);
    }
}
