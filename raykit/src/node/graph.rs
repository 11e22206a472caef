//! Who waits for whom. Every untimed wait is written down while it lasts; whoever adds one follows
//! the paths from it, and if one leads back to itself, or to a request for what only waiting tasks
//! hold, the wait could never end, and says so at once. Paths that leave the node are `watch`'s.
//!
//! A wait for some of many counts only as far as it cannot do without an object. Timed waits are
//! left out: they end by themselves.

use super::task::{State, Task, producer};
use super::{Node, current};
use crate::base::TaskId;
use crate::base::clock;
use crate::base::id::next_sequence;
use crate::base::maps::{HashMap, HashSet};
use crate::base::quantity::Resources;
use crate::base::quiet::quietly;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{Holder, RawRef};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

/// How a wait needs its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    All,
    /// This many of those that are missing.
    Some(usize),
}

/// The waits of a node.
#[derive(Default)]
pub(crate) struct Graph {
    waits: Mutex<Edges>,
}

/// The waits of each task. A thread has one at a time, a future may have several.
type Edges = HashMap<TaskId, Vec<Arc<Edge>>>;

/// One thread's or future's wait. The tasks below the waiting one on its stack wait with it.
pub(super) struct Edge {
    pub(super) refs: Vec<RawRef>,
    kind: Wait,
    pub(super) tasks: Vec<Arc<Task>>,
    /// Tells it from all others of this node, those that were before included.
    pub(super) number: u64,
    /// When it began, in a cluster: nanoseconds since 1970.
    pub(super) since: u64,
    /// Why it can never end, where other nodes take part in that.
    verdict: OnceLock<String>,
    /// The wait is a future's: whoever polls it keeps the CPU meanwhile, and a thread that waits
    /// looks again by itself where this has to be called.
    future: Option<Recall>,
}

/// How a future is told to look once more whether its wait can end.
struct Recall {
    due: AtomicBool,
    waker: Mutex<Waker>,
}

impl Edge {
    /// Whether the wait cannot end without each of its objects.
    pub(super) fn needs_each(&self) -> bool {
        match self.kind {
            Wait::All => true,
            Wait::Some(want) => want >= self.refs.len(),
        }
    }

    /// The wait can never end: whoever waits hears it when it looks again.
    pub(super) fn condemn(&self, why: String) {
        let _ = self.verdict.set(why);
        if let Some(recall) = &self.future {
            recall.due.store(true, Ordering::SeqCst);
            recall.waker.lock().wake_by_ref();
        }
    }
}

impl Graph {
    /// The waits of a task.
    pub(super) fn of(&self, task: TaskId) -> Vec<Arc<Edge>> {
        self.waits.lock().get(&task).cloned().unwrap_or_default()
    }

    /// The wait of that number.
    pub(super) fn numbered(&self, number: u64) -> Option<Arc<Edge>> {
        let waits = self.waits.lock();
        waits.values().flatten().find(|edge| edge.number == number).cloned()
    }

    pub(super) fn any(&self) -> bool {
        !self.waits.lock().is_empty()
    }

    /// All waits that have begun by then and need each of their objects, so many at the most: those
    /// of the highest numbers.
    pub(super) fn older(&self, than: u64, most: usize) -> Vec<Arc<Edge>> {
        let mut all: BTreeMap<u64, Arc<Edge>> = BTreeMap::new();
        for edge in self.waits.lock().values().flatten() {
            if edge.since <= than && edge.since > 0 && edge.needs_each() {
                all.insert(edge.number, Arc::clone(edge));
            }
        }
        all.into_values().rev().take(most).collect()
    }
}

/// A wait is in the graph for as long as this lives.
pub(crate) struct Registered {
    node: Arc<Node>,
    edge: Arc<Edge>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(task) = self.edge.tasks.last() {
            self.node.async_goes_on(task);
        }
        let mut alone = Vec::new();
        let mut waits = self.node.graph.waits.lock();
        for task in &self.edge.tasks {
            let Entry::Occupied(mut of_task) = waits.entry(task.id()) else { continue };
            of_task.get_mut().retain(|edge| !Arc::ptr_eq(edge, &self.edge));
            match &of_task.get()[..] {
                [] => drop(of_task.remove()),
                // What nobody could know while there were two can be known now.
                [last] => alone.push(Arc::clone(last)),
                _ => {}
            }
        }
        drop(waits);
        for recall in alone.iter().filter_map(|edge| edge.future.as_ref()) {
            recall.due.store(true, Ordering::SeqCst);
            recall.waker.lock().wake_by_ref();
        }
    }
}

impl Registered {
    /// Looks once more if the future was called to, and from now on calls it by `waker`.
    pub(crate) fn recheck(&self, waker: &Waker) -> Result<(), Error> {
        let Some(recall) = &self.edge.future else { return Ok(()) };
        recall.waker.lock().clone_from(waker);
        if recall.due.swap(false, Ordering::SeqCst) { self.check() } else { Ok(()) }
    }

    /// Looks once more whether the wait can end.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(why) = self.edge.verdict.get() {
            return Err(Error::new(ErrorKind::Deadlock, why.as_str()));
        }
        let edges = self.node.graph.waits.lock();
        let waits = Waits { edges: &edges, kept: RefCell::default() };
        let found = never_ends(&waits, &self.edge, &self.node.pool.budget().whole());
        let kept = waits.kept.into_inner();
        drop(edges);
        quietly(|| drop(kept));
        match found {
            None => Ok(()),
            Some(path) => Err(Error::new(ErrorKind::Deadlock, path)),
        }
    }
}

impl Node {
    /// Writes down that the tasks of this thread wait for `refs`.
    ///
    /// # Errors
    ///
    /// When the wait could never end.
    pub(crate) fn register_wait(
        self: &Arc<Node>,
        refs: Vec<RawRef>,
        kind: Wait,
    ) -> Result<Option<Registered>, Error> {
        self.register(refs, kind, None)
    }

    /// The same for a future, which keeps the CPU of its task while it waits. `waker` calls it to
    /// `Registered::recheck`.
    ///
    /// # Errors
    ///
    /// When the wait could never end.
    pub(crate) fn register_future(
        self: &Arc<Node>,
        refs: Vec<RawRef>,
        kind: Wait,
        waker: &Waker,
    ) -> Result<Option<Registered>, Error> {
        let waker = Mutex::new(waker.clone());
        self.register(refs, kind, Some(Recall { due: AtomicBool::new(false), waker }))
    }

    fn register(
        self: &Arc<Node>,
        refs: Vec<RawRef>,
        kind: Wait,
        future: Option<Recall>,
    ) -> Result<Option<Registered>, Error> {
        // A future that is polled inside another one's poll waits for itself alone.
        let tasks = current::with_tasks(|tasks| {
            let from = tasks.iter().rposition(|task| task.is_async()).unwrap_or(0);
            tasks[from..].to_vec()
        });
        if tasks.is_empty() {
            return Ok(None);
        }
        let clustered = self.cluster.get().is_some();
        let since = if clustered { since_epoch() } else { 0 };
        let number = if clustered { next_sequence() } else { 0 };
        let verdict = OnceLock::new();
        let edge = Arc::new(Edge { refs, kind, tasks, number, since, verdict, future });
        let mut waits = self.graph.waits.lock();
        for task in &edge.tasks {
            waits.entry(task.id()).or_default().push(Arc::clone(&edge));
        }
        drop(waits);
        if let Some(task) = edge.tasks.last() {
            self.async_waits(task);
        }
        if clustered {
            self.notice_wait();
        }
        let registered = Registered { node: Arc::clone(self), edge };
        // Two waits that close a circle between them: the one that looks second sees both.
        registered.check()?;
        Ok(Some(registered))
    }
}

/// The waits while one looks at them.
struct Waits<'a> {
    edges: &'a Edges,
    /// The references that were followed. One of them may be the last to its object by the time it
    /// is dropped, and a user's `Drop` must not run under the lock of the waits.
    kept: RefCell<Vec<RawRef>>,
}

impl Waits<'_> {
    fn keep(&self, reference: &RawRef) {
        self.kept.borrow_mut().push(reference.clone());
    }

    /// What `task` cannot go on without. A future that waits for several things may need one of
    /// them or all: nothing is known until one is left.
    fn needs(&self, task: &Task) -> &[RawRef] {
        match self.edges.get(&task.id()).map(|edges| &edges[..]) {
            Some([only]) if only.needs_each() => &only.refs,
            _ => &[],
        }
    }
}

/// Why the wait can never end, if it cannot.
fn never_ends(waits: &Waits<'_>, edge: &Arc<Edge>, total: &Resources) -> Option<String> {
    let dead: Vec<String> =
        edge.refs.iter().filter_map(|reference| dead_end(waits, edge, reference, total)).collect();
    let can_do_without = match edge.kind {
        Wait::All => 0,
        Wait::Some(want) => edge.refs.len().saturating_sub(want),
    };
    if dead.len() <= can_do_without { None } else { dead.into_iter().next() }
}

/// The path from `edge` through `reference` back to a task of `edge`, or to a request that only
/// waiting tasks could make room for.
fn dead_end(
    waits: &Waits<'_>,
    edge: &Arc<Edge>,
    reference: &RawRef,
    total: &Resources,
) -> Option<String> {
    let mut seen = HashSet::default();
    let start = edge.tasks.last()?;
    let mut open = vec![(reference.clone(), vec![Arc::clone(start)])];
    while let Some((reference, path)) = open.pop() {
        waits.keep(&reference);
        let Some(task) = producer(&reference).filter(|_| !reference.is_ready()) else {
            continue;
        };
        if edge.tasks.iter().any(|own| Arc::ptr_eq(own, &task)) {
            waits.kept.borrow_mut().extend(open.into_iter().map(|(reference, _)| reference));
            return Some(format!("a wait that can never end: {}", told(&path, &task)));
        }
        if !seen.insert(task.id()) {
            continue;
        }
        let mut longer = path.clone();
        longer.push(Arc::clone(&task));
        let state = task.state();
        // One whose arguments are not there yet will ask for the same.
        if state <= State::Queued
            && let Some(text) = starved(waits, &task, total)
        {
            waits.kept.borrow_mut().extend(open.into_iter().map(|(reference, _)| reference));
            return Some(format!("{}, {text}", told(&path, &task)));
        }
        match state {
            State::Waiting => {
                let inputs = task.inputs();
                open.extend(inputs.references().map(|next| (next.clone(), longer.clone())));
            }
            State::Queued => open.extend(before(&task).map(|next| (next, longer.clone()))),
            State::Running => {
                let needed = waits.needs(&task).iter();
                open.extend(needed.map(|next| (next.clone(), longer.clone())));
            }
            State::Done => {}
        }
    }
    None
}

/// `a` waits for `b` waits for `c`.
fn told(path: &[Arc<Task>], last: &Arc<Task>) -> String {
    let mut text = String::new();
    for task in path {
        let _ = write!(text, "task {} waits for ", task.label());
    }
    let _ = write!(text, "task {}", last.label());
    text
}

/// Why a queued task can never be granted what it asks for: too much of it is held by tasks that
/// wait, directly or not, for this very task. A thread that waits gives its task's CPU back and
/// keeps the rest; a future keeps all.
fn starved(waits: &Waits<'_>, queued: &Arc<Task>, total: &Resources) -> Option<String> {
    let want = queued.options().request().ok()?;
    let no_cpu = |held: Resources| Resources { cpu: Default::default(), ..held };
    let mut left = total.clone();
    let mut holders = Vec::new();
    let mut counted = HashSet::default();
    let keeps_some = |edge: &&Arc<Edge>| edge.future.is_some() || !want.is_cpu_only();
    for edge in waits.edges.values().flatten().filter(keeps_some) {
        let running = edge.tasks.iter().filter(|task| task.state() == State::Running);
        let held = running.filter_map(|task| {
            let held = task.options().request().ok()?;
            let held = if edge.future.is_some() { held } else { no_cpu(held) };
            (held != Resources::default()).then_some((task, held))
        });
        let held: Vec<_> = held.collect();
        if held.is_empty() || !leads_to(waits, edge, queued) {
            continue;
        }
        for (task, held) in held {
            if counted.insert(task.id()) {
                left.keep_from(&held);
                holders.push(task.label());
            }
        }
    }
    let (name, wanted, had) = want.lacking(&left).filter(|_| !holders.is_empty())?;
    let verb = if holders.len() == 1 { "waits" } else { "wait" };
    Some(format!(
        "which asks for {name} = {wanted} and can get {had} at the most while {} {verb} for it",
        holders.join(" and ")
    ))
}

fn leads_to(waits: &Waits<'_>, edge: &Arc<Edge>, goal: &Arc<Task>) -> bool {
    let mut seen = HashSet::default();
    let mut open: Vec<RawRef> = if edge.needs_each() { edge.refs.clone() } else { Vec::new() };
    while let Some(reference) = open.pop() {
        waits.keep(&reference);
        let Some(task) = producer(&reference).filter(|_| !reference.is_ready()) else {
            continue;
        };
        if Arc::ptr_eq(&task, goal) {
            waits.kept.borrow_mut().extend(open);
            return true;
        }
        if !seen.insert(task.id()) {
            continue;
        }
        match task.state() {
            State::Waiting => open.extend(task.inputs().references().cloned()),
            State::Queued => open.extend(before(&task)),
            State::Running => open.extend(waits.needs(&task).iter().cloned()),
            State::Done => {}
        }
    }
    false
}

/// Nanoseconds since 1970.
pub(super) fn since_epoch() -> u64 {
    u64::try_from(clock::since_epoch().as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// For a call of an actor that has not begun: the calls that have to end first.
pub(super) fn before(task: &Arc<Task>) -> impl Iterator<Item = RawRef> {
    let calls = task.mailbox.as_ref().map_or_else(Vec::new, |mailbox| mailbox.before(task));
    calls.into_iter().map(|call| RawRef(call as Arc<dyn Holder>))
}
