//! `async` tasks: they run on the node's own tokio runtime, started at first use, so that the
//! libraries they call find their reactor. At most so many run at once; the rest wait in the order
//! they came.

use super::task::Task;
use super::{Node, current};
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::Result;
use crate::object::error::{Error, ErrorKind};
use crate::task::call::{Call, Returns};
use crate::task::function::{Body, Running};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The asynchronous half of a node.
#[derive(Default)]
pub(crate) struct Futures {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runtime: Option<tokio::runtime::Runtime>,
    running: usize,
    waiting: VecDeque<(Arc<Task>, Option<Resources>)>,
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

    /// Starts an `async` task that is ready, or queues it. `held` is what it was granted.
    pub(crate) fn run_async(self: &Arc<Node>, task: Arc<Task>, held: Option<Resources>) {
        let mut state = self.futures.state.lock();
        if state.closed {
            drop(state);
            return crate::sched::Job::abandon(&*task);
        }
        if state.running >= self.config.async_tasks_max {
            state.waiting.push_back((task, held));
            return;
        }
        state.running += 1;
        let started = self.spawn(&mut state, task, held);
        drop(state);
        if let Err((task, error)) = started {
            self.abort(&task, error);
            self.async_ended(None);
        }
    }

    fn spawn(
        self: &Arc<Node>,
        state: &mut State,
        task: Arc<Task>,
        held: Option<Resources>,
    ) -> std::result::Result<(), (Arc<Task>, Error)> {
        if state.runtime.is_none() {
            match self.build_runtime() {
                Ok(runtime) => state.runtime = Some(runtime),
                Err(error) => return Err((task, error.into())),
            }
        }
        if let Some(runtime) = &state.runtime {
            runtime.spawn(drive(Arc::clone(self), task, held));
        }
        Ok(())
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
    fn async_ended(self: &Arc<Node>, held: Option<Resources>) {
        if let Some(held) = held {
            self.pool.give(&held);
        }
        let next = {
            let mut state = self.futures.state.lock();
            state.running -= 1;
            state.waiting.pop_front()
        };
        if let Some((task, held)) = next {
            self.run_async(task, held);
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
        if let Some((task, held)) = next {
            self.run_async(task, held);
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
        for (task, held) in waiting {
            crate::sched::Job::abandon(&*task);
            if let Some(held) = held {
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

/// One task's future, from claim to outcome.
async fn drive(node: Arc<Node>, task: Arc<Task>, held: Option<Resources>) {
    if task.claim() {
        let Body::Async(body) = task.function.body else { return };
        let inputs = task.inputs_for_attempt();
        let started = node.timeline.as_ref().map(|timeline| timeline.now());
        let future = super::run::caught(|| Ok(in_task(&task, || body(Call::new(inputs)))));
        node.futures.state.lock().tasks.insert(task.id().sequence, Arc::clone(&task));
        let mut ending = Ending { node: &node, task: &task, ended: false };
        let result = match future {
            Ok(future) => Polled { node: &node, task: &task, future: Some(future) }.await,
            Err(error) => Err(error),
        };
        ending.ended = true;
        drop(ending);
        if let (Some(timeline), Some(started)) = (&node.timeline, started) {
            timeline.ran(&task, started, result.is_ok());
        }
        quietly(|| node.after_attempt(task, result));
    }
    node.async_ended(held);
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

/// The user's future with the task's context around each poll.
struct Polled<'a> {
    node: &'a Arc<Node>,
    task: &'a Arc<Task>,
    future: Option<Running>,
}

impl Future for Polled<'_> {
    type Output = Result<Returns>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Returns>> {
        let (node, task) = (self.node, self.task);
        // Not the mark of a cancelled task but its outcome, which stands before the mark.
        if task.is_settled() {
            let future = self.future.take();
            // The user's values are dropped with the task still in force.
            let _ = catch_unwind(AssertUnwindSafe(|| in_task(task, || drop(future))));
            return Poll::Ready(Err(task.error(ErrorKind::Cancelled, "")));
        }
        let Some(future) = self.future.as_mut() else {
            return Poll::Ready(Err(task.error(ErrorKind::Cancelled, "")));
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
}
