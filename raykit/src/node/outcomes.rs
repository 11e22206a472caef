//! What comes back from other nodes: results, errors, objects, bytes, and the news that a node is
//! gone, or the cluster.

use super::apart::{again, lost};
use super::cluster::{Away, Fetch, Foreign, Place, owner_died, seal};
use super::flow::Inflow;
use super::hands::{Hands, Road};
use super::left::Arriving;
use super::task::Task;
use super::{Node, names};
use crate::base::AUDIT;
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId};
use crate::object::buffer::Buffer;
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::told;
use crate::object::value::Value;
use crate::proto::event::Event;
use crate::proto::wire::{LeaseId, Outcome};
use crate::task::call::{Results, Returns};
use std::sync::Arc;

impl Hands {
    pub(super) fn fill(&mut self, object: ObjectId, outcome: Outcome, road: &mut dyn Road) {
        let held = self.cluster.held(object).filter(|reference| !reference.is_ready());
        let Some(reference) = held else { return };
        let filled = match outcome {
            Outcome::Inline(bytes, refs) => self.value(&bytes, &refs),
            Outcome::Failed(bytes, refs) => Err(self.error(&bytes, &refs)),
            Outcome::Freed => {
                let text = format!("{object} is not kept by {} any more", object.node);
                Err(Error::new(ErrorKind::ObjectLost, text))
            }
            Outcome::Large(len, refs) => {
                let inner = self.arrived(&refs).unwrap_or_default();
                if reference.peek::<Foreign>().is_none_or(Foreign::is_wanted) {
                    self.expect(Fetch::Object(object), object.node, len, inner);
                    return self.bring(object, len, road);
                }
                return self.apart.unasked(object, len, inner);
            }
        };
        seal(&reference, filled);
    }

    /// An item of an own stream has come.
    pub(super) fn item(&mut self, node: &Arc<Node>, lease: LeaseId, item: Outcome) {
        let task = {
            let away = self.cluster.away.lock();
            let there = away.get(&lease.task).filter(|away| away.lease == lease);
            there.map(|away| Arc::clone(&away.task))
        };
        let Some(task) = task else { return };
        let value = match item {
            Outcome::Inline(bytes, refs) => self.value(&bytes, &refs),
            Outcome::Failed(bytes, refs) => Err(self.error(&bytes, &refs)),
            Outcome::Large(..) | Outcome::Freed => {
                Err(Error::new(ErrorKind::Encoding, "an item has not come"))
            }
        };
        match value {
            Ok(value) => {
                let new = || Inflow::new(&self.cluster, lease, &task);
                self.inflows.entry(lease).or_insert_with(new).put(node, value);
            }
            // The stream ends with that, and its task is not needed any more.
            Err(error) => {
                node.abort(&task, error);
            }
        }
    }

    pub(super) fn take_away(&mut self, lease: LeaseId) -> Option<Away> {
        if !self.inflows.is_empty() {
            self.inflows.remove(&lease);
        }
        let mut table = self.cluster.away.lock();
        let same = table.get(&lease.task).is_some_and(|away| away.lease == lease);
        same.then(|| table.remove(&lease.task)).flatten()
    }

    pub(super) fn settle(
        &mut self,
        node: &Arc<Node>,
        lease: LeaseId,
        by: NodeId,
        results: Vec<Outcome>,
        road: &mut dyn Road,
    ) {
        let Some(away) = self.take_away(lease) else {
            // It was withdrawn, and the brain has not heard of that: nobody fetches what it made.
            if results.iter().any(|result| matches!(result, Outcome::Large(..))) {
                self.happened(Event::Unpark { lease, by }, road);
            }
            return;
        };
        if let [Outcome::Inline(bytes, refs)] = &results[..] {
            // As nearly all are.
            let value = self.value(bytes, refs).map(|value| Returns(Results::One(value)));
            return quietly(|| node.settle_away(&away.task, value));
        }
        if let [Outcome::Large(len, refs)] = &results[..]
            && self.may_stay(&away.task, by, *len)
            && self.stays(node, &away.task, lease, (by, *len), refs)
        {
            return;
        }
        let (task, results_here) = (away.task, Vec::new());
        let mut arriving = Arriving { task, by, results: results_here, broken: None, once: false };
        let mut missing = 0;
        for (index, outcome) in results.into_iter().enumerate() {
            arriving.results.push(match outcome {
                Outcome::Inline(bytes, refs) => Some(self.value(&bytes, &refs)),
                Outcome::Failed(bytes, refs) => Some(Err(self.error(&bytes, &refs))),
                Outcome::Freed => Some(Err(Error::new(ErrorKind::ObjectLost, "a result is gone"))),
                Outcome::Large(len, refs) => {
                    missing += 1;
                    let what = Fetch::Result { lease, index: index as u32 };
                    let inner = self.arrived(&refs).unwrap_or_default();
                    self.expect(what, by, len, inner);
                    road.fetch(by, what);
                    None
                }
            });
        }
        match missing {
            0 => finish(node, arriving),
            _ => drop(self.arriving.insert(lease, arriving)),
        }
    }

    /// Bytes have come, or will not, and `got` is what had come by then.
    pub(super) fn fetched(
        &mut self,
        what: Fetch,
        bytes: Result<Buffer>,
        got: Option<Buffer>,
        road: &mut dyn Road,
    ) {
        let Some(node) = self.node.upgrade() else { return };
        if let Err(error) = &bytes
            && self.come_later(what, error, got, road)
        {
            return;
        }
        let inner = self.coming.remove(&what).map(|coming| coming.refs).unwrap_or_default();
        let Some(bytes) = self.come_directly(what, bytes, road) else { return };
        bytes.iter().for_each(|bytes| self.cluster.has_come(bytes));
        match what {
            Fetch::Object(object) => {
                self.incoming.remove(&object);
                if let Some(reference) = self.cluster.held(object) {
                    seal(&reference, bytes.map(|bytes| sealed_of(bytes, inner)));
                }
            }
            Fetch::Result { lease, index } => {
                let Some(arriving) = self.arriving.get_mut(&lease) else { return };
                if let Some(place) = arriving.results.get_mut(index as usize) {
                    if let Err(error) = &bytes {
                        arriving.broken.get_or_insert_with(|| error.clone());
                    }
                    *place = Some(bytes.map(|bytes| sealed_of(bytes, inner)));
                }
                if arriving.results.iter().all(Option::is_some)
                    && let Some(whole) = self.arriving.remove(&lease)
                {
                    let by = whole.by;
                    match &whole.broken {
                        Some(error) if error.kind() == ErrorKind::ObjectLost => {
                            let name = (whole.task.name(), whole.task.id());
                            let error = error.clone().in_task(name.0, name.1);
                            node.settle_away(&whole.task, Err(error));
                        }
                        // The node is gone, or on its way: its word on the task is worth nothing.
                        Some(error) if whole.once => {
                            lost(&node, &whole.task, by, error.message());
                        }
                        Some(error) => again(&node, &whole.task, by, error.message()),
                        None => finish(&node, whole),
                    }
                    self.happened(Event::Unpark { lease, by }, road);
                }
            }
        }
    }

    /// An own task was not begun there: for no fault of its own, or because it cannot be.
    pub(super) fn turned_down(&mut self, node: &Arc<Node>, lease: LeaseId, why: &[u8]) {
        let Some(away) = self.take_away(lease) else { return };
        let way = away.task.mailbox.as_ref();
        let moves = away.task.function.is_mobile() || way.is_some_and(|way| way.may_move());
        if why.is_empty() && moves {
            return node.come_back(&away.task, Place::Anywhere);
        }
        let error = told::read(why, Vec::new());
        node.settle_away(&away.task, Err(error.in_task(away.task.name(), away.task.id())));
    }

    pub(super) fn lost(&mut self, node: &Arc<Node>, lease: LeaseId, by: NodeId, why: &str) {
        if let Some(away) = self.take_away(lease) {
            again(node, &away.task, by, why);
        }
    }

    pub(super) fn gone(&mut self, node: NodeId, why: &str, road: &mut dyn Road) {
        tracing::warn!(target: AUDIT, %node, why, "a node is gone");
        self.cluster.members.lock().retain(|member| member.node != node);
        self.swarms.values_mut().for_each(|swarm| swarm.gone(node));
        self.parked.retain(|lease, _| lease.task.node != node);
        self.owners.remove(&node);
        self.cluster.look_near();
        if let Some(own) = self.node.upgrade() {
            names::gone(&own, &self.cluster, node);
            #[cfg(feature = "cluster")]
            own.books.letters.forget(node);
        }
        let of_it: Vec<ObjectId> =
            self.cluster.foreign.lock().keys().filter(|o| o.node == node).copied().collect();
        for object in of_it {
            if let Some(reference) = self.cluster.held(object) {
                seal(&reference, Err(owner_died(object, why)));
            }
        }
        self.come_no_more(node, why, road);
        self.lost_with(node, why, road);
    }

    /// Own tasks that have run elsewhere, and whose results are not here: they will not come.
    fn unfinished(&mut self) -> Vec<Arc<Task>> {
        let staying: Vec<ObjectId> = self.apart.staying.keys().copied().collect();
        let staying = staying.into_iter().filter_map(|object| self.stays_no_more(object));
        let staying: Vec<Arc<Task>> = staying.map(|staying| staying.task).collect();
        self.apart.end();
        let arriving = self.arriving.drain().map(|(_, arriving)| arriving.task);
        arriving.chain(staying).collect()
    }

    /// There is no cluster any more: whatever waits for it ends.
    pub(super) fn alone(&mut self, why: &str) {
        let error = self.cluster.lose(why);
        tracing::error!(%error, "the node has lost its cluster");
        let arriving = self.unfinished();
        let taken: Vec<Arc<Task>> = self.taken.drain().map(|(_, task)| task).collect();
        if let Some(node) = self.node.upgrade() {
            node.end_away(&self.cluster, arriving, &error);
            taken.iter().for_each(|task| {
                node.cancel(task);
            });
        }
        let making = std::mem::take(&mut self.making);
        let claims = (std::mem::take(&mut self.claims), std::mem::take(&mut self.exports), making);
        self.parked.clear();
        self.flows.drain().for_each(|(_, flow)| flow.stop());
        self.incoming.clear();
        self.coming.clear();
        self.swarms.clear();
        quietly(|| drop(claims));
    }
}

/// With the road go those who could bring what lies elsewhere.
impl Drop for Hands {
    fn drop(&mut self) {
        let unfinished = self.unfinished();
        let Some(node) = self.node.upgrade().filter(|_| !unfinished.is_empty()) else { return };
        let closed = || Error::new(ErrorKind::ClusterLost, "the node was closed");
        let error = self.cluster.lost().unwrap_or_else(closed);
        quietly(|| node.end_away(&self.cluster, unfinished, &error));
    }
}

fn sealed_of(bytes: Buffer, refs: Vec<RawRef>) -> Value {
    Value::Sealed(Arc::new(Sealed::from_buffer(bytes, refs)))
}

/// The results of a task that has run elsewhere are here.
fn finish(node: &Arc<Node>, arriving: Arriving) {
    let results: Result<Vec<Value>> = arriving.results.into_iter().flatten().collect();
    let returns = results.map(|mut values| match values.len() {
        1 => Returns(Results::One(values.remove(0))),
        _ => Returns(Results::Many(values)),
    });
    quietly(|| node.settle_away(&arriving.task, returns));
}
