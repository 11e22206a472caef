//! `async` tasks: they run on the node's own tokio runtime, started at first use, so that the
//! libraries they call find their reactor. At most so many run at once; the rest wait in the order
//! they came.

use super::task::{State as TaskState, Task};
use super::{Node, current, timeline};
use crate::actor::state::{Access, Life};
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::Result;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::RawRef;
use crate::task::call::{Call, Returns};
use crate::task::function::{Body, Running};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// An actor's state, for the length of an async method.
pub(crate) struct Lent {
    pub(crate) access: Access,
    pub(crate) life: Arc<Life>,
    pub(crate) cell: Arc<dyn Lender>,
}

/// Who lends a state.
pub(crate) trait Lender: Send + Sync {
    /// The method panicked: the state may be half changed.
    fn crashed(
        self: Arc<Self>,
        node: &Arc<Node>,
        life: &Arc<Life>,
        task: &Arc<Task>,
        error: &Error,
    );

    /// The method has let go of the state, which it may have changed, and its result is about to be
    /// told.
    fn changed(
        &self,
        node: &Node,
        life: &Arc<Life>,
        task: &Task,
        result: Result<Returns>,
    ) -> Result<Returns>;

    /// The method has ended and has let go of the state.
    fn back(self: Arc<Self>, node: &Arc<Node>, life: &Arc<Life>, task: &Arc<Task>);
}

/// A task on its way to the runtime, and what it holds.
struct Start {
    task: Arc<Task>,
    held: Option<Resources>,
    lent: Option<Lent>,
}

/// The asynchronous half of a node.
#[derive(Default)]
pub(crate) struct Futures {
    state: Mutex<State>,
    /// Of the runtime, once there is one.
    handle: OnceLock<tokio::runtime::Handle>,
}

#[derive(Default)]
struct State {
    runtime: Option<tokio::runtime::Runtime>,
    running: usize,
    waiting: VecDeque<Start>,
    /// Tasks that run, by their number.
    tasks: HashMap<u64, Arc<Task>>,
    /// Of these, the ones that wait for objects, and for how many waits each. They do not count as
    /// running: what they wait for may be in line behind them.
    resting: HashMap<u64, usize>,
    /// How to reach a running future whose task was cancelled.
    wakers: HashMap<u64, Waker>,
    closed: bool,
}

std::thread_local! {
    static OWN_RUNTIME: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Node {
    /// Whether this thread belongs to a node's runtime, where a blocking wait gives its place back.
    pub(crate) fn is_own_runtime_thread(&self) -> bool {
        OWN_RUNTIME.try_with(std::cell::Cell::get).unwrap_or(false)
    }

    /// Starts an `async` task that is ready, or queues it. `held` is what it was granted, `lent`
    /// the state of its actor.
    pub(crate) fn run_async(
        self: &Arc<Node>,
        task: Arc<Task>,
        held: Option<Resources>,
        lent: Option<Lent>,
    ) {
        self.start_async(Start { task, held, lent });
    }

    fn start_async(self: &Arc<Node>, start: Start) {
        let mut state = self.futures.state.lock();
        if state.closed {
            drop(state);
            return crate::sched::Job::abandon(&*start.task);
        }
        if state.running >= self.config.async_tasks_max {
            state.waiting.push_back(start);
            return;
        }
        state.running += 1;
        let task = Arc::clone(&start.task);
        let started = self.spawn(&mut state, start);
        drop(state);
        if let Err(error) = started {
            self.abort(&task, error);
            self.async_ended();
        }
    }

    fn spawn(self: &Arc<Node>, state: &mut State, start: Start) -> Result<()> {
        self.runtime(state)?.spawn(drive(Arc::clone(self), start));
        Ok(())
    }

    /// The runtime, built when it is first needed.
    fn runtime(self: &Arc<Node>, state: &mut State) -> Result<tokio::runtime::Handle> {
        if state.runtime.is_none() {
            let runtime = self.build_runtime()?;
            let _ = self.futures.handle.set(runtime.handle().clone());
            state.runtime = Some(runtime);
        }
        let handle = state.runtime.as_ref().map(|runtime| runtime.handle().clone());
        handle.ok_or_else(|| self.closed_error())
    }

    /// Has an actor take its turn on the runtime, after the present poll.
    pub(crate) fn spawn_turn(self: &Arc<Node>, turn: impl FnOnce(&Arc<Node>) + Send + 'static) {
        let handle = self.runtime(&mut self.futures.state.lock());
        let node = Arc::clone(self);
        if let Ok(handle) = handle {
            handle.spawn(async move { turn(&node) });
        }
    }

    fn build_runtime(self: &Arc<Node>) -> std::io::Result<tokio::runtime::Runtime> {
        let node = Arc::downgrade(self);
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.config.num_cpus.clamp(1, 64))
            .max_blocking_threads(self.config.threads_max)
            .thread_name(format!("raykit-{}-async", self.id))
            .on_thread_start(move || {
                OWN_RUNTIME.with(|own| own.set(true));
                if let Some(node) = node.upgrade() {
                    current::enter(node);
                }
            })
            .on_thread_stop(current::leave)
            .enable_all()
            .build()
    }

    /// One fewer runs: the next in line may.
    fn async_ended(self: &Arc<Node>) {
        let next = {
            let mut state = self.futures.state.lock();
            state.running -= 1;
            state.waiting.pop_front()
        };
        if let Some(next) = next {
            self.start_async(next);
        }
    }

    /// A future of `task` waits for an object: while it does, another task may run.
    pub(crate) fn async_waits(self: &Arc<Node>, task: &Task) {
        if !task.is_async() {
            return;
        }
        let next = {
            let mut state = self.futures.state.lock();
            let waits = state.resting.entry(task.id().sequence).or_default();
            *waits += 1;
            if *waits > 1 {
                return;
            }
            state.running -= 1;
            state.waiting.pop_front()
        };
        if let Some(next) = next {
            self.start_async(next);
        }
    }

    /// The wait is over. For a moment more tasks than the limit may run: none of them can be
    /// stopped.
    pub(crate) fn async_goes_on(&self, task: &Task) {
        if !task.is_async() {
            return;
        }
        let mut state = self.futures.state.lock();
        if let Some(waits) = state.resting.get_mut(&task.id().sequence) {
            *waits -= 1;
            if *waits == 0 {
                state.resting.remove(&task.id().sequence);
                state.running += 1;
            }
        }
    }

    /// A cancelled future is dropped at its next poll; this sees that there is one.
    pub(crate) fn stop_future(&self, task: &Task) {
        if task.is_async() {
            let waker = self.futures.state.lock().wakers.remove(&task.id().sequence);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// No future begins from now on; those that wait their turn are abandoned. Returns the names of
    /// those that never came to an await within the grace.
    pub(crate) fn close_futures(&self, grace: std::time::Duration) -> Vec<String> {
        let (runtime, waiting) = {
            let mut state = self.futures.state.lock();
            state.closed = true;
            (state.runtime.take(), std::mem::take(&mut state.waiting))
        };
        for start in waiting {
            crate::sched::Job::abandon(&*start.task);
            if let Some(held) = start.held {
                self.pool.give(&held);
            }
        }
        if let Some(runtime) = runtime {
            // On a thread of its own: the caller's may belong to another runtime, which forbids to
            // block.
            let closer = std::thread::spawn(move || runtime.shutdown_timeout(grace));
            // A panic there was printed when it happened.
            let _ = closer.join();
        }
        let left: Vec<_> = self.futures.state.lock().tasks.drain().map(|(_, task)| task).collect();
        left.iter().for_each(|task| crate::sched::Job::abandon(&**task));
        left.iter().map(|task| task.label()).collect()
    }
}

/// Polls the call that makes the object, where that is the next call of an idle actor and a future:
/// it need not go to another thread to come back at once. `true` if the object is there now.
pub(crate) fn poll_here(reference: &RawRef, cx: &mut Context<'_>) -> bool {
    let Some(task) = reference.peek::<Task>().filter(|task| task.is_async()) else { return false };
    if task.mailbox.is_none() || task.state() != TaskState::Queued {
        return false;
    }
    let (Some(task), Ok(node)) = (reference.holder::<Task>(), current::node()) else {
        return false;
    };
    if let Some(mailbox) = task.mailbox.clone() {
        mailbox.poll_here(&node, &task, cx);
    }
    reference.is_ready()
}

impl Node {
    /// Polls a call once on this thread; if it is not done then, it goes on by itself.
    pub(crate) fn poll_async(self: &Arc<Node>, task: &Arc<Task>, lent: Lent, cx: &mut Context<'_>) {
        let start = Start { task: Arc::clone(task), held: None, lent: Some(lent) };
        let Some(handle) = self.futures.handle.get().filter(|_| !self.is_closed()) else {
            return self.start_async(start);
        };
        // What the method calls finds its reactor.
        let _context = (!self.is_own_runtime_thread()).then(|| handle.enter());
        let Some(mut flight) = Flight::begin(self, start) else { return };
        match flight.poll(cx) {
            Poll::Ready(result) => flight.land(result),
            Poll::Pending => {
                // From now on it counts, if only now it is known whether there is room.
                self.futures.state.lock().running += 1;
                flight.counted = true;
                drop(handle.spawn(fly(flight)));
            }
        }
    }
}

/// One task's future, from claim to outcome.
async fn drive(node: Arc<Node>, start: Start) {
    match Flight::begin(&node, start) {
        Some(mut flight) => {
            flight.counted = true;
            fly(flight).await;
        }
        None => node.async_ended(),
    }
}

/// What is left of a flight.
async fn fly(mut flight: Flight) {
    let (node, task) = (Arc::clone(&flight.node), Arc::clone(&flight.task));
    node.futures.state.lock().tasks.insert(task.id().sequence, Arc::clone(&task));
    let mut ending = Ending { node: &node, task: &task, ended: false };
    let result = std::future::poll_fn(|cx| flight.poll(cx)).await;
    ending.ended = true;
    drop(ending);
    flight.land(result);
}

/// A call that has begun as a future.
struct Flight {
    node: Arc<Node>,
    task: Arc<Task>,
    /// The user's future, until it has ended.
    future: Option<Running>,
    /// Why there is none.
    failed: Option<Error>,
    /// Whether it counts for the limit of those that run.
    counted: bool,
    started: Option<timeline::Mark>,
    held: Option<Resources>,
    lender: Option<(Arc<dyn Lender>, Arc<Life>)>,
}

impl Flight {
    /// Claims the task and makes its future. `None` if it was claimed or given up already; then
    /// what it held goes back.
    fn begin(node: &Arc<Node>, start: Start) -> Option<Flight> {
        let Start { task, held, lent } = start;
        let (access, lender) = match lent {
            Some(Lent { access, life, cell }) => (Some(access), Some((cell, life))),
            None => (None, None),
        };
        let mut flight = Flight {
            node: Arc::clone(node),
            future: None,
            failed: None,
            counted: false,
            started: None,
            held,
            lender,
            task,
        };
        if !flight.task.claim() {
            drop(access);
            flight.give_back();
            return None;
        }
        flight.started = node.timeline.as_ref().map(|timeline| timeline.now());
        let task = &flight.task;
        let call = node.call_of(task, task.inputs_for_attempt());
        let begin = || future_of(node, task, call, access);
        match super::run::caught(|| in_task(task, begin)) {
            Ok(future) => flight.future = Some(future),
            Err(error) => flight.failed = Some(error),
        }
        Some(flight)
    }

    /// Polls the user's future with the task's context around it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Returns>> {
        let (node, task) = (&self.node, &self.task);
        // Not the mark of a cancelled task but its outcome, which stands before the mark.
        if task.is_settled() {
            let future = self.future.take();
            // The user's values are dropped with the task still in force.
            let _ = catch_unwind(AssertUnwindSafe(|| in_task(task, || drop(future))));
            return Poll::Ready(Err(task.error(ErrorKind::Cancelled, "")));
        }
        let Some(future) = &mut self.future else {
            let failed = self.failed.take();
            return Poll::Ready(
                Err(failed.unwrap_or_else(|| task.error(ErrorKind::Cancelled, ""))),
            );
        };
        let span = tracing::debug_span!("task", id = %task.id(), name = task.name());
        let _span = span.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| in_task(task, || future.as_mut().poll(cx))));
        match polled {
            Ok(Poll::Ready(result)) => Poll::Ready(result),
            Ok(Poll::Pending) => {
                let mut state = node.futures.state.lock();
                state.wakers.insert(task.id().sequence, cx.waker().clone());
                drop(state);
                if task.is_settled() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Err(panic) => Poll::Ready(Err(super::run::panic_error(panic))),
        }
    }

    /// Settles the task, and gives back what it held.
    fn land(mut self, result: Result<Returns>) {
        let (node, task) = (Arc::clone(&self.node), Arc::clone(&self.task));
        // The future, and with it the actor's state that it holds, goes before anybody hears of the
        // result.
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| in_task(&task, || drop(future))));
        if let (Some(timeline), Some(started)) = (&node.timeline, self.started) {
            timeline.ran(&task, started, result.is_ok());
        }
        if let Some(error) = result.as_ref().err().filter(|error| error.is_panic()) {
            if task.function.body.makes() {
                let _ = node.made(&task, Err(error.clone()));
            }
            if let Some((cell, life)) = &self.lender {
                Arc::clone(cell).crashed(&node, life, &task, error);
            }
        }
        let result = match &self.lender {
            Some((cell, life)) => cell.changed(&node, life, &task, result),
            None => result,
        };
        quietly(|| node.after_attempt(Arc::clone(&task), result));
        self.give_back();
        if self.counted {
            node.async_ended();
        }
    }

    fn give_back(&mut self) {
        if let Some((cell, life)) = self.lender.take() {
            cell.back(&self.node, &life, &self.task);
        }
        if let Some(held) = self.held.take() {
            let back = match &self.task.mailbox {
                Some(mailbox) => mailbox.keep(held),
                None => Some(held),
            };
            if let Some(back) = back {
                self.node.pool.give(&back);
            }
        }
    }
}

/// The future of a call.
fn future_of(
    node: &Arc<Node>,
    task: &Arc<Task>,
    call: Call,
    access: Option<Access>,
) -> Result<Running> {
    match (task.function.body, access) {
        (Body::Async(body), _) => Ok(body(call)),
        (Body::SharedAsync(body) | Body::ExclusiveAsync(body), Some(access)) => {
            Ok(body(access, call))
        }
        (Body::MakeAsync(body), _) => {
            let kept = task.mailbox.as_ref().and_then(|mailbox| mailbox.restore());
            let making = kept.is_none().then(|| body(call));
            let (node, task) = (Arc::clone(node), Arc::clone(task));
            Ok(Box::pin(async move {
                let made = match (making, kept) {
                    (Some(making), _) => making.await,
                    (None, kept) => kept.unwrap_or_else(|| Err(task.error(ErrorKind::Io, ""))),
                };
                node.made(&task, made)
            }))
        }
        _ => Err(task.error(ErrorKind::Config, "it is no future")),
    }
}

/// Sees that a future which the closing runtime drops half-way leaves an outcome behind.
struct Ending<'a> {
    node: &'a Arc<Node>,
    task: &'a Arc<Task>,
    ended: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let number = self.task.id().sequence;
        let mut state = self.node.futures.state.lock();
        let gone = (state.wakers.remove(&number), state.tasks.remove(&number));
        drop(state);
        drop(gone);
        if !self.ended {
            let error = self.task.error(ErrorKind::ShutDown, "its node was closed while it waited");
            self.node.settle(self.task, Err(error));
        }
    }
}

fn in_task<R>(task: &Arc<Task>, f: impl FnOnce() -> R) -> R {
    let _in_task = current::begin(Arc::clone(task));
    f()
}
