//! Where an actor is that the cluster has placed, and which calls wait until that is known: a table
//! of states under the lock of its `Placed`, without anything that is done.

use super::order::Order;
use super::task::Task;
use crate::actor::inbox::Caller;
use crate::actor::options::ActorOptions;
use crate::actor::restart::Restarts;
use crate::base::ObjectId;
use crate::object::error::Error;
use crate::object::raw::RawRef;
use crate::task::arg::Inputs;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Berth {
    pub(super) at: At,
    pub(super) restarts: Restarts,
    /// What the actor is made with, for the next time.
    pub(super) inputs: Inputs,
    /// In the order in which they came.
    pub(super) waiting: VecDeque<Waits>,
    /// It takes no further call, and is not made again.
    pub(super) stopping: bool,
}

pub(super) enum At {
    /// Nowhere yet. The task has it made.
    Nowhere(Option<Arc<Task>>),
    /// There. The second is filled when it has ended.
    There(RawRef, RawRef),
    /// It has ended, for this reason; and why it could not even start.
    Ended(Error, Option<Error>),
}

/// A call that waits.
pub(super) struct Waits {
    pub(super) task: Arc<Task>,
    pub(super) order: Option<Order>,
    pub(super) caller: Caller,
}

impl Berth {
    pub(super) fn new(options: &ActorOptions, inputs: Inputs) -> Berth {
        Berth {
            at: At::Nowhere(None),
            restarts: Restarts::new(options.max_restarts, options.restart_window),
            inputs,
            waiting: VecDeque::new(),
            stopping: false,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.at, At::Ended(..))
    }

    /// The actor's own handle.
    pub(super) fn there(&self) -> Option<RawRef> {
        match &self.at {
            At::There(actor, _) => Some(actor.clone()),
            At::Nowhere(_) | At::Ended(..) => None,
        }
    }

    /// Whether it is the one whose own handles have this id.
    pub(super) fn is_there(&self, actor: ObjectId) -> bool {
        matches!(&self.at, At::There(there, _) if there.id() == actor)
    }

    /// Whether this task is the one that has it made.
    pub(super) fn is_made_by(&self, creation: &Arc<Task>) -> bool {
        matches!(&self.at, At::Nowhere(Some(task)) if Arc::ptr_eq(task, creation))
    }

    /// The next call that waits; if there is none, the actor is there from now on.
    pub(super) fn next(&mut self, actor: &RawRef, ended: &RawRef) -> Option<Waits> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.at = At::There(actor.clone(), ended.clone());
        }
        next
    }

    /// A call that was under way is in its old place again.
    pub(super) fn wait_again(&mut self, waits: Waits) {
        let number = waits.task.id().sequence;
        let later = |other: &Waits| other.task.id().sequence > number;
        let at = self.waiting.iter().position(later).unwrap_or(self.waiting.len());
        self.waiting.insert(at, waits);
    }

    /// It was lost, and is nowhere: what was there, and whether it may be made again.
    pub(super) fn lose(&mut self, now: Duration, comes_back: bool) -> (At, bool) {
        let again = comes_back && !self.stopping && self.restarts.crashed(now).is_some();
        (std::mem::replace(&mut self.at, At::Nowhere(None)), again)
    }

    /// It has ended. What was there, who waited, and what it was made with; `None` if it had.
    pub(super) fn end(
        &mut self,
        why: &Error,
        stillborn: Option<&Error>,
    ) -> Option<(At, VecDeque<Waits>, Inputs)> {
        if self.is_ended() {
            return None;
        }
        let at = std::mem::replace(&mut self.at, At::Ended(why.clone(), stillborn.cloned()));
        Some((at, std::mem::take(&mut self.waiting), std::mem::take(&mut self.inputs)))
    }
}

impl At {
    /// The task at another node that nobody needs any more.
    pub(super) fn errand(&self) -> Option<Arc<Task>> {
        match self {
            At::Nowhere(creation) => creation.clone(),
            At::There(_, ended) => ended.holder::<Task>(),
            At::Ended(..) => None,
        }
    }
}
