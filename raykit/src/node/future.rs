//! `async` tasks: they run on the node's own tokio runtime, started at first use, so that the
//! libraries they call find their reactor. At most so many run at once; the rest wait in the order
//! they came.

use super::flight::{Flight, Lent, Start, drive, fly};
use super::task::{State as TaskState, Task};
use super::{Node, current};
use crate::base::maps::HashMap;
use crate::base::quantity::Resources;
#[cfg(feature = "sim")]
use crate::base::thread;
use crate::object::Result;
use crate::object::raw::RawRef;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The asynchronous half of a node.
#[derive(Default)]
pub(crate) struct Futures {
    state: Mutex<State>,
    /// Of the runtime, once there is one.
    handle: OnceLock<tokio::runtime::Handle>,
    #[cfg(feature = "sim")]
    pub(super) polls: super::polls::Polls,
}

#[derive(Default)]
struct State {
    runtime: Option<tokio::runtime::Runtime>,
    /// Those that run and do not wait. Below zero for a moment where one that waits is counted
    /// only after the poll in which it began to.
    running: isize,
    waiting: VecDeque<Start>,
    /// Tasks that run.
    tasks: HashMap<Attempt, Arc<Task>>,
    /// Of these, the ones that wait for objects, and for how many waits each. They do not count as
    /// running: what they wait for may be in line behind them.
    resting: HashMap<u64, usize>,
    /// How to reach a running future whose task was cancelled. Of a call that its actor's crash
    /// broke off, two attempts may be here for a moment.
    wakers: HashMap<Attempt, Waker>,
    closed: bool,
}

/// A task's number, and which of its attempts.
type Attempt = (u64, u32);

impl Futures {
    /// A future has begun that may have to be named or woken.
    pub(super) fn enter(&self, task: &Arc<Task>, attempt: u32) {
        self.state.lock().tasks.insert((task.id().sequence, attempt), Arc::clone(task));
    }

    /// How to reach it until the next time.
    pub(super) fn reach(&self, task: &Task, attempt: u32, waker: &Waker) {
        let before = self.state.lock().wakers.insert((task.id().sequence, attempt), waker.clone());
        drop(before);
    }

    /// Those that run.
    pub(super) fn tasks(&self) -> Vec<Arc<Task>> {
        self.state.lock().tasks.values().cloned().collect()
    }

    /// Shows the tasks that have begun, and those that wait for their turn, as long as `see` says
    /// so.
    pub(super) fn visit(&self, see: &mut dyn FnMut(&Task, bool) -> bool) {
        let state = self.state.lock();
        let _ = state.tasks.values().all(|task| see(task, true))
            && state.waiting.iter().all(|start| see(&start.task, false));
    }

    /// It has ended.
    pub(super) fn leave(&self, task: &Task, attempt: u32) {
        let key = (task.id().sequence, attempt);
        let mut state = self.state.lock();
        let gone = (state.wakers.remove(&key), state.tasks.remove(&key));
        drop(state);
        drop(gone);
    }
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
        if state.running >= isize::try_from(self.config.async_tasks_max).unwrap_or(isize::MAX) {
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
        #[cfg(feature = "sim")]
        if thread::is_simulated() {
            return Ok(self.futures.polls.spawn(self, drive(Arc::clone(self), start))?);
        }
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
    pub(super) fn async_ended(self: &Arc<Node>) {
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
        self.stop_attempt(task, task.attempt.load(Ordering::Acquire));
    }

    /// The same for one of its attempts.
    pub(crate) fn stop_attempt(&self, task: &Task, attempt: u32) {
        if task.is_async() {
            let waker = self.futures.state.lock().wakers.remove(&(task.id().sequence, attempt));
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// No future begins from now on; those that wait their turn are abandoned. Returns the names of
    /// those that never came to an await within the grace.
    pub(crate) fn close_futures(&self, grace: Duration) -> Vec<String> {
        let (runtime, waiting) = {
            let mut state = self.futures.state.lock();
            state.closed = true;
            (state.runtime.take(), std::mem::take(&mut state.waiting))
        };
        for start in waiting {
            crate::sched::Job::abandon(&*start.task);
            if let Some(held) = start.held {
                self.give_back(&start.task, held);
            }
        }
        #[cfg(feature = "sim")]
        self.close_polls(grace);
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

#[cfg(feature = "sim")]
impl Node {
    fn close_polls(&self, grace: Duration) {
        self.futures.polls.close();
        let wakers: Vec<Waker> = self.futures.state.lock().wakers.values().cloned().collect();
        wakers.iter().for_each(Waker::wake_by_ref);
        self.futures.polls.join(grace);
    }
}

/// Awaits `future`, on the node's runtime, for so long at the most.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    #[cfg(feature = "sim")]
    if thread::is_simulated() {
        return super::polls::within(limit, future).await;
    }
    tokio::time::timeout(limit, future).await.ok()
}

/// An async task waits for something other than a result; until this is dropped another one of the
/// node may run in its place.
pub(crate) struct Resting {
    node: Arc<Node>,
    task: Arc<Task>,
}

impl Resting {
    /// For the task that is being polled here, if there is one.
    pub(crate) fn begin() -> Option<Resting> {
        let task = current::task().filter(|task| task.is_async())?;
        let node = match task.has_arrived() {
            true => current::node().ok()?,
            false => current::node_with(task.id().node)?,
        };
        node.async_waits(&task);
        Some(Resting { node, task })
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.node.async_goes_on(&self.task);
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
