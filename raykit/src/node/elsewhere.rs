//! Handles of actors that are not simply here: of another node's actor, and of one that the cluster
//! has placed.

use super::actors;
use super::claim::Claim;
use super::cluster::Foreign;
use super::far;
use super::order::Order;
use super::placed::Placed;
use super::task::{Mailbox, Task};
use super::{Node, current, slots, submit};
use crate::base::{ActorId, NodeId};
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef, Stage};
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options;
use std::sync::Arc;

/// What stands behind such a handle.
enum Elsewhere {
    Foreign(Arc<Foreign>),
    Placed(Arc<Placed>),
}

fn elsewhere(actor: &RawRef) -> Option<Elsewhere> {
    if let Some(foreign) = actor.holder::<Foreign>() {
        return foreign.object().is_actor().then_some(Elsewhere::Foreign(foreign));
    }
    actor.holder::<Placed>().map(Elsewhere::Placed)
}

impl Elsewhere {
    /// The node whose handle it is.
    fn node(&self) -> Option<Arc<Node>> {
        match self {
            Elsewhere::Foreign(foreign) => current::node_with(foreign.cluster().me),
            Elsewhere::Placed(placed) => current::node_with(placed.id().node),
        }
    }
}

/// Whether it is such a handle.
pub(crate) fn is_elsewhere(actor: &RawRef) -> bool {
    actor.peek::<Placed>().is_some()
        || actor.peek::<Foreign>().is_some_and(|foreign| foreign.object().is_actor())
}

pub(crate) fn id(actor: &RawRef) -> Option<ActorId> {
    is_elsewhere(actor).then(|| far::actor_of(actor.id()))
}

/// Whether the actor has not ended, as far as is known here; `None` for any other reference.
pub(crate) fn is_alive(actor: &RawRef) -> Option<bool> {
    Some(match elsewhere(actor)? {
        Elsewhere::Foreign(_) => actor.stage() != Stage::Failed,
        Elsewhere::Placed(placed) => !placed.is_ended(),
    })
}

/// How often it has started again, as far as is known here.
pub(crate) fn restarts(actor: &RawRef) -> Option<u64> {
    Some(match elsewhere(actor)? {
        Elsewhere::Foreign(_) => 0,
        Elsewhere::Placed(placed) => {
            let here = placed.here();
            let here = here.as_ref().and_then(|actor| actor.peek::<Claim>());
            placed.restarts() + here.map_or(0, |claim| claim.cell().restarts())
        }
    })
}

fn closed() -> Error {
    Error::new(ErrorKind::ActorDied, "the node that had this handle was closed")
}

/// Calls a method. There is always a task: what cannot be called has failed.
pub(crate) fn call(
    actor: &RawRef,
    method: &'static Function,
    options: Option<Box<Options>>,
    inputs: Inputs,
    mut made: impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let there = elsewhere(actor);
    let here = match &there {
        Some(Elsewhere::Placed(placed)) => placed.here(),
        _ => None,
    };
    if let Some(claim) = here.as_ref().and_then(|actor| actor.peek::<Claim>()) {
        return actors::call(claim.cell(), method, options, inputs, made);
    }
    let node = there.as_ref().and_then(Elsewhere::node);
    let (Some(there), Some(node)) = (there, node) else {
        return submit::refused(NodeId(0), method, None, closed(), &mut made);
    };
    let (options, mailbox) = match there {
        Elsewhere::Foreign(foreign) => {
            let whole = options.map(|own| Box::new(own.over(&method.defaults)));
            (whole, foreign as Arc<dyn Mailbox>)
        }
        Elsewhere::Placed(placed) => {
            let whole = actors::call_options(&placed.options, method, options);
            (whole, placed as Arc<dyn Mailbox>)
        }
    };
    node.submit(method, options, inputs, Some(mailbox), &mut made)
}

/// Has something done to an actor. The reference is there when it is, and says how it went. `None`
/// for any other reference.
pub(crate) fn order(actor: &RawRef, order: Order) -> Option<RawRef> {
    let there = elsewhere(actor)?;
    let Some(node) = there.node() else { return Some(slots::failed(closed())) };
    let task = match there {
        Elsewhere::Foreign(foreign) => far::order(&node, &foreign, order),
        Elsewhere::Placed(placed) => placed.order(&node, order),
    };
    Some(RawRef(task as Arc<dyn Holder>))
}

/// Ends an actor, or its present life: whether it had not ended, as far as is known here. `None`
/// for any other reference.
pub(crate) fn tell(actor: &RawRef, what: Order) -> Option<bool> {
    let there = elsewhere(actor)?;
    let Some(node) = there.node() else { return Some(false) };
    Some(match (there, what) {
        (Elsewhere::Placed(placed), Order::Kill) => placed.kill(&node),
        (Elsewhere::Placed(placed), Order::Stop) => placed.stop(&node),
        _ => {
            let alive = is_alive(actor).unwrap_or(false);
            drop(order(actor, what));
            alive
        }
    })
}
