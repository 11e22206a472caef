//! The last step of a call to an actor that the cluster has placed: to the actor's node, or to the
//! actor, if that is here.

use super::Node;
use super::claim::Claim;
use super::cluster::Foreign;
use super::far;
use super::order::Order;
use super::task::{Mailbox, Task};
use crate::object::codec::Sealed;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::RawRef;
use crate::object::slot::Watched;
use crate::object::value::Value;
use crate::task::call::{Results, Returns};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Hands a call on to where the actor is.
///
/// # Errors
///
/// Its node is gone.
pub(super) fn forward(
    node: &Arc<Node>,
    actor: &RawRef,
    task: &Arc<Task>,
    order: Option<Order>,
) -> Result<()> {
    if let Some(there) = actor.holder::<Foreign>() {
        return far::send(node, &there, task, order);
    }
    let Some(claim) = actor.peek::<Claim>() else { return Ok(()) };
    match order {
        None => {
            let waits = task.inputs().references().any(|reference| !reference.is_ready());
            node.send_by(Arc::clone(claim.cell()) as Arc<dyn Mailbox>, task, waits);
        }
        Some(order) => {
            let done = node.obey(actor, order);
            Arc::new(Echo { node: Arc::clone(node), task: Arc::clone(task), done }).wake();
        }
    }
    Ok(())
}

/// A handle, as a value that nobody reads as one of a type.
pub(super) fn handle(actor: RawRef) -> Value {
    Value::Sealed(Arc::new(Sealed::from_parts(&[], vec![actor])))
}

/// The handle in such a value.
pub(super) fn handle_in(value: &Value) -> Result<RawRef> {
    let first = match value {
        Value::Sealed(sealed) => sealed.refs().first().cloned(),
        _ => None,
    };
    first.ok_or_else(|| Error::new(ErrorKind::Encoding, "the actor's handle has not come"))
}

/// The task is done, and this is its result.
pub(super) fn answer(node: &Arc<Node>, task: &Arc<Task>, result: Result<Value>) {
    if task.make_ready() && task.claim() {
        node.settle(task, result.map(|value| Returns(Results::One(value))));
    }
}

/// Gives a task the outcome of something else.
struct Echo {
    node: Arc<Node>,
    task: Arc<Task>,
    done: RawRef,
}

impl Wake for Echo {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        if self.done.watch(&waker) == Watched::Ready
            && let Some(outcome) = self.done.outcome()
        {
            let told = match outcome {
                Ok(payload) => payload.value().seal().map(Value::Sealed),
                Err(error) => Err(error.clone()),
            };
            answer(&self.node, &self.task, told);
        }
    }
}
