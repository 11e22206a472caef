//! A node's part in the search for waits that can never end because of other nodes: it is asked
//! what something there waits for, follows its own waits, and says where they lead to. Whoever asks
//! goes on from there; nobody keeps anything of it.

use super::Node;
use super::cluster::{Cluster, Foreign};
use super::graph::{self, Edge};
use super::request;
use super::task::{State, Task, producer};
use crate::base::limits::{CIRCLE_STEPS_MAX, CIRCLE_WAYS_MAX};
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::object::raw::RawRef;
use crate::proto::wire::{LeaseId, Wire, choice, record};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Where a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// A wait of the node itself.
    Wait(u64),
    /// A task that runs there for another node.
    Lease(LeaseId),
    /// An object that the node owns.
    Object(ObjectId),
}

choice!(At { 0 Wait(number), 1 Lease(lease), 2 Object(object) });

/// What does that wait for? The search is over where it leads to the task that has the wait `goal`
/// of the node `by`, which asks.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) at: At,
    pub(super) by: NodeId,
    pub(super) goal: u64,
}
record!(Question { at, by, goal });

/// One task on a path of waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) node: NodeId,
    pub(super) task: TaskId,
    /// The wait of a task that runs, and when it began; 0 for one that does not run yet.
    pub(super) number: u64,
    pub(super) since: u64,
    pub(super) label: String,
}
record!(Step { node, task, number, since, label });

/// A path that leaves the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    pub(super) to: NodeId,
    pub(super) at: At,
    pub(super) path: Vec<Step>,
}
record!(Way { to, at, path });

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// The path back to where the search has begun.
    pub(super) closed: Option<Vec<Step>>,
    pub(super) ways: Vec<Way>,
}
record!(Answer { closed, ways });

/// Where a search looks.
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) cluster: &'a Cluster,
    /// The objects that other nodes know of.
    pub(super) claims: &'a HashMap<ObjectId, RawRef>,
    /// Tasks of other nodes that run here.
    pub(super) taken: &'a HashMap<LeaseId, Arc<Task>>,
    /// The node that has an own task.
    pub(super) holder: &'a dyn Fn(LeaseId) -> Option<NodeId>,
}

/// The answer to such a question.
pub(super) fn serve(place: &Place<'_>, asked: &[u8]) -> Option<Vec<u8>> {
    let question: Question = request::read(request::CIRCLE, asked)?;
    let (answer, goal, seen) = (Answer::default(), Vec::new(), HashSet::new());
    let mut search = Search { place, answer, goal, seen };
    search.begin(&question);
    let mut out = Vec::new();
    search.answer.put(&mut out);
    Some(out)
}

struct Search<'a> {
    place: &'a Place<'a>,
    answer: Answer,
    /// The tasks that have the wait with which the search began.
    goal: Vec<Arc<Task>>,
    seen: HashSet<TaskId>,
}

enum Next {
    Object(RawRef),
    Task(Arc<Task>),
}

impl Search<'_> {
    fn begin(&mut self, question: &Question) {
        let node = self.place.node;
        let goal = (question.by == node.id).then(|| node.graph.numbered(question.goal)).flatten();
        if let Some(goal) = &goal {
            self.goal.clone_from(&goal.tasks);
        }
        let open = match question.at {
            At::Wait(number) => match node.graph.numbered(number) {
                Some(edge) => self.of_edge(node.id, &edge, Vec::new()),
                None => Vec::new(),
            },
            At::Lease(lease) => {
                let task = self.place.taken.get(&lease).cloned();
                task.into_iter().map(|task| (Next::Task(task), Vec::new())).collect()
            }
            At::Object(object) => {
                let object = self.place.claims.get(&object).cloned();
                object.into_iter().map(|object| (Next::Object(object), Vec::new())).collect()
            }
        };
        self.follow(node, open);
    }

    /// What a wait needs, and the path to that.
    fn of_edge(&self, node: NodeId, edge: &Edge, mut path: Vec<Step>) -> Vec<(Next, Vec<Step>)> {
        let Some(task) = edge.tasks.last() else { return Vec::new() };
        path.push(step(node, task, edge.number, edge.since));
        edge.refs.iter().map(|next| (Next::Object(next.clone()), path.clone())).collect()
    }

    fn follow(&mut self, node: &Node, mut open: Vec<(Next, Vec<Step>)>) {
        let mut steps = 0;
        while let Some((next, path)) = open.pop() {
            steps += 1;
            if self.answer.closed.is_some()
                || steps > CIRCLE_STEPS_MAX
                || self.answer.ways.len() >= CIRCLE_WAYS_MAX
            {
                break;
            }
            let task = match next {
                Next::Task(task) => task,
                Next::Object(object) if object.is_ready() => continue,
                Next::Object(object) => match (object.peek::<Foreign>(), producer(&object)) {
                    (Some(there), _) => {
                        let at = At::Object(there.object());
                        self.answer.ways.push(Way { to: there.object().node, at, path });
                        continue;
                    }
                    (None, Some(task)) => task,
                    (None, None) => continue,
                },
            };
            if self.goal.iter().any(|own| Arc::ptr_eq(own, &task)) {
                self.answer.closed = Some(path);
            } else if self.seen.insert(task.id()) {
                self.of_task(node, &task, path, &mut open);
            }
        }
        quietly(|| drop(open));
    }

    fn of_task(
        &mut self,
        node: &Node,
        task: &Arc<Task>,
        mut path: Vec<Step>,
        open: &mut Vec<(Next, Vec<Step>)>,
    ) {
        match task.state() {
            State::Done => {}
            State::Waiting => {
                path.push(step(node.id, task, 0, 0));
                let inputs = task.inputs();
                open.extend(inputs.references().map(|r| (Next::Object(r.clone()), path.clone())));
            }
            State::Queued => {
                path.push(step(node.id, task, 0, 0));
                open.extend(graph::before(task).map(|r| (Next::Object(r), path.clone())));
            }
            State::Running => {
                let lease = {
                    let away = self.place.cluster.away.lock();
                    let there = away.get(&task.id());
                    there.filter(|away| Arc::ptr_eq(&away.task, task)).map(|away| away.lease)
                };
                if let Some(lease) = lease {
                    if let Some(to) = (self.place.holder)(lease) {
                        path.push(step(node.id, task, 0, 0));
                        self.answer.ways.push(Way { to, at: At::Lease(lease), path });
                    }
                    return;
                }
                // A future that waits for several things may need one of them or all.
                if let [only] = &node.graph.of(task.id())[..]
                    && only.needs_each()
                {
                    open.extend(self.of_edge(node.id, only, path));
                }
            }
        }
    }
}

fn step(node: NodeId, task: &Task, number: u64, since: u64) -> Step {
    Step { node, task: task.id(), number, since, label: task.label() }
}
