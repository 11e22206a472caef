//! `Task`: one call on its way through this node, together with the slot of its first result, in
//! one allocation. Its life is a line of four states; each step is a function here.
//!
//! ```text
//! Waiting ──ready──▶ Queued ──claim──▶ Running ──finish──▶ Done
//!    │                 │                 │
//!    ├──────abort──────┴──▶ Done         ├──abort (the result only)
//!    └◀──────────────rest before another attempt
//! ```
//!
//! Whoever wins the step out of `Queued` runs the task: a worker that took it from a queue, or a
//! task that waits for it. The entry that stays in the queue finds it claimed and does nothing.

use super::Node;
pub(crate) use super::state::State;
use crate::actor::inbox::Caller;
use crate::actor::state::State as ActorState;
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::base::{ActorId, NodeId, TaskId};
use crate::object::error::{Error, ErrorKind};
use crate::object::kept::Counted;
use crate::object::raw::{Holder, RawRef, Stage};
use crate::object::slot::{Outcome, Slot};
use crate::object::value::Payload;
use crate::sched::desk::Desk;
use crate::sched::{LaneId, Worker};
use crate::task::arg::Inputs;
use crate::task::call::Results;
use crate::task::function::Function;
use crate::task::options::Options;
use crate::task::pipe::Pipe;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
use std::sync::{Arc, Weak};
use std::task::Context;
use std::time::Instant;

/// The bits of a task's state, and the step of the ticket in those above.
const STATE: u8 = 0b11;
const TICKET: u8 = 0b100;

/// One call.
pub(crate) struct Task {
    slot: Slot,
    pub(crate) function: &'static Function,
    state: AtomicU8,
    cancelled: AtomicBool,
    /// Somebody here waits for the result, wherever it is made.
    pub(super) wanted: AtomicBool,
    /// One CPU and nothing else, on any thread, and not `async`: the common case, without a
    /// request.
    pub(crate) plain: bool,
    pub(crate) attempt: AtomicU32,
    /// Arguments that are not there yet, and one more while they are being counted.
    pub(crate) open: AtomicU32,
    pub(crate) lane: LaneId,
    held: Mutex<Held>,
    /// What differs from the function's defaults.
    extra: Option<Box<Extra>>,
    /// Where the task goes when its last argument arrives, which may be on any thread.
    pub(crate) node: Option<Arc<Node>>,
    /// For a call of an actor: where it stands in line.
    pub(crate) mailbox: Option<Arc<dyn Mailbox>>,
}

/// What a task lets go of when it is done.
struct Held {
    inputs: Inputs,
    /// Those that it has called.
    #[expect(clippy::box_collection, reason = "most tasks have none: a pointer less in each")]
    children: Option<Box<Vec<Weak<Task>>>>,
}

/// An actor, as its calls see it. What is said here by itself is for those that run elsewhere.
pub(crate) trait Mailbox: Send + Sync {
    /// Which actor.
    fn actor(&self) -> ActorId;

    /// What the actor's handles hold, without holding it, and the name of its type.
    fn claim(&self) -> (Weak<dyn Holder>, &'static str) {
        (Weak::<Task>::new() as Weak<dyn Holder>, "")
    }

    /// Takes `task` in, in the order of its caller's calls. `ready` says whether its arguments are
    /// there; if not, `arrived` follows.
    fn post(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, ready: bool) -> Result<(), Error>;

    /// `task` may begin as far as its arguments are concerned, or it was given up.
    fn arrived(self: Arc<Self>, _node: &Arc<Node>, _task: &Arc<Task>) {}

    /// Runs `task` on this thread, a worker's, if it is the next in line and nothing else runs.
    fn run_here(self: Arc<Self>, _node: &Arc<Node>, _worker: &Worker, _task: &Arc<Task>) {}

    /// Polls `task` on this thread, if it is a future, the next in line, and nothing else runs.
    /// What is not done then goes on by itself.
    fn poll_here(self: Arc<Self>, _node: &Arc<Node>, _task: &Arc<Task>, _cx: &mut Context<'_>) {}

    /// Whether the actor is, or may be, on another node: it takes calls as they are.
    fn is_far(&self) -> bool {
        false
    }

    /// Whether all its calls run on one thread.
    fn is_pinned(&self) -> bool {
        false
    }

    /// That thread, until the actor has ended.
    fn desk(&self) -> Option<Desk> {
        None
    }

    /// The calls that have to end before `task`, which has not begun.
    fn before(&self, _task: &Arc<Task>) -> Vec<Arc<Task>> {
        Vec::new()
    }

    /// The state as it was kept last, if it was: it takes the place of what the constructor makes.
    fn restore(&self) -> Option<Result<ActorState, Error>> {
        None
    }

    /// The constructor has run, or never will.
    fn made(self: Arc<Self>, _node: &Arc<Node>, _made: Result<ActorState, Error>) {}

    /// Keeps what the actor was granted for as long as it lives; gives it back if it has ended.
    fn keep(&self, held: Resources) -> Option<Resources> {
        Some(held)
    }

    /// The node that had `task` is gone.
    fn lost(self: Arc<Self>, node: &Arc<Node>, task: &Arc<Task>, by: NodeId, why: &str) {
        let text = format!("the actor was on {by}, which is gone: {why}");
        node.settle_away(task, Err(task.error(ErrorKind::ActorDied, text)));
    }

    /// `task` was turned down for no fault of its own: whether it is offered to another node.
    fn may_move(&self) -> bool {
        false
    }

    /// `task` was offered to the cluster and is this node's to do: whether that was done.
    fn stays(self: Arc<Self>, _node: &Arc<Node>, _task: &Arc<Task>) -> bool {
        false
    }
}

/// What few tasks have.
pub(crate) struct Extra {
    pub(crate) options: Option<Box<Options>>,
    /// The results after the first, until they are there: then they are their references' alone.
    pub(crate) parts: Mutex<Vec<Arc<Part>>>,
    /// When its time is up, its own or that of the call which it is a part of.
    pub(crate) deadline: Option<Instant>,
    /// It belongs to another node, and runs here.
    pub(crate) arrived: Option<Caller>,
    /// The items of a stream.
    pub(crate) pipe: Option<Arc<Pipe<Counted>>>,
}

/// A result after the first, of a task with several.
pub(crate) struct Part {
    slot: Slot,
    task: Weak<Task>,
}

impl Holder for Task {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
    fn want(&self) {
        if !self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(true, Ordering::Relaxed); // before the look: see `Slot::leave`
            self.slot.want();
        }
    }
}
impl Holder for Part {
    fn place(&self) -> &dyn Any {
        &self.slot
    }
    fn stage(&self) -> Stage {
        self.slot.stage()
    }
}

impl Part {
    pub(crate) fn new(slot: Slot, task: Weak<Task>) -> Part {
        Part { slot, task }
    }
}

/// The task that makes what `reference` stands for; `None` for what `put` stored, and for a task
/// that is gone.
pub(crate) fn producer(reference: &RawRef) -> Option<Arc<Task>> {
    reference
        .holder::<Task>()
        .or_else(|| reference.peek::<Part>().and_then(|part| part.task.upgrade()))
}

/// What a task is made of.
pub(crate) struct Parts {
    pub(crate) slot: Slot,
    pub(crate) function: &'static Function,
    pub(crate) inputs: Inputs,
    pub(crate) lane: LaneId,
    /// `Queued` where no argument is to be waited for.
    pub(crate) state: State,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) mailbox: Option<Arc<dyn Mailbox>>,
}

impl Task {
    // Inlined, so that the parts are laid down once and not copied from place to place.
    #[inline(always)]
    pub(crate) fn new(parts: Parts) -> Task {
        let options = parts.extra.as_ref().and_then(|extra| extra.options.as_deref());
        let plain = options.unwrap_or(&parts.function.defaults).is_plain()
            && parts.function.body.is_free_standing()
            && parts.mailbox.as_ref().is_none_or(|mailbox| !mailbox.is_pinned());
        Task {
            slot: parts.slot,
            function: parts.function,
            state: AtomicU8::new(parts.state as u8),
            cancelled: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            plain,
            attempt: AtomicU32::new(0),
            open: AtomicU32::new(1),
            lane: parts.lane,
            held: Mutex::new(Held { inputs: parts.inputs, children: None }),
            extra: parts.extra,
            node: parts.node,
            mailbox: parts.mailbox,
        }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.slot.id().task()
    }

    pub(crate) fn options(&self) -> &Options {
        let own = self.extra.as_ref().and_then(|extra| extra.options.as_deref());
        own.unwrap_or(&self.function.defaults)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.extra.as_ref().and_then(|extra| extra.deadline)
    }

    /// Whether it belongs to another node, and runs here.
    pub(crate) fn has_arrived(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.arrived.is_some())
    }

    /// Whether it runs on that node, whichever it belongs to.
    pub(crate) fn runs_on(&self, node: NodeId) -> bool {
        match self.has_arrived() {
            true => self.node.as_ref().is_none_or(|own| own.id == node),
            false => self.id().node == node,
        }
    }

    /// Who has made the call, if it came from another node.
    pub(crate) fn far_caller(&self) -> Option<Caller> {
        self.extra.as_ref().and_then(|extra| extra.arrived)
    }

    pub(crate) fn name(&self) -> &str {
        self.options().name.as_deref().unwrap_or(self.function.name)
    }

    pub(crate) fn is_async(&self) -> bool {
        self.function.body.is_async()
    }

    /// Whether nobody else has the task, and nothing of the user's is left in it.
    pub(crate) fn is_spent(self: &mut Arc<Task>) -> bool {
        Arc::get_mut(self).is_some_and(|task| {
            let small = |outcome: &Outcome| {
                outcome.as_ref().is_ok_and(|payload| payload.value().is_small())
            };
            task.extra.is_none() && task.slot.outcome().is_some_and(small)
        })
    }

    pub(crate) fn state(&self) -> State {
        State::of(self.state.load(Ordering::SeqCst) & STATE)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Marks the running function as unwanted.
    pub(crate) fn mark_cancelled(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// A reference to each result; to be asked for before the task is on its way.
    pub(crate) fn references(self: &Arc<Task>) -> Vec<RawRef> {
        let first = RawRef(Arc::clone(self) as Arc<dyn Holder>);
        let parts = self.extra.iter().flat_map(|extra| extra.parts.lock().clone());
        std::iter::once(first).chain(parts.map(|part| RawRef(part as _))).collect()
    }

    /// All results are this error, unless there is an outcome already: then nothing happens, and
    /// `false`. Who fills the first slot fills them all.
    pub(crate) fn fail(&self, error: &Error) -> bool {
        let won = self.slot.seal(Err(error.clone()));
        if won {
            self.fill_parts(|| Some(Err(error.clone())));
            self.end_stream();
        }
        won
    }

    /// The results are these values, unless there is an outcome already.
    pub(crate) fn fulfil(&self, results: Results) {
        match results {
            Results::One(value) => {
                self.slot.seal(Ok(Payload::new(value)));
                self.end_stream();
            }
            Results::Many(values) => {
                let mut values = values.into_iter().map(|value| Ok(Payload::new(value)));
                if values.next().is_some_and(|first| self.slot.seal(first)) {
                    self.fill_parts(|| values.next());
                }
            }
        }
    }

    fn fill_parts(&self, mut outcome: impl FnMut() -> Option<Outcome>) {
        let Some(extra) = &self.extra else { return };
        let parts = std::mem::take(&mut *extra.parts.lock());
        for part in parts {
            if let Some(outcome) = outcome() {
                // A result without a reference is dropped here.
                quietly(|| {
                    part.slot.seal(outcome);
                    drop(part);
                });
            }
        }
    }

    /// The items, if the task gives a stream.
    pub(crate) fn pipe(&self) -> Option<&Arc<Pipe<Counted>>> {
        self.extra.as_ref().and_then(|extra| extra.pipe.as_ref())
    }

    /// The outcome is there: who waits for an item need not wait any longer.
    fn end_stream(&self) {
        if let Some(pipe) = self.pipe() {
            pipe.end();
        }
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The error that the task ended with.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.slot.outcome().and_then(|outcome| outcome.as_ref().err().cloned())
    }

    /// Whether the first result is there: then all are, or are about to be.
    pub(crate) fn is_settled(&self) -> bool {
        self.slot.stage() != Stage::Open
    }

    fn step(&self, from: State, to: State) -> bool {
        // At least AcqRel: who wins a step sees what was done before the steps that led here, the
        // arguments that were stored before `Queued` among them. SeqCst for `Life::end`.
        self.step_to(from, |ticket| ticket | to as u8)
    }

    /// Out of line: whoever has the ticket that the task had until now cannot claim it any more.
    fn step_back(&self, from: State) -> bool {
        self.step_to(from, |ticket| ticket.wrapping_add(TICKET) | State::Waiting as u8)
    }

    fn step_to(&self, from: State, to: impl Fn(u8) -> u8) -> bool {
        let step = |now: u8| (now & STATE == from as u8).then(|| to(now & !STATE));
        self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).is_ok()
    }

    /// Which place in line the task has: another one each time that it is put back.
    pub(crate) fn ticket(&self) -> u8 {
        self.state.load(Ordering::SeqCst) & !STATE
    }

    /// All arguments are there, or the pause is over. `false` if the task was aborted before.
    pub(crate) fn make_ready(&self) -> bool {
        self.step(State::Waiting, State::Queued)
    }

    /// This thread will run the task. `false` if another does, or nobody should.
    pub(crate) fn claim(&self) -> bool {
        self.claim_at(self.ticket()).is_some()
    }

    /// The same for who took the task out of line with this ticket, and which attempt it is. The
    /// number is raised only while the task runs, and then the ticket is another one afterwards.
    pub(crate) fn claim_at(&self, ticket: u8) -> Option<u32> {
        let attempt = self.attempt.load(Ordering::Acquire);
        let (from, to) = (ticket | State::Queued as u8, ticket | State::Running as u8);
        let won = self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::Acquire);
        won.is_ok().then_some(attempt)
    }

    /// The task is for another node to run, though not all that it takes is here.
    pub(super) fn claim_waiting(&self) -> Option<u32> {
        self.step(State::Waiting, State::Running).then(|| self.attempt.load(Ordering::Acquire))
    }

    /// Nobody will run the task until `make_ready`. `false` if somebody does, or nobody should.
    pub(crate) fn take_back(&self) -> bool {
        self.step_back(State::Queued)
    }

    /// An attempt failed and another one follows later; until then nobody can claim the task, who
    /// waits for it included. `false` if it was aborted meanwhile, and nobody else will count it as
    /// finished.
    pub(crate) fn rest(&self) -> bool {
        let rests = self.step_back(State::Running);
        // Pairs with the fence in `Node::abort`: either its outcome is seen here or this step
        // there.
        fence(Ordering::SeqCst);
        rests && !(self.is_settled() && self.give_up())
    }

    /// The function has returned for the last time: what the task held goes, outside the lock,
    /// since the arguments' own `Drop` may do anything.
    pub(crate) fn finish(&self) {
        self.state.store(State::Done as u8, Ordering::Release);
        let gone = {
            let mut held = self.held.lock();
            // Whoever has settled it before is about to cancel these.
            let children = if self.is_settled() { None } else { held.children.take() };
            (std::mem::take(&mut held.inputs), children)
        };
        quietly(|| drop(gone));
    }

    /// The arguments, until they are taken.
    pub(crate) fn inputs(&self) -> MappedMutexGuard<'_, Inputs> {
        MutexGuard::map(self.held.lock(), |held| &mut held.inputs)
    }

    /// The task will not begin. `false` if it has already, or is done.
    pub(crate) fn give_up(&self) -> bool {
        let gave_up =
            self.step(State::Queued, State::Done) || self.step(State::Waiting, State::Done);
        if gave_up {
            // What the arguments pinned is free at once.
            self.drop_inputs();
        }
        gave_up
    }

    /// Lets go of the arguments, outside the lock: their own `Drop` may do anything.
    pub(crate) fn drop_inputs(&self) {
        let inputs = std::mem::take(&mut *self.inputs());
        quietly(|| drop(inputs));
    }

    /// Notes a task that this one has called, to be cancelled with it.
    pub(crate) fn adopt(&self, child: &Arc<Task>) {
        let mut held = self.held.lock();
        let list = held.children.get_or_insert_default();
        if list.len() == list.capacity() && list.len() >= 64 {
            list.retain(|child| child.strong_count() > 0);
        }
        list.push(Arc::downgrade(child));
    }

    pub(crate) fn take_children(&self) -> Vec<Arc<Task>> {
        let children = self.held.lock().children.take();
        children.into_iter().flat_map(|list| *list).filter_map(|child| child.upgrade()).collect()
    }

    /// How the task is named in messages.
    pub(crate) fn label(&self) -> String {
        format!("`{}` ({})", self.name(), self.id())
    }

    /// An error of this kind that names this task.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, message).in_task(self.name(), self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million of these are queued at times: a field more is 8 MB more.
    #[test]
    fn a_task_stays_small() {
        assert!(size_of::<Task>() <= 200, "{} bytes", size_of::<Task>());
        assert_eq!(size_of::<crate::object::value::Value>(), 24);
        // With its counts a slot alone is a chunk of 128 bytes, the largest that is freed without a
        // lock by glibc.
        assert!(size_of::<Slot>() <= 104, "{} bytes", size_of::<Slot>());
    }
}
