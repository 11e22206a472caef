//! What the brain is told of tasks and values, and the claims to objects that it gets with them.

use super::Node;
use super::hands::Hands;
use super::placed::Placed;
use super::post::Packed;
use super::stream::Tap;
use super::task::{Task, producer};
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId};
use crate::object::codec::Sealed;
use crate::object::raw::RawRef;
use crate::proto::event::{Event, Offer, Wish};
use crate::proto::wire::{LeaseId, Outcome};
use std::sync::Arc;

impl Hands {
    pub(super) fn offer(&mut self, lease: LeaseId, wish: Wish) -> Option<Box<Offer>> {
        let (mut offer, refs) = {
            let mut away = self.cluster.away.lock();
            let away = away.get_mut(&lease.task).filter(|away| away.lease == lease)?;
            (away.offer.take()?, std::mem::take(&mut away.refs))
        };
        offer.wish = wish;
        offer.refs = refs.iter().map(|reference| self.claim(reference)).collect();
        quietly(|| drop(refs));
        Some(offer)
    }

    /// Offers some of what is queued here to a node that has room.
    pub(super) fn give(&mut self, node: &Arc<Node>, to: NodeId, count: u32) {
        let jobs = node.pool.take(count as usize);
        let mut leases = Vec::new();
        for job in jobs {
            let any: Arc<dyn std::any::Any + Send + Sync> = job;
            let Ok(task) = any.downcast::<Task>() else { continue };
            if let Some(lease) = node.send_away(&self.cluster, &task) {
                leases.push(lease);
            }
        }
        let wish = Wish::At { node: to, soft: true };
        for lease in leases {
            if let Some(offer) = self.offer(lease, wish) {
                self.machine.handle(self.now(), Event::Offer(offer));
            }
        }
    }

    /// Claims an object for the brain. The name that other nodes know it by.
    fn claim(&mut self, reference: &RawRef) -> ObjectId {
        let direct = reference.peek::<Placed>().and_then(Placed::direct);
        let reference = direct.as_ref().unwrap_or(reference);
        let id = reference.id();
        let own = id.node == self.cluster.me;
        let object = if own || self.cluster.held(id).is_some_and(|held| held.is(reference)) {
            id
        } else {
            // Of another node in this process, or of none: it goes by a name of this one.
            let (me, sequence) = (self.cluster.me, crate::base::id::next_sequence());
            let index = if id.is_stream() { ObjectId::STREAM } else { 0 };
            let new = ObjectId { node: me, index, sequence };
            *self.aliases.entry(reference.address()).or_insert(new)
        };
        self.claims.entry(object).or_insert_with(|| reference.clone());
        object
    }

    /// Another node, which has a claim to it, wants the task cancelled that makes an object or a
    /// stream.
    pub(super) fn cancel_claimed(&self, node: &Arc<Node>, object: ObjectId) {
        let Some(claim) = self.claims.get(&object) else { return };
        let of_stream = || Some(Arc::clone(claim.peek::<Tap>()?.task()));
        if let Some(task) = producer(claim).or_else(of_stream) {
            node.cancel(&task);
        }
    }

    /// What others wait for: tasks of theirs that run here, large results that they have not got,
    /// and nodes that have not acknowledged what was said to them. Objects and streams of this node
    /// go with it.
    pub(super) fn owed(&self) -> usize {
        let on_its_way = |owner: &&NodeId| self.machine.bytes_to(**owner) > 0;
        let words = self.owners.iter().filter(on_its_way).count();
        self.taken.len() + self.making.len() + self.parked.len() + words
    }

    /// What the brain is told of a value; `keep` gets a large one.
    pub(super) fn told(
        &mut self,
        packed: Packed,
        keep: impl FnOnce(&mut Hands, Arc<Sealed>),
    ) -> Outcome {
        let refs = |hands: &mut Hands, sealed: &Sealed| {
            sealed.refs().to_vec().iter().map(|reference| hands.claim(reference)).collect()
        };
        match packed {
            Packed::Inline(sealed) => {
                let inner = refs(self, &sealed);
                Outcome::Inline(Arc::from(sealed.bytes()), inner)
            }
            Packed::Failed(sealed) => {
                let inner = refs(self, &sealed);
                Outcome::Failed(Arc::from(sealed.bytes()), inner)
            }
            Packed::Large(sealed) => {
                let inner = refs(self, &sealed);
                let len = sealed.len() as u64;
                keep(self, sealed);
                Outcome::Large(len, inner)
            }
        }
    }

    pub(super) fn results(&mut self, lease: LeaseId, results: Vec<Packed>) -> Vec<Outcome> {
        let count = results.len();
        let mut parked: Vec<Option<Arc<Sealed>>> = Vec::new();
        let told = results.into_iter().enumerate().map(|(at, packed)| {
            self.told(packed, |_, sealed| {
                parked.resize(count, None);
                parked[at] = Some(sealed);
            })
        });
        let told = told.collect();
        if !parked.is_empty() {
            self.parked.insert(lease, parked);
        }
        told
    }
}
