//! Which node, and which task, is this? The thread's own node (a worker's, or one that was entered)
//! comes first, else the process's.

use super::Node;
use super::task::Task;
use crate::base::NodeId;
use crate::base::thread;
use crate::object::{Error, ErrorKind, Result};
use crate::sched::Lane;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The process's node and a count of its changes, so that threads can keep a copy.
static PROCESS: Mutex<Option<Arc<Node>>> = Mutex::new(None);
static CHANGES: AtomicU64 = AtomicU64::new(1);

std::thread_local! {
    /// The nodes entered on this thread, innermost last.
    static ENTERED: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
    /// The process's node as this thread saw it last.
    static SEEN: RefCell<(u64, Option<Held>)> = const { RefCell::new((0, None)) };
    /// The tasks on this thread's stack, innermost last.
    static TASKS: RefCell<Vec<Arc<Task>>> = const { RefCell::new(Vec::new()) };
    /// The lane of this thread's calls from outside, and the node that it belongs to.
    static LANE: RefCell<Option<OwnLane>> = const { RefCell::new(None) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// A node as a thread holds it: handing it out within the thread raises a count that no other
/// thread touches.
type Held = Rc<Arc<Node>>;
/// The same for a lane.
type HeldLane = Rc<Arc<Lane>>;

struct OwnLane {
    node: crate::NodeId,
    lane: HeldLane,
}

impl Drop for OwnLane {
    fn drop(&mut self) {
        self.lane.close();
    }
}

/// Calls `f` with the node in force.
pub(crate) fn with_node<R>(f: impl FnOnce(&Arc<Node>) -> R) -> Result<R> {
    let mut f = Some(f);
    let mut call = |node: &Arc<Node>| f.take().map(|f| f(node));
    let entered = ENTERED.try_with(|entered| {
        // `f` may enter or leave nodes, so the list is not borrowed while it runs.
        let node = entered.try_borrow().ok().and_then(|entered| entered.last().cloned());
        node.and_then(|node| call(&node))
    });
    if let Ok(Some(result)) = entered {
        return Ok(result);
    }
    process_node().and_then(|node| call(&node)).ok_or_else(not_running)
}

/// The node in force.
pub(crate) fn node() -> Result<Arc<Node>> {
    with_node(Arc::clone)
}

pub(crate) fn not_running() -> Error {
    Error::new(
        ErrorKind::NotRunning,
        "no node is running here: call `raykit::init()` and keep what it returns",
    )
}

fn process_node() -> Option<Held> {
    let now = CHANGES.load(Ordering::Acquire);
    let seen = SEEN.try_with(|seen| {
        let mut seen = seen.borrow_mut();
        if seen.0 != now {
            *seen = (now, PROCESS.lock().clone().map(Rc::new));
        }
        seen.1.clone()
    });
    seen.unwrap_or_else(|_| PROCESS.lock().clone().map(Rc::new))
}

/// Changes the process's node by `change`, which sees the present one.
pub(crate) fn change_process<R>(change: impl FnOnce(&mut Option<Arc<Node>>) -> R) -> R {
    let mut process = PROCESS.lock();
    let result = change(&mut process);
    CHANGES.fetch_add(1, Ordering::Release);
    result
}

/// All nodes of this process, the closed ones until another one begins.
static NODES: Mutex<Vec<(bool, Weak<Node>)>> = Mutex::new(Vec::new());

/// A node begins.
pub(crate) fn announce(node: &Arc<Node>) {
    let mut nodes = NODES.lock();
    nodes.retain(|(_, other)| other.strong_count() > 0);
    nodes.push((thread::is_simulated(), Arc::downgrade(node)));
}

/// The node with this id, in force here or not.
pub(crate) fn node_with(id: NodeId) -> Option<Arc<Node>> {
    if let Some(node) = node().ok().filter(|node| node.id == id) {
        return Some(node);
    }
    // Upgraded one at a time and dropped outside the lock: it may be the last claim to a node.
    let nodes = NODES.lock().clone();
    let alike = nodes.iter().filter(|(simulated, _)| *simulated == thread::is_simulated());
    alike.filter_map(|(_, node)| node.upgrade()).find(|node| node.id == id)
}

/// From now until `leave`, `node` is in force on this thread.
pub(crate) fn enter(node: Arc<Node>) {
    ENTERED.with(|entered| entered.borrow_mut().push(Rc::new(node)));
}

pub(crate) fn leave() {
    // The node may be dropped here; the list is not borrowed any more when it is.
    let node = ENTERED.try_with(|entered| entered.borrow_mut().pop());
    drop(node);
}

/// Ends with the task it was made for.
pub(crate) struct InTask;

/// `task` runs on this thread until the guard is dropped.
pub(crate) fn begin(task: Arc<Task>) -> InTask {
    TASKS.with(|tasks| tasks.borrow_mut().push(task));
    InTask
}

impl Drop for InTask {
    fn drop(&mut self) {
        let task = TASKS.try_with(|tasks| tasks.borrow_mut().pop());
        drop(task);
    }
}

/// Calls `f` with the tasks on this thread's stack, innermost last. `f` runs no user code.
pub(crate) fn with_tasks<R>(f: impl FnOnce(&[Arc<Task>]) -> R) -> R {
    let mut f = Some(f);
    let mut call = |tasks: &[Arc<Task>]| f.take().map(|f| f(tasks));
    let result = TASKS.try_with(|tasks| call(&tasks.borrow())).ok().flatten();
    result.or_else(|| call(&[])).expect("called on one of the two ways")
}

/// The task that runs on this thread.
pub(crate) fn task() -> Option<Arc<Task>> {
    with_tasks(|tasks| tasks.last().cloned())
}

/// The lane of this outside thread.
pub(crate) fn lane(node: &Node) -> HeldLane {
    let lane = LANE.try_with(|own| {
        let mut own = own.borrow_mut();
        match &*own {
            Some(own) if own.node == node.id => Rc::clone(&own.lane),
            _ => {
                let lane = Rc::new(node.pool.open_lane());
                *own = Some(OwnLane { node: node.id, lane: Rc::clone(&lane) });
                lane
            }
        }
    });
    lane.unwrap_or_else(|_| Rc::new(node.pool.open_lane()))
}

/// A number that no other living thread has.
pub(crate) fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    std::thread_local! {
        static MINE: u64 = thread::number().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
    }
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

/// Counts this thread's calls from outside; `true` once in a while.
pub(crate) fn should_look_at_backlog() -> bool {
    let calls = CALLS.try_with(|calls| calls.replace(calls.get().wrapping_add(1))).unwrap_or(0);
    calls % 256 == 255
}
