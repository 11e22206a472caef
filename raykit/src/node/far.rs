//! Actors of other nodes. Their handles are references like others: what stands behind one is a
//! `Foreign`, and with the last handle of all nodes the actor ends. A call goes to the actor's node
//! in the order in which it is made here, and is put in line there.

use super::cluster::{Foreign, Post};
use super::order::{Order, WORD};
use super::pack::To;
use super::task::{Mailbox, Task};
use super::{Node, submit};
use crate::base::{ActorId, ObjectId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef};
use crate::task::arg::Inputs;
use std::sync::Arc;

/// Has something done to an actor of another node, in nobody's name. The task is done when it is,
/// and its result says how it went.
pub(super) fn order(node: &Arc<Node>, actor: &Arc<Foreign>, order: Order) -> Arc<Task> {
    let mailbox = Arc::new(Ordered { order, actor: Arc::clone(actor) }) as Arc<dyn Mailbox>;
    let task = submit::by_itself(node, &WORD, None, Inputs::None, mailbox);
    node.send(&task, false);
    task
}

/// The way of an order.
pub(super) struct Ordered {
    pub(super) order: Order,
    pub(super) actor: Arc<Foreign>,
}

/// Sends a call to the actor's node.
///
/// # Errors
///
/// That node is known to be gone, and the call as it was.
pub(super) fn send(
    node: &Arc<Node>,
    actor: &Arc<Foreign>,
    task: &Arc<Task>,
    order: Option<Order>,
) -> Result<()> {
    let held = RawRef(Arc::clone(actor) as Arc<dyn Holder>);
    if let Some(Err(error)) = held.outcome() {
        return Err(Error::new(ErrorKind::ActorDied, error.message()));
    }
    // It waits for its arguments where the actor is.
    let _ = task.make_ready();
    let home = actor.object().node;
    let to = match order {
        None => To::Method(held),
        Some(order) => To::Order(held, order),
    };
    if let Some(lease) = node.send_to(actor.cluster(), task, &to) {
        actor.cluster().post(Post::Call { lease, home });
    }
    Ok(())
}

impl Mailbox for Foreign {
    fn actor(&self) -> ActorId {
        actor_of(self.object())
    }

    fn is_far(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        send(node, &self, task, None)
    }
}

impl Mailbox for Ordered {
    fn actor(&self) -> ActorId {
        actor_of(self.actor.object())
    }

    fn is_far(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        send(node, &self.actor, task, Some(self.order))
    }
}

/// The id of the actor that the handles with this id are of.
pub(crate) fn actor_of(object: ObjectId) -> ActorId {
    ActorId { node: object.node, sequence: object.sequence }
}
