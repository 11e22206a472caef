//! An actor that the cluster has placed, as its calls see it, and what is done to it beside them.

use super::claim::Claim;
use super::forward::answer;
use super::order::{Order, WORD};
use super::placed::Placed;
use super::task::{Mailbox, Task};
use super::{Node, submit};
use crate::base::{ActorId, NodeId};
use crate::object::error::Result;
use crate::object::raw::Holder;
use crate::object::value::Value;
use crate::sched::Worker;
use crate::task::arg::Inputs;
use std::sync::{Arc, Weak};
use std::task::Context;

impl Placed {
    pub(super) fn kill(self: &Arc<Placed>, node: &Arc<Node>) -> bool {
        let there = self.there();
        let killed = self.end(node, self.died("was killed"), None);
        if let Some(there) = there {
            drop(node.obey(&there, Order::Kill));
        }
        killed
    }

    /// Has it end when it has run what it has taken. `false` if it has ended or was stopping.
    pub(super) fn stop(self: &Arc<Placed>, node: &Arc<Node>) -> bool {
        {
            let mut berth = self.berth.lock();
            if berth.is_ended() || std::mem::replace(&mut berth.stopping, true) {
                return false;
            }
        }
        drop(self.order(node, Order::Stop));
        true
    }

    /// Has something done to it, wherever it is. The task is done when it is.
    pub(super) fn order(self: &Arc<Placed>, node: &Arc<Node>, order: Order) -> Arc<Task> {
        let mailbox = Arc::new(Ordered { order, placed: Arc::clone(self) }) as Arc<dyn Mailbox>;
        let task = submit::by_itself(node, &WORD, None, Inputs::None, mailbox);
        node.send(&task, false);
        task
    }
}

impl Mailbox for Placed {
    fn actor(&self) -> ActorId {
        self.id()
    }

    fn claim(&self) -> (Weak<dyn Holder>, &'static str) {
        (self.weak(), self.type_name())
    }

    fn is_far(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        self.take_in(node, task, None)
    }

    fn arrived(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>) {
        if let Some(cell) = self.cell() {
            cell.arrived(node, task);
        }
    }

    fn run_here(self: Arc<Self>, node: &Arc<Node>, worker: &Worker, task: &Arc<Task>) {
        if let Some(cell) = self.cell() {
            cell.run_here(node, worker, task);
        }
    }

    fn poll_here(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, cx: &mut Context<'_>) {
        if let Some(cell) = self.cell() {
            cell.poll_here(node, task, cx);
        }
    }

    fn before(&self, task: &Arc<Task>) -> Vec<Arc<Task>> {
        self.cell().map_or_else(Vec::new, |cell| cell.before(task))
    }

    fn lost(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
        self.comes_back(node, task, None, (by, why));
    }
}

impl Placed {
    /// The actor, if it is on this node.
    fn cell(&self) -> Option<Arc<dyn Mailbox>> {
        let here = self.here()?;
        here.peek::<Claim>().map(|claim| Arc::clone(claim.cell()) as Arc<dyn Mailbox>)
    }
}

/// The way of an order.
struct Ordered {
    order: Order,
    placed: Arc<Placed>,
}

impl Mailbox for Ordered {
    fn actor(&self) -> ActorId {
        self.placed.id()
    }

    fn is_far(&self) -> bool {
        true
    }

    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, _: bool) -> Result<()> {
        match self.placed.take_in(node, task, Some(self.order)) {
            // It is what was asked.
            Err(why) if self.order == Order::Ended => {
                answer(node, task, Ok(Value::new(why.message().to_owned())));
                Ok(())
            }
            taken => taken,
        }
    }

    fn lost(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
        self.placed.comes_back(node, task, Some(self.order), (by, why));
    }
}
