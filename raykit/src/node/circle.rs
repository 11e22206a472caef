//! A node's part in the search for waits that can never end because of other nodes: it is asked
//! what something there waits for, follows its own waits, and says where they lead to. Whoever asks
//! goes on from there; nobody keeps anything of it.

use super::Node;
use super::cluster::{Cluster, Foreign};
use super::flow::Flow;
use super::graph::{self, Edge};
use super::request;
use super::task::{State, Task, producer};
use crate::base::limits::{CIRCLE_STEPS_MAX, CIRCLE_WAYS_MAX};
use crate::base::maps::{HashMap, HashSet};
use crate::base::quiet::quietly;
use crate::base::{NodeId, ObjectId, TaskId};
use crate::object::raw::RawRef;
use crate::proto::wire::{LeaseId, Wire, choice, record};
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
    /// Those that give streams, and own streams that others read.
    pub(super) flows: &'a HashMap<LeaseId, Arc<Flow>>,
    /// The node that has an own task.
    pub(super) holder: &'a dyn Fn(LeaseId) -> Option<NodeId>,
}

/// The answer to such a question.
pub(super) fn serve(place: &Place<'_>, asked: &[u8]) -> Option<Vec<u8>> {
    let question: Question = request::read(request::CIRCLE, asked)?;
    let (answer, goal, seen) = (Answer::default(), Vec::new(), HashSet::default());
    let mut search = Search { place, answer, goal, seen, steps: Vec::new() };
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
    /// All steps, each with the one before it on its path.
    steps: Vec<(Step, Option<usize>)>,
}

enum Next {
    Object(RawRef),
    Task(Arc<Task>),
}

/// What is to be followed, and the step that leads there.
type Open = Vec<(Next, Option<usize>)>;

impl Search<'_> {
    fn begin(&mut self, question: &Question) {
        let node = self.place.node;
        let goal = (question.by == node.id).then(|| node.graph.numbered(question.goal)).flatten();
        if let Some(goal) = &goal {
            self.goal.clone_from(&goal.tasks);
        }
        let mut open = Open::new();
        match question.at {
            At::Wait(number) => {
                let edge = node.graph.numbered(number);
                edge.iter().for_each(|edge| self.of_edge(edge, None, &mut open));
            }
            At::Lease(lease) => {
                let read = || self.place.flows.get(&lease).map(|flow| flow.task());
                let task = self.place.taken.get(&lease).or_else(read).cloned();
                open.extend(task.map(|task| (Next::Task(task), None)));
            }
            At::Object(object) => {
                let object = self.place.claims.get(&object).cloned();
                open.extend(object.map(|object| (Next::Object(object), None)));
            }
        }
        self.follow(open);
    }

    fn step(&mut self, task: &Task, wait: Option<&Edge>, before: Option<usize>) -> usize {
        let (number, since) = wait.map_or((0, 0), |edge| (edge.number, edge.since));
        let (node, label) = (self.place.node.id, task.label());
        self.steps.push((Step { node, task: task.id(), number, since, label }, before));
        self.steps.len() - 1
    }

    /// The path that ends with that step.
    fn path(&self, last: Option<usize>) -> Vec<Step> {
        let mut path = Vec::new();
        let mut next = last;
        while let Some((step, before)) = next.and_then(|at| self.steps.get(at)) {
            path.push(step.clone());
            next = *before;
        }
        path.reverse();
        path
    }

    fn leads_to(&mut self, to: NodeId, at: At, last: Option<usize>) {
        let path = self.path(last);
        self.answer.ways.push(Way { to, at, path });
    }

    /// What a wait needs.
    fn of_edge(&mut self, edge: &Edge, before: Option<usize>, open: &mut Open) {
        let Some(task) = edge.tasks.last() else { return };
        let last = self.step(task, Some(edge), before);
        open.extend(edge.refs.iter().map(|next| (Next::Object(next.clone()), Some(last))));
    }

    fn follow(&mut self, mut open: Open) {
        let mut count = 0;
        while let Some((next, last)) = open.pop() {
            count += 1;
            if self.answer.closed.is_some()
                || count > CIRCLE_STEPS_MAX
                || self.answer.ways.len() >= CIRCLE_WAYS_MAX
            {
                break;
            }
            let task = match next {
                Next::Task(task) => task,
                Next::Object(object) if object.is_ready() => continue,
                Next::Object(object) => match (object.peek::<Foreign>(), producer(&object)) {
                    (Some(there), _) => {
                        let object = there.object();
                        self.leads_to(object.node, At::Object(object), last);
                        continue;
                    }
                    (None, Some(task)) => task,
                    (None, None) => continue,
                },
            };
            if self.goal.iter().any(|own| Arc::ptr_eq(own, &task)) {
                self.answer.closed = Some(self.path(last));
            } else if self.seen.insert(task.id()) {
                self.of_task(&task, last, &mut open);
            }
        }
        quietly(|| drop(open));
    }

    fn of_task(&mut self, task: &Arc<Task>, before: Option<usize>, open: &mut Open) {
        match task.state() {
            State::Done => {}
            State::Waiting => {
                let last = Some(self.step(task, None, before));
                let inputs = task.inputs();
                open.extend(inputs.references().map(|one| (Next::Object(one.clone()), last)));
            }
            State::Queued => {
                let last = Some(self.step(task, None, before));
                open.extend(graph::before(task).map(|one| (Next::Object(one), last)));
            }
            State::Running => {
                let lease = {
                    let away = self.place.cluster.away.lock();
                    let there = away.get(&task.id());
                    there.filter(|away| Arc::ptr_eq(&away.task, task)).map(|away| away.lease)
                };
                if let Some(lease) = lease {
                    if let Some(to) = (self.place.holder)(lease) {
                        let last = self.step(task, None, before);
                        self.leads_to(to, At::Lease(lease), Some(last));
                    }
                    return;
                }
                // A future that waits for several things may need one of them or all.
                if let [only] = &self.place.node.graph.of(task.id())[..]
                    && only.needs_each()
                {
                    self.of_edge(only, before, open);
                }
            }
        }
    }
}
