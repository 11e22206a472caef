//! Which GPUs a task or an actor holds, for the task itself to ask.

use super::Node;
use super::task::Task;
use crate::base::maps::HashMap;
use crate::base::quantity::Resources;
use crate::base::{ActorId, TaskId};
use parking_lot::Mutex;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Task(TaskId),
    /// From the moment at which its constructor was granted them: its first calls may run before it
    /// is said that it keeps them.
    Actor(ActorId),
}

/// Those that hold GPUs.
#[derive(Default)]
pub(crate) struct Holders(Mutex<HashMap<Holder, Vec<u16>>>);

fn indices(held: &Resources) -> Vec<u16> {
    held.gpus.iter().map(|(at, _)| *at).collect()
}

fn actor_of(task: &Task) -> Option<Holder> {
    task.mailbox.as_ref().map(|mailbox| Holder::Actor(mailbox.actor()))
}

impl Holders {
    /// A task was granted what it asked for.
    pub(super) fn granted(&self, task: &Task, held: &Resources) {
        let mut all = self.0.lock();
        for holder in [Some(Holder::Task(task.id())), actor_of(task)].into_iter().flatten() {
            all.insert(holder, indices(held));
        }
    }

    /// It has ended.
    pub(super) fn ended(&self, task: &Task, held: &Resources) {
        if !held.gpus.is_empty() {
            self.0.lock().remove(&Holder::Task(task.id()));
        }
    }

    /// The actor does not hold these any more, or never did.
    pub(super) fn left(&self, actor: ActorId, held: &Resources) {
        if !held.gpus.is_empty() {
            let (holder, gone) = (Holder::Actor(actor), indices(held));
            let mut all = self.0.lock();
            if all.get(&holder) == Some(&gone) {
                all.remove(&holder);
            }
        }
    }
}

/// The GPUs of a task that runs on this node: its own, or those of the actor whose method it is.
pub(crate) fn of(node: &Node, task: &Task) -> Vec<usize> {
    let all = node.books.gpus.0.lock();
    let own = all.get(&Holder::Task(task.id()));
    let held = own.or_else(|| all.get(&actor_of(task)?));
    held.into_iter().flatten().map(|at| usize::from(*at)).collect()
}
