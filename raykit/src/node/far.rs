//! Actors of other nodes. Their handles are references like others: what stands behind one is a
//! `Foreign`, and with the last handle of all nodes the actor ends. A call goes to the actor's node
//! in the order in which it is made here, and is put in line there.

use super::cluster::{Cluster, Foreign, Post};
use super::task::{Mailbox, Task};
use super::{Node, current, slots, submit};
use crate::actor::state::State;
use crate::base::quantity::Resources;
use crate::base::{ActorId, ObjectId};
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::raw::{Holder, RawRef};
use crate::object::value::Value;
use crate::sched::Worker;
use crate::sched::desk::Desk;
use crate::task::arg::Inputs;
use crate::task::call::{Results, Returns};
use crate::task::function::{Body, Function};
use crate::task::options::Options;
use std::sync::{Arc, Weak};
use std::task::Context;

/// What is done to an actor beside its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ready,
    Ended,
    Kill,
    KillAndRestart,
    Stop,
    Checkpoint,
}

impl Order {
    pub(super) const ALL: [Order; 6] = [
        Order::Ready,
        Order::Ended,
        Order::Kill,
        Order::KillAndRestart,
        Order::Stop,
        Order::Checkpoint,
    ];
}

/// Who is behind an order, in messages. It never runs: the actor's node does what is asked.
static ORDER: Function = Function {
    name: "order",
    krate: "raykit",
    major: "0",
    path: || "raykit::order",
    method: "",
    schema: 0,
    signature: "fn order(&mut self)",
    returns: 1,
    defaults: Options::of_method(),
    body: Body::Exclusive(|_, _| Ok(Returns(Results::One(Value::new(()))))),
    file: file!(),
    line: line!(),
};

/// An actor of another node, if the reference is a handle of one.
pub(crate) fn peek(actor: &RawRef) -> Option<&Foreign> {
    actor.peek::<Foreign>().filter(|foreign| foreign.object().is_actor())
}

fn holder(actor: &RawRef) -> Option<Arc<Foreign>> {
    actor.holder::<Foreign>()
}

/// Calls a method. There is always a task: what cannot be called has failed.
pub(crate) fn call(
    actor: &RawRef,
    method: &'static Function,
    options: Option<Box<Options>>,
    inputs: Inputs,
    mut made: impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let foreign = holder(actor);
    let node = foreign.as_ref().and_then(|foreign| current::node_with(foreign.cluster().me));
    let (Some(foreign), Some(node)) = (foreign, node) else {
        let error = Error::new(ErrorKind::ActorDied, "the node that had this handle was closed");
        return submit::refused(crate::NodeId(0), method, None, error, &mut made);
    };
    let options = options.map(|own| Box::new(own.over(&method.defaults)));
    let mailbox = foreign as Arc<dyn Mailbox>;
    node.submit(method, options, inputs, Some(mailbox), &mut made)
}

/// Has something done to an actor. The reference is there when it is, and says how it went.
pub(crate) fn order(actor: &RawRef, order: Order) -> RawRef {
    let Some(foreign) = holder(actor) else {
        return slots::failed(Error::new(ErrorKind::ActorNotFound, "there is no such actor"));
    };
    let Some(node) = current::node_with(foreign.cluster().me) else {
        return slots::failed(Error::new(ErrorKind::ActorDied, "its node was closed"));
    };
    let mailbox = Arc::new(Ordered { order, actor: foreign }) as Arc<dyn Mailbox>;
    let task = node.submit(&ORDER, None, Inputs::None, Some(mailbox), &mut |_| ());
    RawRef(task as Arc<dyn Holder>)
}

/// The way of an order.
struct Ordered {
    order: Order,
    actor: Arc<Foreign>,
}

/// Sends a call to the actor's node.
fn send(
    node: &Arc<Node>,
    cluster: &Arc<Cluster>,
    actor: &Arc<Foreign>,
    task: &Arc<Task>,
    order: Option<Order>,
) {
    let held = RawRef(Arc::clone(actor) as Arc<dyn Holder>);
    if let Some(Err(error)) = held.outcome() {
        let died = Error::new(ErrorKind::ActorDied, error.message());
        if task.give_up() {
            node.finish_unrun(task, died.in_task(task.name(), task.id()));
        }
        return;
    }
    // It waits for its arguments where the actor is.
    let _ = task.make_ready();
    if let Some(lease) = node.send_to(cluster, task, Some((held, order))) {
        cluster.post(Post::Call(lease));
    }
}

/// What the two ways to an actor have in common: nothing of it is here.
macro_rules! nothing_here {
    () => {
        fn is_far(&self) -> bool {
            true
        }
        fn claim(&self) -> (Weak<dyn Holder>, &'static str) {
            (Weak::<Foreign>::new() as Weak<dyn Holder>, "")
        }
        fn arrived(self: Arc<Self>, _: &Arc<Node>, _: &Arc<Task>) {}
        fn run_here(self: Arc<Self>, _: &Arc<Node>, _: &Worker, _: &Arc<Task>) {}
        fn poll_here(self: Arc<Self>, _: &Arc<Node>, _: &Arc<Task>, _: &mut Context<'_>) {}
        fn is_pinned(&self) -> bool {
            false
        }
        fn desk(&self) -> Option<Desk> {
            None
        }
        fn before(&self, _: &Arc<Task>) -> Vec<Arc<Task>> {
            Vec::new()
        }
        fn restore(&self) -> Option<Result<State>> {
            None
        }
        fn made(self: Arc<Self>, _: &Arc<Node>, _: Result<State>) {}
        fn keep(&self, held: Resources) -> Option<Resources> {
            Some(held)
        }
    };
}

impl Mailbox for Foreign {
    fn actor(&self) -> ActorId {
        actor_of(self.object())
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        let cluster = Arc::clone(self.cluster());
        send(node, &cluster, &self, task, None);
        Ok(())
    }

    nothing_here!();
}

impl Mailbox for Ordered {
    fn actor(&self) -> ActorId {
        actor_of(self.actor.object())
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        let cluster = Arc::clone(self.actor.cluster());
        send(node, &cluster, &self.actor, task, Some(self.order));
        Ok(())
    }

    nothing_here!();
}

/// The id of the actor that the handles with this id are of.
pub(crate) fn actor_of(object: ObjectId) -> ActorId {
    ActorId { node: object.node, sequence: object.sequence }
}
