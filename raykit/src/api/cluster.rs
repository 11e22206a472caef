//! What one may know of the running node: the context of this task, counts, and what a reference
//! waits for.

use super::actor::{Handle, WeakHandle};
use crate::base::quantity::Resources;
use crate::base::{ActorId, NodeId, TaskId};
use crate::node::keys::KeyOrder;
use crate::node::task::Task;
use crate::node::{current, explain, gpus};
use crate::object::ObjectRef;
use crate::object::error::{Error, Result};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where this code runs: in which task, which attempt of it, on which node. Outside a task all of
/// these are `None` but perhaps the node.
///
/// ```
/// use raykit::prelude::*;
///
/// #[remote(name = "who")]
/// fn who_am_i() -> String {
///     let context = raykit::context();
///     format!("{} attempt {}", context.task_name().unwrap_or("?"), context.attempt())
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// assert_eq!(who_am_i::remote().get()?, "who attempt 0");
/// assert!(raykit::context().task_id().is_none());
/// # Ok(())
/// # }
/// ```
pub fn context() -> Context {
    Context { task: current::task(), node: current::with_node(|node| node.id).ok() }
}

/// What the libraries of NVIDIA read to know which GPUs they may use.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// The GPUs with these indices, as they are named in `own`, the list that this process was given.
fn visible(gpus: &[usize], own: Option<&str>) -> String {
    let own: Vec<&str> = own.map_or_else(Vec::new, |own| own.split(',').map(str::trim).collect());
    let name = |at: &usize| own.get(*at).map_or_else(|| at.to_string(), |&name| name.to_owned());
    gpus.iter().map(name).collect::<Vec<_>>().join(",")
}

/// The answer of [`context`].
#[derive(Clone)]
pub struct Context {
    task: Option<Arc<Task>>,
    node: Option<NodeId>,
}

impl Context {
    /// The id of the task.
    pub fn task_id(&self) -> Option<TaskId> {
        self.task.as_ref().map(|task| task.id())
    }

    /// The task's name: its function's, unless the call was given one.
    pub fn task_name(&self) -> Option<&str> {
        self.task.as_ref().map(|task| task.name())
    }

    /// How often the task was tried before: 0 in the first attempt.
    pub fn attempt(&self) -> u32 {
        self.task.as_ref().map_or(0, |task| task.attempt.load(Ordering::Relaxed))
    }

    /// The GPUs that the task holds, or the actor whose method it is, by their indices on this
    /// node. Whoever asks for whole ones has them alone; parts (`num_gpus = 0.25`) share one.
    /// raykit counts GPUs and does not touch them: [`visible_gpus`](Self::visible_gpus) tells them
    /// to a child process, and libraries take an index.
    ///
    /// ```
    /// use raykit::prelude::*;
    ///
    /// #[remote(num_gpus = 1)]
    /// fn which() -> usize {
    ///     raykit::context().gpus()[0]
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::Config::new().num_gpus(2.0).init()?;
    /// assert!(which::remote().get()? < 2);
    /// assert!(raykit::context().gpus().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn gpus(&self) -> Vec<usize> {
        let of = |task: &Arc<Task>| current::with_node(|node| gpus::of(node, task)).ok();
        self.task.as_ref().and_then(of).unwrap_or_default()
    }

    /// Has a child process see the GPUs that this task holds, and no others: sets
    /// `CUDA_VISIBLE_DEVICES` in the child's environment. Where this process has been given a list
    /// itself, the indices are places in that list. This process's own environment is left alone.
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// let mut child = std::process::Command::new("train");
    /// raykit::context().visible_gpus(&mut child).spawn()?.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn visible_gpus<'a>(&self, child: &'a mut Command) -> &'a mut Command {
        let own = std::env::var(VISIBLE).ok();
        child.env(VISIBLE, visible(&self.gpus(), own.as_deref()))
    }

    /// The actor whose method this is.
    pub fn actor_id(&self) -> Option<ActorId> {
        self.task.as_ref()?.mailbox.as_ref().map(|mailbox| mailbox.actor())
    }

    /// A handle of the actor whose method this is, if `H` is its type. It is a weak one: an actor
    /// that keeps it does not keep itself alive.
    ///
    /// ```
    /// use raykit::prelude::*;
    ///
    /// #[remote]
    /// struct Ticker;
    ///
    /// #[remote]
    /// impl Ticker {
    ///     pub fn new() -> Self {
    ///         Ticker
    ///     }
    ///     pub fn knows_itself(&self) -> bool {
    ///         let own = raykit::context().actor::<TickerHandle>();
    ///         own.and_then(|weak| weak.upgrade()).is_some()
    ///     }
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// assert!(Ticker::remote().knows_itself().get()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn actor<H: Handle>(&self) -> Option<WeakHandle<H>> {
        WeakHandle::of_this_actor()
    }

    /// The node.
    pub fn node_id(&self) -> Option<NodeId> {
        self.node
    }

    /// Whether the result is not wanted any more: the task was cancelled, or its time is up. A long
    /// function looks now and then, and returns.
    pub fn is_cancelled(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.is_cancelled())
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("task", &self.task_id())
            .field("name", &self.task_name())
            .field("attempt", &self.attempt())
            .field("node", &self.node)
            .finish()
    }
}

/// Counts of the node in force. Each is exact; together they are not a snapshot while work goes on.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls submitted since the node began.
    pub tasks_submitted: u64,
    /// Calls that are not done.
    pub tasks_pending: u64,
    /// Actors that have not ended.
    pub actors: usize,
    /// Objects that exist or are being made.
    pub objects: u64,
    /// Bytes of the objects that exist, about.
    pub object_bytes: u64,
    /// Objects that have come from other nodes of this host in shared memory, without a copy.
    pub objects_mapped: u64,
    /// Bytes of memory that the node has to share with those: the whole of its segments, of which
    /// the system gives memory only to those parts that were written.
    pub shared_bytes: u64,
    /// Threads that run tasks.
    pub threads: usize,
    /// How many of these wait for an object.
    pub threads_waiting: usize,
    /// CPUs that no task and no worker holds.
    pub cpus_free: f64,
    /// GPUs that no task holds.
    pub gpus_free: f64,
    /// Bytes of memory that no task has reserved.
    pub memory_free: u64,
    /// Named resources that no task holds.
    pub resources_free: Vec<(String, f64)>,
}

/// Counts of the node in force.
///
/// # Errors
///
/// [`ErrorKind::NotRunning`](crate::ErrorKind::NotRunning) without a node.
pub fn stats() -> Result<Stats> {
    current::with_node(|node| {
        let free = node.pool.budget().free();
        let (threads, threads_waiting) = node.pool.threads();
        let shared = node.cluster.get().map(|cluster| cluster.shared());
        let (objects_mapped, shared_bytes) = shared.unwrap_or_default();
        Stats {
            tasks_submitted: node.counters.submitted.sum().max(0) as u64,
            tasks_pending: node.pending().max(0) as u64,
            actors: node.actors.len(),
            objects: node.ledger.objects().max(0) as u64,
            object_bytes: node.ledger.bytes().max(0) as u64,
            objects_mapped,
            shared_bytes,
            threads,
            threads_waiting,
            cpus_free: free.cpu.as_f64(),
            gpus_free: free.gpu.as_f64(),
            memory_free: free.memory,
            resources_free: free
                .named
                .into_iter()
                .map(|(name, amount)| (name.into_owned(), amount.as_f64()))
                .collect(),
        }
    })
}

/// Says in words what `reference` is waiting for, down the chain of what that waits for.
///
/// ```
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let stored = raykit::put(1)?;
/// assert!(raykit::explain(&stored).ends_with("is ready"));
/// # Ok(())
/// # }
/// ```
pub fn explain<T>(reference: &ObjectRef<T>) -> String {
    let node = current::node().ok();
    explain::explain(node.as_ref(), &reference.0)
}

/// A node of the cluster, as [`nodes`] lists it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its id; never given to another node.
    pub id: NodeId,
    /// What it is called: its host's name, unless it was given one.
    pub name: String,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// Whether it is a program's own node, and not there for others.
    pub is_driver: bool,
    /// CPUs in all.
    pub num_cpus: f64,
    /// GPUs in all.
    pub num_gpus: f64,
    /// Bytes of memory that tasks can reserve.
    pub memory: u64,
    /// Further resources, by name.
    pub resources: Vec<(String, f64)>,
    /// What it can be known by.
    pub labels: Vec<(String, String)>,
}

/// The nodes of the cluster that the node in force belongs to, as far as it has heard; the node
/// itself where it belongs to none.
///
/// # Errors
///
/// [`ErrorKind::NotRunning`](crate::ErrorKind::NotRunning) where no node is in force.
///
/// ```
/// let _ray = raykit::Config::new().num_cpus(2).init()?;
/// let nodes = raykit::nodes()?;
/// assert_eq!((nodes.len(), nodes[0].num_cpus), (1, 2.0));
/// # Ok::<(), raykit::Error>(())
/// ```
pub fn nodes() -> Result<Vec<NodeInfo>> {
    let node = current::node()?;
    let info = |id, name: &str, total: &Resources| NodeInfo {
        id,
        name: name.to_owned(),
        addresses: Vec::new(),
        is_driver: false,
        num_cpus: total.cpu.as_f64(),
        num_gpus: total.gpu.as_f64(),
        memory: total.memory,
        resources: total.named.iter().map(|(name, n)| (name.to_string(), n.as_f64())).collect(),
        labels: Vec::new(),
    };
    let Some(cluster) = node.cluster.get() else {
        let name = node.config.name.as_deref().unwrap_or("node");
        return Ok(vec![info(node.id, name, node.pool.budget().total())]);
    };
    let mut all: Vec<NodeInfo> = cluster
        .members()
        .into_iter()
        .map(|member| NodeInfo {
            addresses: member.addresses,
            is_driver: member.driver,
            labels: member.labels,
            ..info(member.node, &member.name, &member.total)
        })
        .collect();
    all.sort_by_key(|node| node.id);
    Ok(all)
}

/// A token with which other processes join the cluster of this head, good for `ttl`; without that,
/// until it is revoked.
///
/// # Errors
///
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) where the node in force is no head.
pub fn join_token(ttl: Option<std::time::Duration>) -> Result<String> {
    let node = current::node()?;
    let road = node.cluster.get().and_then(|cluster| cluster.road().cloned());
    match road {
        Some(road) => {
            let ttl_s = ttl.map(|ttl| ttl.as_secs());
            let order = KeyOrder::Issue { role: "node".to_owned(), ttl_s, uses: None };
            let made = road.keys(&order)?.token;
            Ok(made.map(|(_, token)| token).unwrap_or_default())
        }
        None => {
            let text = "the node in force is in no cluster";
            Err(Error::new(crate::ErrorKind::Refused, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn gpus_are_named_as_this_process_was_told() {
        for (gpus, own, text) in [
            (&[0, 2][..], None, "0,2"),
            (&[][..], None, ""),
            (&[][..], Some("4,5"), ""),
            (&[1][..], Some("4,5"), "5"),
            (&[0][..], Some("GPU-1a, GPU-2b"), "GPU-1a"),
            (&[3][..], Some("4,5"), "3"),
        ] {
            assert_eq!(visible(gpus, own), text);
        }
    }
}
