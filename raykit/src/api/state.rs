//! Ray's state API: what is on the nodes of a cluster, asked of all of them.

use crate::base::NodeId;
use crate::base::limits::{REPORT_ROWS_MAX, STATE_ROWS, STATE_WAIT_MS};
use crate::node::census::Filter;
#[cfg(feature = "cluster")]
use crate::node::courier;
use crate::node::metrics::text;
use crate::node::report::{
    ActorState, ActorStatus, FunctionState, NodeState, ObjectState, TaskState, TaskStatus,
};
use crate::node::survey::{Open, Row, survey};
use crate::node::{Node, current};
use crate::object::error::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A question to the nodes of the cluster; [`get`](Self::get) asks it.
///
/// ```
/// use raykit::state;
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let running = state::tasks().state("RUNNING").limit(100).get()?;
/// assert!(running.items.is_empty() && !running.truncated && running.silent.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `get`"]
pub struct Query<T> {
    filter: Filter,
    only: Option<NodeId>,
    wait: Duration,
    kind: PhantomData<fn() -> T>,
}

/// What nodes have answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Listing<T> {
    /// The rows, by node.
    pub items: Vec<T>,
    /// Whether there are more than the limit allows.
    pub truncated: bool,
    /// The nodes that have not answered: their part is missing.
    pub silent: Vec<Silent>,
}

/// A node that has not answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Silent {
    /// Which one.
    pub node_id: NodeId,
    /// Why, in a line.
    pub why: String,
}

/// What a listing is made of. Implemented for the rows of this module alone.
#[expect(private_bounds, reason = "no rows but these can be asked for")]
pub trait Listed: Row {
    /// Makes one list of those of several nodes.
    #[doc(hidden)]
    fn gather(rows: Vec<Self>) -> Vec<Self> {
        rows
    }
}

impl Listed for NodeState {}
impl Listed for ObjectState {}

impl Listed for ActorState {
    /// An actor that lives on another node than the one that has made it is told once: where it is,
    /// and when it has ended by who knows why.
    fn gather(rows: Vec<Self>) -> Vec<Self> {
        // On its way both know of it, and so they may when it ends there.
        let worth = |row: &ActorState| {
            let dead = row.status == ActorStatus::Dead;
            (!dead, dead == (row.node_id == row.actor_id.node))
        };
        let mut known: BTreeMap<_, ActorState> = BTreeMap::new();
        for row in rows {
            let there = known.get(&row.actor_id);
            if there.is_none_or(|there| worth(there) < worth(&row)) {
                known.insert(row.actor_id, row);
            }
        }
        let mut rows: Vec<ActorState> = known.into_values().collect();
        rows.sort_by_key(|row| (row.node_id, row.actor_id));
        rows
    }
}

impl Listed for TaskState {
    /// An attempt that two nodes know is told once: by the one that has it, and not by the one that
    /// has given it away.
    fn gather(rows: Vec<Self>) -> Vec<Self> {
        let mut known: BTreeMap<_, TaskState> = BTreeMap::new();
        for row in rows {
            let place = known.entry((row.task_id, row.attempt));
            let better = |there: &TaskState| {
                there.status == TaskStatus::SubmittedToWorker
                    || (row.status == TaskStatus::Failed && row.node_id != row.owner)
            };
            match place {
                std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(row)),
                std::collections::btree_map::Entry::Occupied(mut taken) => {
                    if better(taken.get()) {
                        taken.insert(row);
                    }
                }
            }
        }
        let mut rows: Vec<TaskState> = known.into_values().collect();
        rows.sort_by_key(|row| (row.node_id, row.task_id, row.attempt));
        rows
    }
}

impl Listed for FunctionState {
    fn gather(rows: Vec<Self>) -> Vec<Self> {
        let mut known: BTreeMap<(String, String), FunctionState> = BTreeMap::new();
        for row in rows {
            let key = (row.key.clone(), row.schema.clone());
            match known.get_mut(&key) {
                Some(there) => {
                    there.nodes.extend(row.nodes);
                    there.finished += row.finished;
                    there.failed += row.failed;
                }
                None => drop(known.insert(key, row)),
            }
        }
        known.into_values().collect()
    }
}

impl<T: Listed> Query<T> {
    fn new() -> Query<T> {
        Query {
            filter: Filter { state: None, name: None, limit: STATE_ROWS },
            only: None,
            wait: Duration::from_millis(STATE_WAIT_MS),
            kind: PhantomData,
        }
    }

    /// Only those in this state: a word of [`TaskStatus`],
    /// [`ActorStatus`] or, for objects,
    /// [`ReferenceType`](crate::state::ReferenceType). Nodes and functions have none.
    pub fn state(mut self, state: impl Into<String>) -> Query<T> {
        self.filter.state = Some(state.into());
        self
    }

    /// Only those of this name: of a task, an actor or its class, a function or its key, or the id
    /// of an object.
    pub fn name(mut self, name: impl Into<String>) -> Query<T> {
        self.filter.name = Some(name.into());
        self
    }

    /// Only this node is asked.
    pub fn node(mut self, node: NodeId) -> Query<T> {
        self.only = Some(node);
        self
    }

    /// Rows at the most; 10,000 unless said otherwise, and 50,000 of one node in any case.
    pub fn limit(mut self, rows: u32) -> Query<T> {
        self.filter.limit = rows;
        self
    }

    /// How long nodes have for their answers; 30 seconds unless said otherwise. One that has not
    /// answered by then is named in [`Listing::silent`].
    pub fn timeout(mut self, wait: Duration) -> Query<T> {
        self.wait = wait;
        self
    }

    /// Asks, and waits for the answers. The thread is blocked meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotRunning`](crate::ErrorKind::NotRunning) where no node is in force. That a
    /// node does not answer is no error.
    pub fn get(self) -> Result<Listing<T>> {
        Ok(self.ask(&current::node()?).listing())
    }

    fn ask(self, node: &Arc<Node>) -> Asked<T> {
        let open = survey::<T>(node, &self.filter, self.only, self.wait);
        Asked { open, limit: self.filter.limit.min(REPORT_ROWS_MAX) as usize }
    }
}

/// A question whose answers are on their way.
struct Asked<T> {
    open: Open<T>,
    limit: usize,
}

impl<T: Listed> Asked<T> {
    /// Waits for the answers.
    fn listing(self) -> Listing<T> {
        let answers = self.open.answers();
        let truncated = answers.answers.iter().any(|(_, found)| found.truncated);
        let all = answers.answers.into_iter().flat_map(|(_, found)| found.rows).collect();
        let mut items = T::gather(all);
        let truncated = truncated || items.len() > self.limit;
        items.truncate(self.limit);
        Listing { items, truncated, silent: silent(answers.silent) }
    }
}

fn silent(nodes: Vec<(NodeId, String)>) -> Vec<Silent> {
    nodes.into_iter().map(|(node_id, why)| Silent { node_id, why }).collect()
}

/// The nodes, each with counts of what is on it.
pub fn nodes() -> Query<NodeState> {
    Query::new()
}

/// The tasks that wait, stand in line or run, and the last 10,000 attempts of each node that have
/// failed.
///
/// Tasks that ended well are counted by function ([`functions`]) and not listed: a record of each
/// would cost more than a small task takes. A worker's own queue (256 tasks at the most) cannot be
/// looked into either; [`NodeState::tasks_queued`] counts what is there.
pub fn tasks() -> Query<TaskState> {
    Query::new()
}

/// The actors, and the last 1,000 of each node that have ended.
pub fn actors() -> Query<ActorState> {
    Query::new()
}

/// The objects that take 100 KiB or more, and those that several nodes know. All others are counted
/// in [`NodeState`].
pub fn objects() -> Query<ObjectState> {
    Query::new()
}

/// The remote functions of all programs in the cluster, with what became of their calls.
pub fn functions() -> Query<FunctionState> {
    Query::new()
}

/// What a cluster has and does, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The nodes.
    pub nodes: Vec<NodeState>,
    /// What they have in all.
    pub resources_total: BTreeMap<String, f64>,
    /// What of it nobody holds.
    pub resources_free: BTreeMap<String, f64>,
    /// Tasks that wait, run or have failed, by name and state.
    pub tasks: BTreeMap<String, BTreeMap<String, u64>>,
    /// Actors by class and state.
    pub actors: BTreeMap<String, BTreeMap<String, u64>>,
    /// Whether there are more tasks, actors or nodes than were counted.
    pub truncated: bool,
    /// The nodes that have not answered: their part is missing.
    pub silent: Vec<Silent>,
}

/// Asks all nodes for what they have and do, and adds it up.
///
/// # Errors
///
/// As [`Query::get`].
///
/// ```
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::Config::new().num_cpus(2).init()?;
/// let summary = raykit::state::summary()?;
/// assert_eq!(summary.resources_total["CPU"], 2.0);
/// # Ok(())
/// # }
/// ```
pub fn summary() -> Result<Summary> {
    summary_timeout(Duration::from_millis(STATE_WAIT_MS))
}

/// The same as [`summary`], where nodes have so long for their answers, and not 30 seconds.
///
/// # Errors
///
/// As [`Query::get`].
pub fn summary_timeout(wait: Duration) -> Result<Summary> {
    let node = current::node()?;
    let most = REPORT_ROWS_MAX;
    // All is asked before anything is waited for: the time is for all of it.
    let nodes = nodes().timeout(wait).ask(&node);
    let tasks = tasks().limit(most).timeout(wait).ask(&node);
    let actors = actors().limit(most).timeout(wait).ask(&node);
    let (nodes, tasks, actors) = (nodes.listing(), tasks.listing(), actors.listing());
    let add = |of: fn(&NodeState) -> &BTreeMap<String, f64>| {
        let mut sum = BTreeMap::new();
        for (name, amount) in nodes.items.iter().flat_map(of) {
            *sum.entry(name.clone()).or_insert(0.0) += amount;
        }
        sum
    };
    let task_rows = tasks.items.iter().map(|task| (task.name.clone(), task.status.as_str()));
    let actor_rows =
        actors.items.iter().map(|actor| (actor.class_name.clone(), actor.status.as_str()));
    let mut silent = nodes.silent;
    for more in tasks.silent.into_iter().chain(actors.silent) {
        if silent.iter().all(|known| known.node_id != more.node_id) {
            silent.push(more);
        }
    }
    Ok(Summary {
        resources_total: add(|node| &node.resources_total),
        resources_free: add(|node| &node.resources_free),
        tasks: count(task_rows),
        actors: count(actor_rows),
        truncated: nodes.truncated || tasks.truncated || actors.truncated,
        nodes: nodes.items,
        silent,
    })
}

fn count<'a>(
    rows: impl Iterator<Item = (String, &'a str)>,
) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (name, state) in rows {
        *counts.entry(name).or_default().entry(state.to_owned()).or_default() += 1;
    }
    counts
}

/// What the nodes have counted, in the text format of Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// The text: one line for each number, labelled with its node.
    pub text: String,
    /// Whether there are more functions than are told of.
    pub truncated: bool,
    /// The nodes that have not answered: their part is missing.
    pub silent: Vec<Silent>,
}

/// Asks all nodes, or one of them, for what they have counted. A node tells its own part to
/// Prometheus itself where [`Config::metrics`](crate::Config::metrics) says so.
///
/// # Errors
///
/// As [`Query::get`].
///
/// ```
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// assert!(raykit::state::metrics(None)?.text.contains("raykit_tasks_finished_total{node="));
/// # Ok(())
/// # }
/// ```
pub fn metrics(only: Option<NodeId>) -> Result<Metrics> {
    metrics_timeout(only, Duration::from_millis(STATE_WAIT_MS))
}

/// The same as [`metrics`], where nodes have so long for their answers, and not 30 seconds.
///
/// # Errors
///
/// As [`Query::get`].
pub fn metrics_timeout(only: Option<NodeId>, wait: Duration) -> Result<Metrics> {
    let node = current::node()?;
    let filter = Filter { state: None, name: None, limit: STATE_ROWS };
    let nodes = survey::<NodeState>(&node, &filter, only, wait);
    let functions = survey::<FunctionState>(&node, &filter, only, wait);
    let (nodes, functions) = (nodes.answers(), functions.answers());
    let truncated = functions.answers.iter().any(|(_, found)| found.truncated);
    let rows: Vec<_> = nodes.answers.into_iter().flat_map(|(_, found)| found.rows).collect();
    let calls: Vec<_> = functions.answers.into_iter().flat_map(|(_, found)| found.rows).collect();
    let mut not_heard = nodes.silent;
    not_heard.extend(functions.silent);
    not_heard.sort();
    not_heard.dedup_by_key(|(node, _)| *node);
    Ok(Metrics { text: text(&rows, &calls), truncated, silent: silent(not_heard) })
}

/// A question for what a node has printed; [`get`](Self::get) asks it.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before `get`"]
pub struct LogQuery {
    node: NodeId,
    from: Option<u64>,
    lines: u32,
    wait: Duration,
}

/// A part of what a node has printed.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Log {
    /// Where it begins, in bytes from the first that the node has printed.
    pub start: u64,
    /// Where the next part begins: ask from there to go on.
    pub next: u64,
    /// Where all that was printed ends.
    pub end: u64,
    /// The text as it was printed, but for bytes that are no UTF-8, which are replaced.
    /// [`plain`](crate::state::plain) makes it fit for a terminal.
    pub text: String,
    /// The file on the node's host.
    pub path: String,
}

/// What a node has printed that was started as a worker: the last 8 to 16 MiB.
///
/// ```no_run
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::Config::new().address("127.0.0.1:7000").init()?;
/// for node in raykit::nodes()? {
///     let log = raykit::state::log(node.id).tail(10).get()?;
///     println!("{}", raykit::state::plain(&log.text));
/// }
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "cluster")]
pub fn log(node: NodeId) -> LogQuery {
    LogQuery { node, from: None, lines: 1_000, wait: Duration::from_millis(STATE_WAIT_MS) }
}

#[cfg(feature = "cluster")]
impl LogQuery {
    /// The last lines, so many; 1,000 unless said otherwise, and 1 MiB at the most.
    pub fn tail(mut self, lines: u32) -> LogQuery {
        (self.from, self.lines) = (None, lines);
        self
    }

    /// From this place on, 1 MiB at the most; from the oldest that is kept, where that is later.
    pub fn from(mut self, at: u64) -> LogQuery {
        self.from = Some(at);
        self
    }

    /// How long the node has for its answer; 30 seconds unless said otherwise.
    pub fn timeout(mut self, wait: Duration) -> LogQuery {
        self.wait = wait;
        self
    }

    /// Asks, and waits for the answer. The thread is blocked meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NodeDied`](crate::ErrorKind::NodeDied) where there is no such node,
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where it keeps no log, and what comes of a
    /// node that does not answer.
    pub fn get(self) -> Result<Log> {
        let node = current::node()?;
        let part = courier::part_of(&node, self.node, self.from, self.lines, self.wait)?;
        let next = part.start + part.bytes.len() as u64;
        let text = String::from_utf8_lossy(&part.bytes).into_owned();
        Ok(Log { start: part.start, next, end: part.end, text, path: part.path })
    }
}
