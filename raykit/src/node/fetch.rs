//! Waiting: for one object, for all of many, for some of many. Every wait ends in the objects, in a
//! timeout, or in an error that says why it could never have ended.
//!
//! A worker that waits, first runs what it waits for, as far as that has not begun; it never takes
//! up anything else, so that it cannot become stuck behind work of others, and never in a timed
//! wait, whose time could pass meanwhile. Then it looks for a short while, and then it gives its
//! CPU to a spare thread and sleeps.

use super::graph::Wait;
use super::task::{State, producer};
use super::{Node, current, flight};
use crate::base::NodeId;
use crate::base::clock;
use crate::base::limits::{INLINE_DEPTH_MAX, LOOK_AGAIN_MS, SPIN_US, STACK_FREE_BYTES_MIN};
use crate::base::quantity::Amount;
use crate::base::spin::spin;
use crate::object::error::{Error, ErrorKind};
use crate::object::raw::{RawRef, Stage};
use crate::object::slot::{Failures, Watched};
use crate::sched::parker::{self, Parker};
use crate::sched::{Exhausted, Job, Worker};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// A thread outside the pool looks for longer than a worker: waking it costs as much, and it has
/// nothing else to do.
const OUTSIDE_SPIN_US: u64 = 2 * SPIN_US;
/// How far ahead of the first missing object a wait for many may sleep at the most.
const STRIDE_MAX: usize = 4096;

/// What a wait is for.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// All of the objects, or the first error in their order.
    All,
    /// This many of them, errors included.
    Some(usize),
}

/// Waits until the goal is reached. `Ok` says that it is, or (for `All`) that an error stands
/// before the first object that is missing.
pub(crate) fn wait(refs: &[&RawRef], goal: Goal, deadline: Option<Instant>) -> Result<(), Error> {
    let mut progress = Progress { refs, goal, first_open: 0, ready: 0 };
    if progress.reached() {
        return Ok(());
    }
    let worker = crate::sched::worker::current();
    if current::with_node(|node| node.is_in_cluster()).unwrap_or(true) {
        refs[progress.first_open..].iter().for_each(|reference| reference.want());
    }
    // What is waited for may be a call that its actor sees after this poll.
    let _ = current::with_node(flight::see_to_calls);
    if let (Some(worker), None) = (&worker, deadline)
        && progress.needs_all()
    {
        run_inline(worker, refs);
        if progress.reached() {
            return Ok(());
        }
    }
    let limit = patience(worker.as_deref(), deadline);
    if limit > Duration::ZERO && spin(limit, || progress.reached()) {
        return Ok(());
    }
    sleep(&mut progress, worker.as_deref(), deadline)
}

/// For how long one looks before one sleeps.
pub(crate) fn patience(worker: Option<&Worker>, deadline: Option<Instant>) -> Duration {
    let limit = match worker {
        Some(_) => SPIN_US,
        None if current::with_node(|node| node.pool.is_awake()).unwrap_or(true) => OUTSIDE_SPIN_US,
        // Whoever was called sleeps still. It wakes sooner on the core that this thread leaves than
        // on another one that has halted.
        None => 0,
    };
    let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(clock::now()));
    Duration::from_micros(limit).min(left)
}

struct Progress<'a> {
    refs: &'a [&'a RawRef],
    goal: Goal,
    /// All objects before this one are there.
    first_open: usize,
    ready: usize,
}

impl Progress<'_> {
    fn needs_all(&self) -> bool {
        matches!(self.goal, Goal::All) || matches!(self.goal, Goal::Some(n) if n >= self.refs.len())
    }

    fn reached(&mut self) -> bool {
        match self.goal {
            Goal::All => loop {
                let Some(reference) = self.refs.get(self.first_open) else { return true };
                match reference.stage() {
                    Stage::Value => self.first_open += 1,
                    Stage::Failed => return true,
                    Stage::Open => return false,
                }
            },
            Goal::Some(want) => {
                let there = |reference: &&&RawRef| reference.is_ready();
                self.ready = self.refs.iter().filter(there).take(want).count();
                self.ready >= want
            }
        }
    }

    fn missing(&self) -> Vec<RawRef> {
        let open = |reference: &&&RawRef| !reference.is_ready();
        self.refs[self.first_open..].iter().filter(open).map(|r| (*r).clone()).collect()
    }
}

/// Sleeps until the goal is reached.
fn sleep(
    progress: &mut Progress<'_>,
    worker: Option<&Worker>,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let (missing, kind) = (progress.missing(), progress.wait_kind());
    match sleep_until(missing, kind, worker, deadline, |until| park(progress, until))? {
        true => Ok(()),
        false => Err(timed_out(progress)),
    }
}

/// Calls `parked`, which sleeps until what it waits for is there (`true`) or the given time has
/// come, on a thread that has given its CPU back and told the graph of waits what it waits for.
pub(crate) fn sleep_until(
    missing: Vec<RawRef>,
    kind: Wait,
    worker: Option<&Worker>,
    deadline: Option<Instant>,
    mut parked: impl FnMut(Option<Instant>) -> bool,
) -> Result<bool, Error> {
    let node = current::node().ok();
    if let Some(node) = &node {
        flight::see_to_calls(node);
    }
    let registered = match (&node, deadline) {
        (Some(node), None) => node.register_wait(missing, kind)?,
        _ => None,
    };
    let mut whole = || match &registered {
        None => Ok(parked(deadline)),
        Some(registered) => loop {
            let next = clock::now() + Duration::from_millis(LOOK_AGAIN_MS);
            if parked(Some(next)) {
                break Ok(true);
            }
            registered.check()?;
        },
    };
    match (worker, &node) {
        (Some(worker), _) => worker.block(whole).unwrap_or_else(|exhausted| Err(spent(&exhausted))),
        (None, Some(node)) if node.is_own_runtime_thread() => tokio::task::block_in_place(whole),
        _ => whole(),
    }
}

fn spent(exhausted: &Exhausted) -> Error {
    let text = format!(
        "all {} threads of the node are waiting, and one more would leave nobody to work; wait for \
         fewer things at once, or raise `Config::threads_max`",
        exhausted.threads
    );
    Error::new(ErrorKind::ThreadsExhausted, text)
}

fn timed_out(progress: &Progress<'_>) -> Error {
    let missing = progress.missing();
    let text = match missing.first() {
        Some(first) => format!(
            "the time limit passed: {} of {} objects missing, the first of them {}",
            missing.len(),
            progress.refs.len(),
            super::explain::describe(first)
        ),
        None => "the time limit passed".to_owned(),
    };
    Error::new(ErrorKind::TimedOut, text)
}

impl Progress<'_> {
    fn wait_kind(&self) -> Wait {
        match self.goal {
            Goal::All => Wait::All,
            Goal::Some(want) => Wait::Some(want.saturating_sub(self.ready)),
        }
    }
}

/// Sleeps until the goal is reached (`true`) or the deadline has passed.
fn park(progress: &mut Progress<'_>, deadline: Option<Instant>) -> bool {
    let (parker, waker) = parker::of_this_thread();
    match progress.goal {
        Goal::All => park_for_all(progress, &parker, &waker, deadline),
        Goal::Some(_) => park_for_some(progress, &parker, &waker, deadline),
    }
}

pub(crate) fn park_once(parker: &Parker, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(deadline) => parker.park_until(deadline),
        None => {
            parker.park();
            true
        }
    }
}

/// Sleeps on an object some way ahead of the first missing one, further each time, so that a wait
/// for a million objects wakes a few hundred times and not a million; a failure anywhere wakes it
/// too.
fn park_for_all(
    progress: &mut Progress<'_>,
    parker: &Arc<Parker>,
    waker: &Waker,
    deadline: Option<Instant>,
) -> bool {
    let mut stride = 1;
    let listens = progress.refs.len() > 1;
    if listens {
        Failures::listen(waker);
    }
    let reached = loop {
        if progress.reached() {
            break true;
        }
        let last = progress.refs.len() - 1;
        let target = progress.refs[(progress.first_open + stride - 1).min(last)];
        stride = (stride * 2).min(STRIDE_MAX);
        let target = match target.stage() {
            Stage::Open => target,
            _ => progress.refs[progress.first_open],
        };
        if target.watch(waker) == Watched::Kept {
            let woken = park_once(parker, deadline);
            target.unwatch(waker);
            if !woken {
                break progress.reached();
            }
        }
    };
    if listens {
        Failures::mute(waker);
    }
    reached
}

fn park_for_some(
    progress: &mut Progress<'_>,
    parker: &Arc<Parker>,
    waker: &Waker,
    deadline: Option<Instant>,
) -> bool {
    for reference in progress.refs {
        // What is ready already is counted below.
        let _ = reference.watch(waker);
    }
    let reached = loop {
        if progress.reached() {
            break true;
        }
        if !park_once(parker, deadline) {
            break progress.reached();
        }
    };
    progress.refs.iter().for_each(|reference| reference.unwatch(waker));
    reached
}

/// Whether this thread may take another task on top of the one that waits.
fn has_room(worker: &Worker) -> bool {
    worker.charge() >= Amount::ONE
        && worker.depth() < INLINE_DEPTH_MAX
        && worker.stack_left() >= STACK_FREE_BYTES_MIN
}

/// Runs on this thread what the wait depends on and nobody has begun: the objects' own tasks and
/// those that make their arguments. The newest first, since that is the order in which they lie at
/// the end of this worker's queue.
fn run_inline(worker: &Worker, refs: &[&RawRef]) {
    let Ok(own) = current::with_node(|node| node.id) else { return };
    for reference in refs.iter().rev() {
        if !reference.is_ready() && !run_inline_one(worker, own, reference) {
            return;
        }
    }
}

/// `false` when there is no room for more.
fn run_inline_one(worker: &Worker, own: NodeId, reference: &RawRef) -> bool {
    let mut open = vec![reference.clone()];
    let mut seen = 0_usize;
    while let Some(next) = open.last() {
        if !has_room(worker) {
            return false;
        }
        // A task of another node in this process has its own threads, and its own account.
        // Nor is one taken that has a limit: it may pass while it runs, and the wait ends then.
        let here =
            |task: &Arc<super::task::Task>| task.id().node == own && task.deadline().is_none();
        let open_here = producer(next).filter(here).filter(|_| !next.is_ready());
        let Some(task) = open_here else {
            open.pop();
            continue;
        };
        match task.state() {
            State::Queued if task.plain => {
                let same =
                    |job: &Arc<dyn Job>| std::ptr::addr_eq(Arc::as_ptr(job), Arc::as_ptr(&task));
                let job = worker.pop_if(same).unwrap_or_else(|| Arc::clone(&task) as Arc<dyn Job>);
                worker.run_job(job);
                open.pop();
            }
            State::Queued => {
                // Where it is the next call of an actor that does nothing else.
                if let (Some(mailbox), Ok(node)) = (task.mailbox.clone(), current::node()) {
                    mailbox.run_here(&node, worker, &task);
                }
                open.pop();
            }
            State::Waiting if seen < 1 << 16 => {
                seen += 1;
                let missing = missing_arguments(&task, &open);
                match missing.is_empty() {
                    true => drop(open.pop()),
                    false => open.extend(missing),
                }
            }
            _ => drop(open.pop()),
        }
    }
    true
}

/// The arguments that are not there and are not being looked at already.
fn missing_arguments(task: &super::task::Task, open: &[RawRef]) -> Vec<RawRef> {
    let inputs = task.inputs();
    let missing = |reference: &&RawRef| {
        !reference.is_ready()
            && producer(reference).is_some_and(|task| task.state() <= State::Queued)
            && !open.iter().any(|other| other.is(reference))
    };
    inputs.references().filter(missing).cloned().collect()
}

impl Node {
    /// An outside thread that has submitted more than the node should keep waits here until there
    /// is room. Tasks never do: what they submit may be what makes room.
    pub(crate) fn wait_for_room(&self) {
        let max = self.config.max_pending as i64;
        if self.pending() < max || crate::sched::worker::current().is_some() {
            return;
        }
        let mut lock = self.room.lock();
        self.throttled.store(true, std::sync::atomic::Ordering::SeqCst);
        let mut warned = clock::now();
        while self.pending() > max - max / 4 && !self.is_closed() {
            self.room_made.wait_for(&mut lock, Duration::from_millis(10));
            if clock::since(warned) > Duration::from_secs(10) {
                tracing::warn!(
                    pending = self.pending(),
                    max,
                    "a thread waits to submit more tasks"
                );
                warned = clock::now();
            }
        }
        self.throttled.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}
