//! A node looks at what is on it: its tasks, actors, objects and functions, as rows. Nothing is
//! stopped for that: what one sees was so at some moment of the look, and not all of it at once.
//!
//! No list of all tasks is kept. Those that run, wait or stand in line are found where they are.

use super::Node;
use super::berth::At;
use super::cell::Cell;
use super::core::{Core, Stage};
use super::order::is_word;
use super::placed::Placed;
use super::report::{
    ActorState, ActorStatus, FunctionState, NodeState, TaskState, TaskStatus, TaskType,
};
use super::tally::{Failed, now_ms};
use super::task::{State, Task};
use crate::base::limits::{LOOKED_AT_MAX, REPORT_TEXT_BYTES_MAX};
use crate::base::maps::HashSet;
use crate::base::quantity::Resources;
use crate::base::{ActorId, NodeId, TaskId};
use crate::object::error::Error;
use crate::sched::Job;
use crate::task::function::Function;
use crate::task::registry;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// Which rows are wanted, and how many.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) state: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) limit: u32,
}

impl Filter {
    pub(super) fn takes(&self, state: &str, name: &str) -> bool {
        self.state.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(state))
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }
}

/// Rows, and whether there were more than one wanted to have.
#[derive(Debug, PartialEq)]
pub(crate) struct Found<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) truncated: bool,
}

/// The tasks of a node that wait for arguments. They stand in no queue, so that they are entered
/// here when they begin to wait.
#[derive(Default)]
pub(crate) struct Waits([Mutex<Shard>; 16]);

#[derive(Default)]
struct Shard {
    tasks: Vec<(Weak<Task>, u64)>,
    /// At this length those are thrown out that wait no more.
    purge_at: usize,
}

const PURGE_LEN_MIN: usize = 64;

impl Waits {
    pub(super) fn enter(&self, task: &Arc<Task>) {
        let at = super::current::thread_number() as usize % self.0.len();
        let now = now_ms();
        let mut shard = self.0[at].lock();
        let mut gone = Vec::new();
        if shard.tasks.len() >= shard.purge_at {
            shard.tasks.retain(|(task, _)| {
                let task = task.upgrade();
                let waits = task.as_ref().is_some_and(|task| task.state() == State::Waiting);
                gone.extend(task);
                waits
            });
            shard.purge_at = (2 * shard.tasks.len()).max(PURGE_LEN_MIN);
        }
        shard.tasks.push((Arc::downgrade(task), now));
        drop(shard);
        // One of them may be the last to its task, whose values are dropped here.
        crate::base::quiet::quietly(|| drop(gone));
    }

    /// Calls `see` with those that wait, as long as it says so.
    fn visit(&self, see: &mut dyn FnMut(&Task, u64) -> bool) {
        for shard in &self.0 {
            let tasks: Vec<_> = shard.lock().tasks.clone();
            for (task, since) in tasks {
                let Some(task) = task.upgrade() else { continue };
                let goes_on = task.state() != State::Waiting || see(&task, since);
                crate::base::quiet::quietly(|| drop(task));
                if !goes_on {
                    return;
                }
            }
        }
    }
}

/// A task that was seen, before its row is written: what has no cost under a lock.
struct Seen {
    id: TaskId,
    function: &'static Function,
    name: Option<String>,
    status: TaskStatus,
    attempt: u32,
    actor: Option<ActorId>,
    since: Option<u64>,
}

/// The look at a node's tasks.
struct Look<'a> {
    filter: &'a Filter,
    seen: Vec<Seen>,
    known: HashSet<(TaskId, u32)>,
    /// Tasks that were looked at, wanted or not.
    looked: usize,
    truncated: bool,
}

impl Look<'_> {
    /// Notes a task. `false` when there is no room for more.
    fn add(&mut self, task: &Task, status: TaskStatus, since: Option<u64>) -> bool {
        let attempt = task.attempt.load(Ordering::Relaxed);
        if is_word(task.function) {
            return true;
        }
        self.looked += 1;
        if self.looked > LOOKED_AT_MAX {
            self.truncated = true;
            return false;
        }
        if !self.filter.takes(status.as_str(), task.name())
            || !self.known.insert((task.id(), attempt))
        {
            return true;
        }
        if self.seen.len() >= self.filter.limit as usize {
            self.truncated = true;
            return false;
        }
        self.seen.push(Seen {
            id: task.id(),
            function: task.function,
            name: task.options().name.as_deref().map(clip),
            status,
            attempt,
            actor: task.mailbox.as_ref().map(|mailbox| mailbox.actor()),
            since,
        });
        true
    }

    fn job(&mut self, job: &Arc<dyn Job>, is: State, status: TaskStatus) -> bool {
        let any: &dyn Any = &**job;
        match any.downcast_ref::<Task>() {
            Some(task) if task.state() == is => self.add(task, status, None),
            _ => true,
        }
    }
}

/// `text`, or its beginning.
pub(super) fn clip(text: &str) -> String {
    text[..text.floor_char_boundary(REPORT_TEXT_BYTES_MAX)].to_owned()
}

impl Seen {
    fn row(self, node: NodeId) -> TaskState {
        TaskState {
            task_id: self.id,
            name: self.name.unwrap_or_else(|| self.function.name.to_owned()),
            function: clip(&self.function.key()),
            status: self.status,
            task_type: type_of(self.function, self.actor),
            node_id: node,
            owner: self.id.node,
            attempt: self.attempt,
            actor_id: self.actor,
            error_type: None,
            error_message: None,
            since_ms: self.since,
        }
    }
}

fn type_of(function: &Function, actor: Option<ActorId>) -> TaskType {
    match actor {
        _ if function.body.makes() => TaskType::ActorCreationTask,
        Some(_) => TaskType::ActorTask,
        None => TaskType::NormalTask,
    }
}

fn row_of_failed(failed: &Failed, node: NodeId) -> TaskState {
    TaskState {
        task_id: failed.id,
        name: clip(&failed.name),
        function: clip(&failed.function.key()),
        status: TaskStatus::Failed,
        task_type: type_of(failed.function, failed.actor),
        node_id: node,
        owner: failed.id.node,
        attempt: failed.attempt,
        actor_id: failed.actor,
        error_type: Some(failed.kind.clone()),
        error_message: Some(failed.text.clone()),
        since_ms: Some(failed.at_ms),
    }
}

impl Node {
    /// The tasks that are here.
    pub(crate) fn tasks(&self, filter: &Filter) -> Found<TaskState> {
        let (seen, known) = (Vec::new(), HashSet::default());
        let mut look = Look { filter, seen, known, looked: 0, truncated: false };
        self.look_at_running(&mut look);
        self.look_at_waiting(&mut look);
        let Look { seen, mut truncated, .. } = look;
        let mut rows: Vec<TaskState> = seen.into_iter().map(|seen| seen.row(self.id)).collect();
        self.books.tally.failures(&mut |failed| {
            if !filter.takes(TaskStatus::Failed.as_str(), &failed.name) {
                return true;
            }
            truncated |= rows.len() >= filter.limit as usize;
            if !truncated {
                rows.push(row_of_failed(failed, self.id));
            }
            !truncated
        });
        Found { rows, truncated }
    }

    fn look_at_running(&self, look: &mut Look<'_>) {
        self.pool.visit_running(&mut |job| {
            look.job(job, State::Running, TaskStatus::Running);
        });
        self.futures.visit(&mut |task, begun| {
            let running = begun && task.state() == State::Running;
            let status =
                if running { TaskStatus::Running } else { TaskStatus::PendingNodeAssignment };
            look.add(task, status, None)
        });
        for cell in self.actors.all() {
            let core = cell.core.lock();
            for task in &core.running {
                match task.state() {
                    State::Running => look.add(task, TaskStatus::Running, None),
                    State::Queued => look.add(task, TaskStatus::PendingActorTask, None),
                    State::Waiting | State::Done => true,
                };
            }
        }
    }

    fn look_at_waiting(&self, look: &mut Look<'_>) {
        let queued = TaskStatus::PendingNodeAssignment;
        self.pool.visit_queued(&mut |job| look.job(job, State::Queued, queued));
        if let Some(cluster) = self.cluster.get() {
            let away = cluster.away.lock();
            let _ =
                away.values().all(|away| look.add(&away.task, TaskStatus::SubmittedToWorker, None));
        }
        for cell in self.actors.all() {
            let core = cell.core.lock();
            let mut see = |task: &Arc<Task>| match task.state() {
                State::Waiting => look.add(task, TaskStatus::PendingArgsAvail, None),
                State::Queued => look.add(task, TaskStatus::PendingActorTask, None),
                State::Running | State::Done => true,
            };
            let _ = core.inbox.visit(&mut see) && cell.door.visit(&mut see);
        }
        self.timer.visit_retries(&mut |task| look.add(task, TaskStatus::PendingArgsAvail, None));
        self.books
            .waits
            .visit(&mut |task, since| look.add(task, TaskStatus::PendingArgsAvail, Some(since)));
    }

    /// The actors that are here, and those that have ended of late.
    pub(super) fn actors_of(&self, filter: &Filter) -> Found<ActorState> {
        let mut found = Found { rows: Vec::new(), truncated: false };
        let mut add = |row: ActorState| {
            let name = row.name.as_deref().unwrap_or(&row.class_name);
            let short = row.class_name.rsplit("::").next().unwrap_or_default();
            let state = row.status.as_str();
            if !filter.takes(state, name)
                && !filter.takes(state, &row.class_name)
                && !filter.takes(state, short)
            {
                return true;
            }
            match found.rows.len() < filter.limit as usize {
                true => found.rows.push(row),
                false => found.truncated = true,
            }
            !found.truncated
        };
        let alive = self.actors.all().iter().all(|cell| add(cell.row()))
            && self.actors.all_placed().iter().filter_map(|placed| placed.row()).all(&mut add);
        let _ = alive && self.actors.dead().into_iter().all(&mut add);
        found
    }

    /// The functions of this program, with what became of their calls here.
    pub(super) fn functions_of(&self, filter: &Filter) -> Found<FunctionState> {
        let counts = self.books.tally.all();
        let mut found = Found { rows: Vec::new(), truncated: false };
        for function in registry::functions() {
            if !filter.takes("", function.name) && !filter.takes("", &function.key()) {
                continue;
            }
            if found.rows.len() >= filter.limit as usize {
                found.truncated = true;
                break;
            }
            let counts = counts.get(&std::ptr::from_ref(function).addr()).copied();
            let counts = counts.unwrap_or_default();
            found.rows.push(FunctionState {
                key: clip(&function.key()),
                name: clip(function.name),
                signature: clip(function.signature),
                location: clip(&format!("{}:{}", function.file, function.line)),
                schema: format!("{:016x}", function.schema),
                nodes: vec![self.id],
                finished: counts.finished,
                failed: counts.failed,
            });
        }
        found
    }

    fn metrics_address(&self) -> Option<String> {
        #[cfg(feature = "cluster")]
        return self.books.scrape.get().map(|scrape| scrape.address.to_string());
        #[cfg(not(feature = "cluster"))]
        None
    }

    /// The node itself, and counts of what is on it.
    pub(super) fn state(&self) -> NodeState {
        let (mut running, mut queued, mut waiting) = (HashSet::default(), 0, 0);
        let mut runs = |task: &Task| {
            if task.state() == State::Running {
                running.insert(task.id());
            }
        };
        self.pool.visit_running(&mut |job| {
            let any: &dyn Any = &**job;
            any.downcast_ref::<Task>().into_iter().for_each(&mut runs);
        });
        self.futures.visit(&mut |task, begun| {
            runs(task);
            queued += u64::from(!begun);
            true
        });
        let actors = self.actors.all();
        for cell in &actors {
            let core = cell.core.lock();
            core.running.iter().for_each(|task| runs(task));
            queued += cell.pending(&core);
        }
        self.books.waits.visit(&mut |_, _| {
            waiting += 1;
            true
        });
        let finished = self
            .books
            .tally
            .all()
            .values()
            .fold((0, 0), |sum, counts| (sum.0 + counts.finished, sum.1 + counts.failed));
        let (threads, threads_waiting) = self.pool.threads();
        let member = self.cluster.get().and_then(|cluster| {
            cluster.members().into_iter().find(|member| member.node == self.id)
        });
        NodeState {
            node_id: self.id,
            name: clip(match &member {
                Some(member) => &member.name,
                None => self.config.name.as_deref().unwrap_or("node"),
            }),
            is_head: self.cluster.get().is_some_and(|cluster| cluster.head() == self.id),
            is_driver: self.config.driver,
            addresses: member.map(|member| member.addresses).unwrap_or_default(),
            labels: self.config.labels.iter().cloned().collect(),
            metrics_address: self.metrics_address(),
            log_file: log_file(),
            pid: std::process::id(),
            uptime_ms: u64::try_from(self.since_start().as_millis()).unwrap_or(u64::MAX),
            resources_total: amounts(self.pool.budget().total()),
            resources_free: amounts(&self.pool.budget().free()),
            tasks_running: running.len() as u64,
            tasks_queued: queued + self.pool.queued_all() as u64,
            tasks_waiting: waiting,
            tasks_submitted: self.counters.submitted.sum().max(0).unsigned_abs(),
            tasks_finished: finished.0,
            tasks_failed: finished.1,
            actors: actors.len() as u64,
            objects: self.ledger.objects().max(0).unsigned_abs(),
            object_bytes: self.ledger.bytes().max(0).unsigned_abs(),
            threads: threads as u64,
            threads_waiting: threads_waiting as u64,
        }
    }
}

/// Where what this process prints is kept.
fn log_file() -> Option<String> {
    #[cfg(feature = "cluster")]
    return crate::logs::logs().map(|logs| clip(&logs.path().display().to_string()));
    #[cfg(not(feature = "cluster"))]
    None
}

/// Resources by the names that Ray has for them.
fn amounts(resources: &Resources) -> BTreeMap<String, f64> {
    let named = resources.named.iter().map(|(name, n)| (clip(name), n.as_f64()));
    let mut all: BTreeMap<String, f64> = named.collect();
    all.insert("CPU".to_owned(), resources.cpu.as_f64());
    all.insert("GPU".to_owned(), resources.gpu.as_f64());
    all.insert("memory".to_owned(), resources.memory as f64);
    all
}

impl Cell {
    /// Calls that have not begun.
    fn pending(&self, core: &Core) -> u64 {
        let mut at_door = 0;
        self.door.visit(&mut |_| {
            at_door += 1;
            true
        });
        core.inbox.len() as u64 + at_door
    }

    /// What is told of the actor.
    pub(super) fn row(&self) -> ActorState {
        let core = self.core.lock();
        let (status, death_cause) = match &core.stage {
            Stage::Starting(_) => (ActorStatus::PendingCreation, None),
            Stage::Alive => (ActorStatus::Alive, None),
            Stage::Falling | Stage::Down => (ActorStatus::Restarting, None),
            Stage::Ended(why) => (ActorStatus::Dead, Some(clip(why.message()))),
        };
        ActorState {
            actor_id: self.shown_id(),
            class_name: clip(self.type_name()),
            name: self.options.name.as_deref().map(clip),
            namespace: self.options.namespace.as_deref().map(clip),
            status,
            node_id: self.id.node,
            pid: std::process::id(),
            num_restarts: core.restarts() + self.options.lost_before,
            pending_calls: self.pending(&core),
            death_cause,
        }
    }
}

impl Placed {
    /// What is told of one that is nowhere yet. Where it is, that node tells of it; and what the
    /// head has made, the head.
    fn row(&self) -> Option<ActorState> {
        let berth = self.berth.lock();
        let At::Nowhere(_) = berth.at else { return None };
        let restarts = berth.restarts.total();
        let status =
            if restarts > 0 { ActorStatus::Restarting } else { ActorStatus::PendingCreation };
        self.told(status, restarts, berth.waiting.len() as u64)
    }

    /// What is told of one that has ended, if it was nowhere: where it was, that node tells of it.
    pub(super) fn last_row(&self, was: &At, why: &Error) -> Option<ActorState> {
        let At::Nowhere(_) = was else { return None };
        let row = self.told(ActorStatus::Dead, self.restarts(), 0)?;
        Some(ActorState { death_cause: Some(clip(why.message())), ..row })
    }

    fn told(&self, status: ActorStatus, restarts: u64, calls: u64) -> Option<ActorState> {
        let node = self.id().node;
        (!self.by_head).then(|| ActorState {
            actor_id: self.id(),
            class_name: clip(self.type_name()),
            name: self.options.name.as_deref().map(clip),
            namespace: self.options.namespace.as_deref().map(clip),
            status,
            node_id: node,
            pid: std::process::id(),
            num_restarts: restarts,
            pending_calls: calls,
            death_cause: None,
        })
    }
}
