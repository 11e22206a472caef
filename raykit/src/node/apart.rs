//! Large results stay on the node that has made them, and tasks go to their arguments.
//!
//! 1. A result of a plain call that nobody waits for here is not fetched (`stays`). Its task is
//!    not settled: it is as good as running, and if the node goes it runs again.
//! 2. Tasks that take it are ready all the same (`Slot::follow`). They are offered to the node
//!    where most bytes of their arguments lie (`Wish::Near`), and tell whoever runs them where
//!    these are.
//! 3. That node has it, or reads it from the one that has it (`lie_apart`, `want`).
//! 4. Whoever wants it here, or asks the owner for it, has it brought (`want`): from then on it is
//!    a result like others. The same goes for whatever goes wrong with 3.

use super::Node;
use super::cluster::{Cluster, Fetch, Foreign, Place, Post, seal};
use super::hands::{Hands, Road};
use super::left::{Arriving, Direct, Left, Staying};
use super::pack::{To, Wanted};
use super::post::wish;
use super::task::Task;
use crate::base::limits::{LEFT_BYTES_MIN, LEFT_LOOK_MS};
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId, Strategy};
use crate::object::buffer::Buffer;
use crate::object::codec::Sealed;
use crate::object::error::{ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::value::Value;
use crate::proto::event::{Event, Wish};
use crate::proto::wire::LeaseId;
use crate::task::arg::{Given, Input};
use crate::task::call::{Results, Returns};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Task {
    /// Whether an argument is not here.
    pub(super) fn lacks_arguments(&self) -> bool {
        self.inputs().references().any(|reference| !reference.is_ready())
    }

    /// The result is there, and stays on the node that has made it: who follows it is woken.
    /// `false` if somebody waits for it here.
    fn leave(&self) -> bool {
        self.slot().leave(|| self.wanted.load(Ordering::Relaxed))
    }

    /// Bytes of what it takes, as far as they are known here.
    fn takes(&self, cluster: &Cluster) -> u64 {
        let left = cluster.left.lock();
        let bytes = |input: &Input| match &input.0 {
            Given::Value(value) => value.bytes() as u64,
            Given::Ref(reference) => match (reference.outcome(), left.get(&reference.id())) {
                (Some(Ok(payload)), _) => payload.value().bytes() as u64,
                (None, Some(at)) => at.len,
                _ => 0,
            },
        };
        self.inputs().as_slice().iter().map(bytes).fold(0, u64::saturating_add)
    }

    /// Whether it could run on any node as well as here.
    fn is_free(&self) -> bool {
        self.function.is_mobile()
            && self.mailbox.is_none()
            && self.pipe().is_none()
            && !self.has_arrived()
    }
}

/// What is to be done with a task whose arguments are not all here.
enum Lacking {
    /// Most of their bytes are there.
    Go(NodeId),
    Bring,
    /// One of them is nowhere.
    Wait,
}

fn lacking(cluster: &Cluster, task: &Task) -> Lacking {
    let left = cluster.left.lock();
    let (mut there, mut here) = (BTreeMap::<NodeId, u64>::new(), 0_u64);
    for input in task.inputs().as_slice() {
        match &input.0 {
            Given::Value(value) => here += value.bytes() as u64,
            Given::Ref(reference) => match (reference.outcome(), left.get(&reference.id())) {
                (Some(Ok(payload)), _) => here += payload.value().bytes() as u64,
                (Some(Err(_)), _) => {}
                (None, Some(at)) => {
                    let bytes = there.entry(at.node).or_default();
                    *bytes = bytes.saturating_add(at.len); // as its node says: any number
                }
                (None, None) => return Lacking::Wait,
            },
        }
    }
    match there.into_iter().max_by_key(|(_, bytes)| *bytes) {
        Some((node, bytes)) if bytes > here => Lacking::Go(node),
        _ => Lacking::Bring,
    }
}

impl Node {
    pub(crate) fn is_in_cluster(&self) -> bool {
        self.cluster.get().is_some()
    }

    /// Whether that is to become the result of a task of this node.
    pub(super) fn makes(&self, reference: &RawRef) -> bool {
        reference.id().node == self.id && reference.peek::<Task>().is_some()
    }

    /// Whether a task does not need its arguments here.
    pub(super) fn may_follow(&self, task: &Task) -> bool {
        self.is_in_cluster() && task.is_free()
    }

    /// Sends a task to what it takes, of which some was left elsewhere, or has that brought.
    pub(super) fn ready_apart(self: &Arc<Node>, task: &Arc<Task>) {
        let Some(cluster) = self.cluster.get() else { return };
        let strategy = task.options().strategy;
        let wish = match lacking(cluster, task) {
            Lacking::Wait => return self.await_again(task, true),
            Lacking::Go(node) if strategy == Strategy::Default => Wish::Near(node),
            Lacking::Bring if !self.sends_away(task) => return self.await_again(task, false),
            _ => wish(strategy),
        };
        // In one step: a worker that waits for it could begin it here, where not all of it is.
        if let Some(attempt) = task.claim_waiting()
            && let Some(lease) = self.write_away(cluster, task, attempt, &To::Anyone)
        {
            cluster.post(Post::Offer { lease, wish });
        }
    }
}

/// What a node had is lost: another attempt, if the task may have one.
pub(super) fn again(node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
    let attempt = task.attempt.load(Ordering::Relaxed);
    if let Some(way) = task.mailbox.clone() {
        return way.lost(node, task, by, why);
    }
    let begun = task.pipe().is_some_and(|pipe| pipe.has_begun());
    if task.options().max_retries > attempt && !task.is_settled() && !begun {
        task.attempt.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(task = %task.id(), name = task.name(), node = %by, why, "tries again elsewhere");
        return node.come_back(task, Place::Anywhere);
    }
    let text = format!("{by}, which ran attempt {attempt}, is gone: {why}");
    let error = task.error(ErrorKind::NodeDied, text);
    node.settle_away(task, Err(error));
}

/// A result is lost, and cannot be made again.
pub(super) fn lost(node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
    let text = format!("it was left on {by}, which is gone: {why}");
    node.settle_away(task, Err(task.error(ErrorKind::ObjectLost, text)));
}

impl Hands {
    /// Whether a result of that size, which was made there, need not come here.
    pub(super) fn may_stay(&self, task: &Task, by: NodeId, len: u64) -> bool {
        len >= LEFT_BYTES_MIN
            && task.is_free()
            && task.function.returns == 1
            && task.deadline().is_none() // which may pass before anybody wants it
            && !self.cluster.is_near(by)
            && !self.machine.is_draining(by)
    }

    /// Leaves it there. `false` if somebody here waits for it.
    pub(super) fn stays(
        &mut self,
        node: &Node,
        task: &Arc<Task>,
        lease: LeaseId,
        (by, len): (NodeId, u64),
        refs: &[ObjectId],
    ) -> bool {
        let Ok(refs) = self.arrived(refs) else { return false };
        let object = task.id().result(0);
        let at = Left { node: by, lease, len, plain: refs.is_empty() };
        let again = task.options().max_retries > lease.attempt;
        let keeps = again.then(|| task.takes(&self.cluster));
        node.ledger.leaves(true);
        self.cluster.left.lock().insert(object, at);
        self.apart.stays(object, Staying { task: Arc::clone(task), at, refs, keeps });
        // Last, for whoever follows it looks for it now.
        let stays = task.leave();
        if !stays {
            let staying = self.stays_no_more(object);
            quietly(|| drop(staying));
            return false;
        }
        if !again {
            task.drop_inputs();
        }
        while let Some(oldest) = self.apart.forgets() {
            oldest.drop_inputs();
        }
        true
    }

    pub(super) fn stays_no_more(&mut self, object: ObjectId) -> Option<Staying> {
        let staying = self.apart.goes(object)?;
        staying.task.slot().leave_no_more(); // before: who finds it left looks for it in the table
        self.cluster.left.lock().remove(&object);
        if let Some(node) = self.node.upgrade() {
            node.ledger.leaves(false);
        }
        Some(staying)
    }

    /// Somebody here waits for that object.
    pub(super) fn want(&mut self, object: ObjectId, road: &mut dyn Road) {
        if object.node == self.cluster.me {
            return self.bring_left(object, road);
        }
        if self.cluster.held(object).is_none_or(|held| held.is_ready()) {
            return;
        }
        if let Some((len, refs)) = self.apart.unasked.remove(&object) {
            self.expect(Fetch::Object(object), object.node, len, refs);
            return self.bring(object, len, road);
        }
        match self.apart.places.remove(&object) {
            Some(at) if !self.machine.is_dead(at.node) => self.read_directly(object, at, road),
            _ => self.happened(Event::Want(object), road),
        }
    }

    /// Brings a result that was left elsewhere.
    fn bring_left(&mut self, object: ObjectId, road: &mut dyn Road) {
        let Some(staying) = self.stays_no_more(object) else { return };
        let Staying { task, at, refs, keeps } = staying;
        let (lease, by) = (at.lease, at.node);
        let what = Fetch::Result { lease, index: 0 };
        let (results, once) = (vec![None], keeps.is_none());
        self.arriving.insert(lease, Arriving { task, by, results, broken: None, once });
        self.expect(what, by, at.len, refs);
        road.fetch(by, what);
    }

    /// Sees to what was left elsewhere: what nobody refers to any more is let go of, and what lies
    /// on a node that is about to go is brought.
    pub(super) fn look_at_left(&mut self, road: &mut dyn Road) {
        let now = self.now();
        let pause = Duration::from_millis(LEFT_LOOK_MS);
        if self.apart.staying.is_empty() || now.since(self.apart.looked) < pause {
            return;
        }
        self.apart.looked = now;
        let Some(node) = self.node.upgrade() else { return };
        let unwanted = |staying: &Staying| Arc::strong_count(&staying.task) == 1;
        let (mut gone, mut hurried) = (Vec::new(), Vec::new());
        for (object, staying) in &self.apart.staying {
            if unwanted(staying) {
                gone.push(*object);
            } else if self.machine.is_draining(staying.at.node) {
                hurried.push(*object);
            }
        }
        while let Some(object) = gone.pop() {
            let Some(Staying { task, at, refs, .. }) = self.stays_no_more(object) else { continue };
            let taken: Vec<ObjectId> = task.inputs().references().map(RawRef::id).collect();
            // Whatever it is: nobody is there who could look.
            let nothing = Ok(Returns(Results::One(Value::new(()))));
            quietly(|| {
                node.settle_away(&task, nothing);
                drop((task, refs));
            });
            self.happened(Event::Unpark { lease: at.lease, by: at.node }, road);
            // What it was made of may have been wanted by nobody else.
            let goes_too = |one: &ObjectId| self.apart.staying.get(one).is_some_and(unwanted);
            gone.extend(taken.into_iter().filter(goes_too));
        }
        hurried.into_iter().for_each(|object| self.bring_left(object, road));
    }

    /// A node is gone, and what was left there.
    pub(super) fn lost_with(&mut self, node: NodeId, why: &str, road: &mut dyn Road) {
        self.unreached(node, road);
        self.apart.forget_all_of(node);
        let there =
            |(object, staying): (&ObjectId, &Staying)| (staying.at.node == node).then_some(*object);
        let all: Vec<ObjectId> = self.apart.staying.iter().filter_map(there).collect();
        let Some(own) = self.node.upgrade() else { return };
        for staying in all.into_iter().filter_map(|object| self.stays_no_more(object)) {
            match staying.keeps {
                Some(_) => again(&own, &staying.task, node, why),
                None => lost(&own, &staying.task, node, why),
            }
            quietly(|| drop(staying));
        }
    }

    /// Notes which arguments of a call that has come lie neither here nor with their owner.
    pub(super) fn lie_apart(&mut self, caller: NodeId, called: &Wanted) {
        let Wanted::Call(called) = called else { return };
        for (reference, at) in &called.apart {
            let foreign = reference.peek::<Foreign>().filter(|_| !reference.is_ready());
            let Some(object) = foreign.map(Foreign::object) else { continue };
            if object.node != caller || at.lease.task != object.task() {
                continue; // that is not for him to say
            }
            if at.node != self.cluster.me {
                if at.plain {
                    self.apart.places.insert(object, *at);
                }
            } else if let Some(Some(sealed)) =
                self.parked.get(&at.lease).and_then(|all| all.first())
            {
                seal(reference, Ok(Value::Sealed(Arc::clone(sealed))));
            }
        }
    }

    /// Reads an object of one node from another one.
    fn read_directly(&mut self, object: ObjectId, at: Left, road: &mut dyn Road) {
        let (node, lease) = (at.node, at.lease);
        let waits = self.links_to(node) == 0;
        self.apart.direct.insert(lease, Direct { object, node, waits });
        match waits {
            true => {
                let members = self.cluster.members();
                let there = members.into_iter().find(|member| member.node == node);
                let addresses = there.map(|member| member.addresses).unwrap_or_default();
                road.connect(node, &addresses);
            }
            false => road.fetch(node, Fetch::Result { lease, index: 0 }),
        }
    }

    fn waiting_for(&self, node: NodeId) -> Vec<LeaseId> {
        let waits = |(lease, direct): (&LeaseId, &Direct)| {
            (direct.waits && direct.node == node).then_some(*lease)
        };
        self.apart.direct.iter().filter_map(waits).collect()
    }

    /// There is a link to that node.
    pub(super) fn reached(&mut self, node: NodeId, road: &mut dyn Road) {
        for lease in self.waiting_for(node) {
            if let Some(direct) = self.apart.direct.get_mut(&lease) {
                direct.waits = false;
            }
            road.fetch(node, Fetch::Result { lease, index: 0 });
        }
    }

    /// There is none: an attempt to make one has failed.
    pub(super) fn unreached(&mut self, node: NodeId, road: &mut dyn Road) {
        for lease in self.waiting_for(node) {
            if let Some(Direct { object, .. }) = self.apart.direct.remove(&lease) {
                self.happened(Event::Want(object), road);
            }
        }
    }

    /// Bytes that have been read directly go where they belong, and where they have not come their
    /// owner is asked. Others are given back.
    pub(super) fn come_directly(
        &mut self,
        what: Fetch,
        bytes: Result<Buffer>,
        road: &mut dyn Road,
    ) -> Option<Result<Buffer>> {
        let direct = match what {
            Fetch::Result { lease, .. } => self.apart.direct.remove(&lease),
            Fetch::Object(_) => None,
        };
        let Some(Direct { object, node, .. }) = direct else { return Some(bytes) };
        match bytes {
            Ok(bytes) => {
                self.cluster.has_come(&bytes);
                if let Some(reference) = self.cluster.held(object) {
                    let sealed = Sealed::from_buffer(bytes, Vec::new());
                    seal(&reference, Ok(Value::Sealed(Arc::new(sealed))));
                }
            }
            Err(error) => {
                tracing::debug!(%object, %node, %error, "its owner is asked for it");
                self.happened(Event::Want(object), road);
            }
        }
        None
    }
}
