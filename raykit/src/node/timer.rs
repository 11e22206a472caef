//! What happens later: a task's time is up, or its next attempt begins. One thread, started when
//! first needed, that sleeps until the next of these and not a moment less.

use super::Node;
use super::task::Task;
use crate::base::clock;
use crate::base::quiet::quietly;
use crate::base::thread::{self, Condvar, JoinHandle};
use crate::object::error::ErrorKind;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

const PURGE_LEN_MIN: usize = 1024;

/// The things to come, by time.
#[derive(Default)]
pub(crate) struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<Reverse<Entry>>,
    count: u64,
    /// At this length what is due for tasks that are gone is thrown out.
    purge_at: usize,
    thread: Option<JoinHandle>,
    closed: bool,
}

struct Entry {
    at: Instant,
    /// Tells entries of one instant apart.
    number: u64,
    due: Due,
}

enum Due {
    /// Weak: a task that is done and forgotten need not be kept until its time.
    Expire(Weak<Task>, Option<Duration>),
    Retry(Arc<Task>),
    Wake(Waker),
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Timer {
    /// The reference of `task` resolves to a timeout error at `deadline`, which is its own `limit`
    /// or comes from its caller.
    pub(crate) fn expire(
        &self,
        node: &Arc<Node>,
        task: &Arc<Task>,
        deadline: Instant,
        limit: Option<Duration>,
    ) {
        let after = deadline.saturating_duration_since(clock::now());
        self.add(node, after, Due::Expire(Arc::downgrade(task), limit));
    }

    /// The next attempt of `task` begins after `pause`.
    pub(crate) fn retry(&self, node: &Arc<Node>, task: Arc<Task>, pause: Duration) {
        self.add(node, pause, Due::Retry(task));
    }

    /// Calls `waker` after `pause`.
    pub(crate) fn wake(&self, node: &Arc<Node>, pause: Duration, waker: Waker) {
        self.add(node, pause, Due::Wake(waker));
    }

    /// Shows the tasks whose next attempt follows, as long as `see` says so.
    pub(crate) fn visit_retries(&self, see: &mut dyn FnMut(&Task) -> bool) {
        let _ = self.state.lock().heap.iter().all(|Reverse(entry)| match &entry.due {
            Due::Retry(task) => see(task),
            Due::Expire(..) | Due::Wake(_) => true,
        });
    }

    fn add(&self, node: &Arc<Node>, after: Duration, due: Due) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            if let Due::Retry(task) = due {
                crate::sched::Job::abandon(&*task);
            }
            return;
        }
        // A limit beyond what the clock can tell is no limit.
        let Some(at) = clock::now().checked_add(after) else { return };
        if state.heap.len() >= state.purge_at {
            state.heap.retain(|Reverse(entry)| match &entry.due {
                Due::Expire(task, _) => task.upgrade().is_some_and(|task| !task.is_settled()),
                Due::Retry(_) | Due::Wake(_) => true,
            });
            state.purge_at = (2 * state.heap.len()).max(PURGE_LEN_MIN);
        }
        state.count += 1;
        let number = state.count;
        state.heap.push(Reverse(Entry { at, number, due }));
        if state.thread.is_none() {
            let node = Arc::clone(node);
            let name = format!("raykit-{}-timer", node.id);
            match thread::spawn(name, None, move || node.timer.run(&node)) {
                Ok(thread) => state.thread = Some(thread),
                Err(error) => tracing::error!(%error, "no thread for timeouts and retries"),
            }
        }
        self.changed.notify_one();
    }

    fn run(&self, node: &Arc<Node>) {
        let mut state = self.state.lock();
        while !state.closed {
            let Some(Reverse(first)) = state.heap.peek() else {
                self.changed.wait(&mut state);
                continue;
            };
            let at = first.at;
            if clock::now() < at {
                self.changed.wait_until(&mut state, at);
                continue;
            }
            let Some(Reverse(entry)) = state.heap.pop() else { continue };
            drop(state);
            quietly(|| entry.due.happen(node));
            state = self.state.lock();
        }
    }

    /// Nothing is due any more; what was to be tried again is abandoned.
    pub(crate) fn close(&self) {
        let (heap, thread) = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.heap), state.thread.take())
        };
        self.changed.notify_all();
        for Reverse(entry) in heap {
            if let Due::Retry(task) = entry.due {
                crate::sched::Job::abandon(&*task);
            }
        }
        if let Some(thread) = thread.filter(|thread| !thread.is_this()) {
            thread.join();
        }
    }
}

impl Due {
    fn happen(self, node: &Arc<Node>) {
        match self {
            Due::Expire(task, limit) => {
                if let Some(task) = task.upgrade() {
                    let text = match limit {
                        Some(limit) => format!("its limit is {limit:?}"),
                        None => "the time of the call that made it is over".to_owned(),
                    };
                    let error = task.error(ErrorKind::TimedOut, text);
                    node.abort(&task, error);
                }
            }
            Due::Retry(task) => {
                if node.may_follow(&task) && task.lacks_arguments() {
                    node.await_again(&task, true);
                } else if task.make_ready() {
                    node.enqueue(task, None);
                }
            }
            Due::Wake(waker) => waker.wake(),
        }
    }
}
