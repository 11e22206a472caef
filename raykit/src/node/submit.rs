//! From a call to a queue: a task is made, waits for its arguments, and goes where its kind
//! belongs.

use super::slots::nowhere;
use super::task::{Extra, Mailbox, Part, Parts, State, Task};
use super::{Node, current, flow};
use crate::actor::inbox::Caller;
use crate::base::clock;
use crate::base::id::next_sequence;
use crate::base::limits::{STREAM_BYTES_AHEAD, STREAM_ITEMS_AHEAD};
use crate::base::quiet::quietly;
use crate::base::{NodeId, Strategy, TaskId};
use crate::object::error::{Error, ErrorKind};
use crate::object::ledger::Ledger;
use crate::object::raw::RawRef;
use crate::object::slot::{Slot, Watched};
use crate::sched::Job;
use crate::sched::desk::Work;
use crate::task::arg::Inputs;
use crate::task::function::Function;
use crate::task::options::Options;
use crate::task::pipe::{Ahead, Pipe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};
use std::time::Instant;

/// Submits a call to the node in force. There is always a reference for each result; what cannot be
/// submitted resolves to its error. `made` sees the task before it is on its way.
pub(crate) fn submit(
    function: &'static Function,
    options: Option<Box<Options>>,
    inputs: Inputs,
    mut made: impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let mut given = Some((options, inputs));
    let submitted = current::with_node(|node| {
        let (options, inputs) = given.take().unwrap_or_default();
        node.submit(function, options, inputs, None, &mut made)
    });
    submitted.unwrap_or_else(|error| {
        let (options, _) = given.take().unwrap_or_default();
        refused(NodeId(0), function, options, error, &mut made)
    })
}

/// A task that is done before it began. `node` is 0 where there is none.
pub(crate) fn refused(
    node: NodeId,
    function: &'static Function,
    options: Option<Box<Options>>,
    error: Error,
    made: &mut impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let ledger = nowhere();
    let id = TaskId { node, sequence: next_sequence() };
    let lane = crate::sched::LaneId(0);
    let call = NewTask {
        id,
        ledger,
        lane,
        state: State::Waiting,
        node: None,
        mailbox: None,
        deadline: None,
        arrived: None,
    };
    let task = call.make(function, options, Inputs::None);
    made(&task);
    task.give_up();
    task.fail(&error.in_task(task.name(), task.id()));
    task
}

pub(super) struct NewTask {
    pub(super) id: TaskId,
    pub(super) ledger: &'static Ledger,
    pub(super) lane: crate::sched::LaneId,
    pub(super) state: State,
    pub(super) node: Option<Arc<Node>>,
    pub(super) mailbox: Option<Arc<dyn Mailbox>>,
    pub(super) deadline: Option<Instant>,
    /// It belongs to another node: who has called it there.
    pub(super) arrived: Option<Caller>,
}

impl NewTask {
    /// A call that the node makes by itself.
    fn of_node(
        node: &Arc<Node>,
        lane: crate::sched::LaneId,
        state: State,
        mailbox: Arc<dyn Mailbox>,
    ) -> NewTask {
        let id = TaskId { node: node.id, sequence: next_sequence() };
        node.counters.submitted.add(1);
        let (ledger, mailbox) = (node.ledger, Some(mailbox));
        NewTask { id, ledger, lane, state, node: None, mailbox, deadline: None, arrived: None }
    }

    pub(super) fn make(
        self,
        function: &'static Function,
        options: Option<Box<Options>>,
        inputs: Inputs,
    ) -> Arc<Task> {
        let slot = |index| Slot::new(self.id.result(index), self.ledger);
        let parts = |extra| Parts {
            slot: slot(0),
            function,
            inputs,
            lane: self.lane,
            state: self.state,
            extra,
            node: self.node.clone(),
            mailbox: self.mailbox.clone(),
        };
        let pipe = function.is_stream().then(|| {
            let asked = options.as_deref().unwrap_or(&function.defaults);
            let items = u64::from(asked.backpressure.unwrap_or(STREAM_ITEMS_AHEAD));
            let bytes = asked.backpressure_bytes.unwrap_or(STREAM_BYTES_AHEAD);
            // Where both nodes keep items for a while each has its part of the brake.
            let far = self.mailbox.as_ref().is_some_and(|mailbox| mailbox.is_far());
            let shared = far
                || self.arrived.is_some()
                || asked.strategy != Strategy::Default
                || !asked.labels.is_empty();
            Arc::new(Pipe::new(match shared {
                true => flow::part(asked),
                false => Ahead { items, bytes },
            }))
        });
        if function.returns <= 1 {
            let (deadline, arrived) = (self.deadline, self.arrived);
            let any =
                options.is_some() || pipe.is_some() || deadline.is_some() || arrived.is_some();
            let extra = any.then(|| {
                let parts = Default::default();
                Box::new(Extra { options, parts, pipe, deadline, arrived })
            });
            return Arc::new(Task::new(parts(extra)));
        }
        Arc::new_cyclic(|task| {
            let others = 1..function.returns;
            let others = others.map(|index| Arc::new(Part::new(slot(index), task.clone())));
            let others: Vec<_> = others.collect();
            let (deadline, arrived) = (self.deadline, self.arrived);
            let extra = Extra { options, parts: others.into(), pipe: None, deadline, arrived };
            Task::new(parts(Some(Box::new(extra))))
        })
    }
}

/// A call that the node makes by itself: it waits, and belongs to nobody.
pub(super) fn by_itself(
    node: &Arc<Node>,
    function: &'static Function,
    options: Option<Box<Options>>,
    inputs: Inputs,
    mailbox: Arc<dyn Mailbox>,
) -> Arc<Task> {
    let mut own = NewTask::of_node(node, crate::sched::LaneId(0), State::Waiting, mailbox);
    own.node = Some(Arc::clone(node));
    own.make(function, options, inputs)
}

/// The task of an actor's constructor, for a restart: it waits until the timer makes it ready.
pub(crate) fn creation(
    node: &Arc<Node>,
    constructor: &'static Function,
    options: Option<Box<Options>>,
    inputs: Inputs,
    lane: crate::sched::LaneId,
    mailbox: Arc<dyn Mailbox>,
) -> Arc<Task> {
    let own = NewTask::of_node(node, lane, State::Waiting, mailbox);
    own.make(constructor, options, inputs)
}

/// The last call of an actor, which nobody has made.
pub(crate) fn farewell(
    node: &Arc<Node>,
    on_stop: &'static Function,
    lane: crate::sched::LaneId,
    mailbox: Arc<dyn Mailbox>,
) -> Arc<Task> {
    let limit = on_stop.defaults.timeout;
    let deadline = limit.and_then(|limit| clock::now().checked_add(limit));
    let mut own = NewTask::of_node(node, lane, State::Queued, mailbox);
    own.deadline = deadline;
    let task = own.make(on_stop, None, Inputs::None);
    if let Some(deadline) = deadline {
        node.timer.expire(node, &task, deadline, limit);
    }
    task
}

impl Node {
    /// Makes a task and sends it on its way.
    pub(crate) fn submit(
        self: &Arc<Node>,
        function: &'static Function,
        options: Option<Box<Options>>,
        mut inputs: Inputs,
        mailbox: Option<Arc<dyn Mailbox>>,
        made: &mut impl FnMut(&Arc<Task>),
    ) -> Arc<Task> {
        if self.is_closed() {
            return refused(self.id, function, options, self.closed_error(), made);
        }
        let asked = options.as_deref().unwrap_or(&function.defaults);
        let admitted = self.admissible(function, asked);
        if let Err(error) = admitted.and_then(|()| self.encode_if_always(&mut inputs)) {
            return refused(self.id, function, options, error, made);
        }
        let (priority, timeout) = (asked.priority, asked.timeout);
        let parent = current::task().filter(|parent| parent.runs_on(self.id));
        let outside = parent.is_none();
        let is_method = mailbox.is_some() && !function.body.makes();
        let own_lane = (outside && !is_method).then(|| current::lane(self));
        let lane = match (&parent, &own_lane) {
            (Some(parent), _) => parent.lane,
            (None, own) => own.as_ref().map_or(crate::sched::LaneId(0), |lane| lane.id),
        };
        let (lane, own_lane) = match priority {
            Some(priority) => (self.pool.lane_at(lane, priority).id, None),
            None => (lane, own_lane),
        };
        // The call of an actor is a part of the call that makes it, and has no more time than that.
        let inherited = parent.as_ref().filter(|_| is_method).and_then(|parent| parent.deadline());
        let own = timeout.and_then(|limit| clock::now().checked_add(limit));
        let deadline = [inherited, own].into_iter().flatten().min();
        let referring = inputs.references().next().is_some();
        let waits = referring && inputs.references().any(|reference| !reference.is_ready());
        let call = NewTask {
            id: TaskId { node: self.id, sequence: next_sequence() },
            ledger: self.ledger,
            lane,
            state: if referring { State::Waiting } else { State::Queued },
            node: waits.then(|| Arc::clone(self)),
            mailbox,
            deadline,
            arrived: None,
        };
        let task = call.make(function, options, inputs);
        made(&task);
        self.counters.submitted.add(1);
        if let Some(deadline) = deadline {
            self.timer.expire(self, &task, deadline, timeout.filter(|_| own == Some(deadline)));
        }
        if let Some(parent) = parent {
            parent.adopt(&task);
            if parent.is_cancelled() {
                self.cancel(&task);
            }
        }
        if is_method {
            self.send(&task, waits);
        } else if waits {
            self.await_arguments(&task);
        } else if referring {
            self.ready(Arc::clone(&task), own_lane.as_ref().map(|lane| &***lane));
        } else {
            self.enqueue(Arc::clone(&task), own_lane.as_ref().map(|lane| &***lane));
        }
        if outside && current::should_look_at_backlog() {
            self.wait_for_room();
        }
        task
    }

    /// Sends a call to its actor, in the order in which its caller makes it.
    pub(super) fn send(self: &Arc<Node>, task: &Arc<Task>, waits: bool) {
        let Some(mailbox) = task.mailbox.clone() else { return };
        if mailbox.is_far() {
            self.post(mailbox, task, true);
            return;
        }
        self.send_by(mailbox, task, waits);
    }

    /// The same, by the way of that actor of this node.
    pub(super) fn send_by(
        self: &Arc<Node>,
        mailbox: Arc<dyn Mailbox>,
        task: &Arc<Task>,
        waits: bool,
    ) {
        if !waits && task.state() == State::Waiting {
            // Once it is posted a worker may begin it, so it has to be ready before.
            match failed_argument(task) {
                Some(error) if task.give_up() => return self.finish_unrun(task, error),
                Some(_) => return,
                None if !task.make_ready() => return,
                None => {}
            }
        }
        if self.post(mailbox, task, !waits) && waits {
            self.await_arguments(task);
        }
    }

    /// Hands a call to its actor. `false` if that does not take it.
    fn post(self: &Arc<Node>, mailbox: Arc<dyn Mailbox>, task: &Arc<Task>, ready: bool) -> bool {
        match mailbox.post(self, task, ready) {
            Ok(()) => true,
            Err(error) => {
                if task.give_up() {
                    self.finish_unrun(task, error.in_task(task.name(), task.id()));
                }
                false
            }
        }
    }

    /// Counts the arguments that are not there and is called back by each.
    pub(super) fn await_arguments(self: &Arc<Node>, task: &Arc<Task>) {
        self.await_them(task, self.may_follow(task));
    }

    /// The same for a task that has lost some of them, or needs here what lies elsewhere unless it
    /// `follows`.
    pub(super) fn await_again(self: &Arc<Node>, task: &Arc<Task>, follows: bool) {
        task.open.store(1, Ordering::Relaxed); // nobody else counts now
        self.await_them(task, follows);
    }

    fn await_them(self: &Arc<Node>, task: &Arc<Task>, follows: bool) {
        let waker = Waker::from(Arc::clone(task));
        self.books.waits.enter(task);
        let references: Vec<RawRef> = task.inputs().references().cloned().collect();
        for reference in &references {
            task.open.fetch_add(1, Ordering::Relaxed);
            let watched = match follows && self.makes(reference) {
                true => reference.follow(&waker),
                false => reference.watch(&waker),
            };
            if watched == Watched::Ready {
                task.open.fetch_sub(1, Ordering::Relaxed);
                // One failure is enough, however long the others take.
                if let Some(Err(error)) = reference.outcome()
                    && task.give_up()
                {
                    self.finish_unrun(task, error.clone());
                    break;
                }
            }
        }
        Arc::clone(task).one_less();
        // The task may be done by now, and these the last that hold its arguments.
        quietly(|| drop(references));
    }

    /// All arguments are there: on to a queue, unless one of them is an error.
    pub(crate) fn ready(self: &Arc<Node>, task: Arc<Task>, lane: Option<&crate::sched::Lane>) {
        if let Some(error) = failed_argument(&task) {
            if task.give_up() {
                self.finish_unrun(&task, error);
            }
            return;
        }
        if self.cluster.get().is_some() && task.lacks_arguments() {
            return self.ready_apart(&task);
        }
        if !task.make_ready() {
            return;
        }
        self.enqueue(task, lane);
    }

    /// Puts a ready task into the queue of its kind, or offers it to the cluster.
    pub(crate) fn enqueue(self: &Arc<Node>, task: Arc<Task>, lane: Option<&crate::sched::Lane>) {
        match self.cluster.get().filter(|_| self.sends_away(&task)) {
            Some(cluster) => self.offer(cluster, &task),
            None => self.enqueue_here(task, lane),
        }
    }

    /// Puts a ready task into the queue of its kind.
    pub(super) fn enqueue_here(
        self: &Arc<Node>,
        task: Arc<Task>,
        lane: Option<&crate::sched::Lane>,
    ) {
        if self.is_closed() {
            return task.abandon();
        }
        if task.plain {
            self.pool.push(task, lane);
            return self.cluster.get().into_iter().for_each(|cluster| cluster.has_queued());
        }
        if let Some(mailbox) = task.mailbox.clone().filter(|_| !task.function.body.makes()) {
            // What is tried again goes to the end of the line.
            return match task.attempt.load(Ordering::Relaxed) {
                0 => mailbox.arrived(self, &task),
                _ => {
                    self.post(mailbox, &task, true);
                }
            };
        }
        let holds = task.options().held;
        if let Some(desk) = task.mailbox.as_ref().filter(|_| !holds).and_then(|actor| actor.desk())
        {
            if desk.bring(Work::Charged(Arc::clone(&task) as Arc<dyn Job>)).is_err() {
                task.abandon();
            }
            return;
        }
        match task.options().request() {
            Ok(want) if task.is_async() && want == Default::default() => {
                self.run_async(task, None, None);
            }
            Ok(want) => {
                if !self.pool.request(want, Arc::clone(&task) as Arc<dyn Job>) && task.give_up() {
                    let text = "asks for what is not here, or not any more";
                    let error = task.error(ErrorKind::Unschedulable, text);
                    return self.finish_unrun(&task, error);
                }
                // Who gave it up before it asked found nothing to withdraw.
                if task.state() == State::Done {
                    self.pool.withdraw(&task);
                }
            }
            Err(error) => {
                if task.give_up() {
                    self.finish_unrun(&task, error);
                }
            }
        }
    }
}

/// The error of an argument that failed.
fn failed_argument(task: &Task) -> Option<Error> {
    let inputs = task.inputs();
    inputs.references().find_map(|reference| match reference.outcome() {
        Some(Err(error)) => Some(error.clone()),
        _ => None,
    })
}

impl Task {
    /// One argument fewer is open.
    fn one_less(self: Arc<Task>) {
        // AcqRel: the last one to come sees what all others have stored.
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(node) = self.node.clone()
        {
            node.ready(self, None);
        }
    }
}

/// A task is woken by each argument that arrives.
impl Wake for Task {
    fn wake(self: Arc<Self>) {
        // One failure is enough; the rest of the arguments need not be waited for.
        if self.state() == State::Waiting
            && let (Some(node), Some(error)) = (self.node.clone(), failed_argument_quick(&self))
            && self.give_up()
        {
            node.finish_unrun(&self, error);
        }
        self.one_less();
    }
}

/// Looks for a failed argument where there are few; where there are many, the last one's arrival
/// finds it, since looking at all of them each time would take the square of their number.
fn failed_argument_quick(task: &Task) -> Option<Error> {
    const FEW: usize = 8;
    let few = task.inputs().as_slice().len() <= FEW;
    few.then(|| failed_argument(task)).flatten()
}
