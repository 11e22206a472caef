//! From a call to a queue: a task is made, waits for its arguments, and goes where its kind
//! belongs.

use super::task::{Extra, Part, Parts, State, Task};
use super::{Node, current};
use crate::base::id::next_sequence;
use crate::base::quiet::quietly;
use crate::base::{NodeId, TaskId};
use crate::object::error::{Error, ErrorKind};
use crate::object::ledger::Ledger;
use crate::object::raw::{Holder, RawRef};
use crate::object::slot::{Slot, Watched};
use crate::object::value::Value;
use crate::sched::Job;
use crate::task::arg::{Given, Inputs};
use crate::task::function::Function;
use crate::task::options::Options;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};

/// Submits a call to the node in force. There is always a reference for each result; what cannot be
/// submitted resolves to its error. `made` sees the task before it is on its way.
pub(crate) fn submit(
    function: &'static Function,
    options: Option<Options>,
    inputs: Inputs,
    mut made: impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    let mut given = Some((options, inputs));
    let submitted = current::with_node(|node| {
        let (options, inputs) = given.take().unwrap_or_default();
        node.submit(function, options, inputs, &mut made)
    });
    submitted.unwrap_or_else(|error| {
        let (options, _) = given.take().unwrap_or_default();
        refused(NodeId(0), function, options, error, &mut made)
    })
}

/// A task that is done before it began. `node` is 0 where there is none.
fn refused(
    node: NodeId,
    function: &'static Function,
    options: Option<Options>,
    error: Error,
    made: &mut impl FnMut(&Arc<Task>),
) -> Arc<Task> {
    static NOWHERE: OnceLock<&'static Ledger> = OnceLock::new();
    let ledger = NOWHERE.get_or_init(Ledger::open);
    let id = TaskId { node, sequence: next_sequence() };
    let lane = crate::sched::LaneId(0);
    let call = NewTask { id, ledger, lane, state: State::Waiting, node: None };
    let task = call.make(function, options, Inputs::None);
    made(&task);
    task.give_up();
    task.fail(&error.in_task(task.name(), task.id()));
    task
}

struct NewTask {
    id: TaskId,
    ledger: &'static Ledger,
    lane: crate::sched::LaneId,
    state: State,
    node: Option<Arc<Node>>,
}

impl NewTask {
    fn make(
        self,
        function: &'static Function,
        options: Option<Options>,
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
        };
        if function.returns <= 1 {
            let extra = options.map(|options| {
                Box::new(Extra { options: Some(options), parts: Default::default() })
            });
            return Arc::new(Task::new(parts(extra)));
        }
        Arc::new_cyclic(|task| {
            let others = 1..function.returns;
            let others = others.map(|index| Arc::new(Part::new(slot(index), task.clone())));
            let extra = Extra { options, parts: others.collect::<Vec<_>>().into() };
            Task::new(parts(Some(Box::new(extra))))
        })
    }
}

impl Node {
    /// Makes a task and sends it on its way.
    pub(crate) fn submit(
        self: &Arc<Node>,
        function: &'static Function,
        options: Option<Options>,
        mut inputs: Inputs,
        made: &mut impl FnMut(&Arc<Task>),
    ) -> Arc<Task> {
        if self.is_closed() {
            return refused(self.id, function, options, self.closed_error(), made);
        }
        let asked = options.as_ref().unwrap_or(&function.defaults);
        if let Err(error) = self.admissible(asked).and_then(|()| self.encode_if_always(&mut inputs))
        {
            return refused(self.id, function, options, error, made);
        }
        let (priority, timeout) = (asked.priority, asked.timeout);
        let parent = current::task().filter(|parent| parent.id().node == self.id);
        let outside = parent.is_none();
        let own_lane = outside.then(|| current::lane(self));
        let lane = match (&parent, &own_lane) {
            (Some(parent), _) => parent.lane,
            (None, Some(lane)) => lane.id,
            (None, None) => crate::sched::LaneId(0),
        };
        let (lane, own_lane) = match priority {
            Some(priority) => (self.pool.lane_at(lane, priority).id, None),
            None => (lane, own_lane),
        };
        let referring = inputs.references().next().is_some();
        let waits = referring && inputs.references().any(|reference| !reference.is_ready());
        let call = NewTask {
            id: TaskId { node: self.id, sequence: next_sequence() },
            ledger: self.ledger,
            lane,
            state: if referring { State::Waiting } else { State::Queued },
            node: waits.then(|| Arc::clone(self)),
        };
        let task = call.make(function, options, inputs);
        made(&task);
        self.counters.submitted.add(1);
        if let Some(limit) = timeout {
            self.timer.expire(self, &task, limit);
        }
        if let Some(parent) = parent {
            parent.adopt(&task);
            if parent.is_cancelled() {
                self.cancel(&task);
            }
        }
        if waits {
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

    /// Whether the options mean something and this node could ever meet them.
    fn admissible(&self, asked: &Options) -> Result<(), Error> {
        if asked.is_plain() && self.has_whole_cpu {
            return Ok(());
        }
        let want = asked.request()?;
        match want.lacking(self.pool.budget().total()) {
            None => Ok(()),
            Some((name, wanted, had)) => {
                let text = format!("asks for {name} = {wanted}, and this node has {had} in all");
                Err(Error::new(ErrorKind::Unschedulable, text))
            }
        }
    }

    /// In the mode that tests use, every argument goes through bytes.
    fn encode_if_always(&self, inputs: &mut Inputs) -> Result<(), Error> {
        if !self.config.always_encode {
            return Ok(());
        }
        for input in inputs.as_mut_slice() {
            if let Given::Value(value) = &input.0 {
                input.0 = Given::Value(Value::Sealed(value.seal()?));
            }
        }
        Ok(())
    }

    /// Counts the arguments that are not there and is called back by each.
    fn await_arguments(self: &Arc<Node>, task: &Arc<Task>) {
        let waker = Waker::from(Arc::clone(task));
        let references: Vec<RawRef> = task.inputs.lock().references().cloned().collect();
        for reference in &references {
            task.open.fetch_add(1, Ordering::Relaxed);
            if reference.slot().watch(&waker) == Watched::Ready {
                task.open.fetch_sub(1, Ordering::Relaxed);
                // One failure is enough, however long the others take.
                if let Some(Err(error)) = reference.slot().outcome()
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
        if !task.make_ready() {
            return;
        }
        self.enqueue(task, lane);
    }

    /// Puts a ready task into the queue of its kind.
    pub(crate) fn enqueue(self: &Arc<Node>, task: Arc<Task>, lane: Option<&crate::sched::Lane>) {
        if self.is_closed() {
            return task.abandon();
        }
        if task.plain {
            return self.pool.push(task, lane);
        }
        match task.options().request() {
            Ok(want) if task.is_async() && want == Default::default() => self.run_async(task, None),
            Ok(want) => {
                self.pool.request(want, Arc::clone(&task) as Arc<dyn Job>);
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
    let inputs = task.inputs.lock();
    inputs.references().find_map(|reference| match reference.slot().outcome() {
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
    let few = task.inputs.lock().as_slice().len() <= FEW;
    few.then(|| failed_argument(task)).flatten()
}

/// Keeps a stored value: an object without a task.
pub(crate) fn put(node: &Node, value: Value) -> Result<RawRef, Error> {
    if node.is_closed() {
        return Err(node.closed_error());
    }
    let value = match node.config.always_encode {
        true => Value::Sealed(value.seal()?),
        false => value,
    };
    let id = TaskId { node: node.id, sequence: next_sequence() }.result(0);
    let slot = Slot::new(id, node.ledger);
    slot.seal(Ok(crate::object::value::Payload::new(value)));
    Ok(RawRef(Arc::new(slot) as Arc<dyn Holder>))
}
