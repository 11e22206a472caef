//! A node is built in order and closed in reverse order, each step named here.

use super::settings::{Part, Settings};
use super::{Counters, Node, actors, current, future, graph, groups, run, timeline, timer, watch};
use crate::base::NodeId;
use crate::base::clock;
use crate::base::quantity::{Amount, Resources};
use crate::base::shards::Sharded;
use crate::base::thread::Condvar;
use crate::object::error::{Error, ErrorKind, Result};
use crate::object::ledger::Ledger;
use crate::sched::{Pool, PoolConfig};
use crate::task::registry;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

impl Node {
    /// Builds a node:
    /// 1. the registry is sound, the settings mean something;
    /// 2. the panic hook is there before anything can panic;
    /// 3. the ledger, the timer, the graph: memory only;
    /// 4. the pool; its threads start when the node is whole, and know it from their first step on.
    pub(crate) fn start(config: Settings) -> Result<Arc<Node>> {
        let resources = sound(&config)?;
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let entry = entry(&config, &resources)?;
        let id = match &entry {
            Some(entry) => id_of(entry),
            None => NodeId(NEXT.fetch_add(1, Ordering::Relaxed)),
        };
        let node = Node::build(id, config, &resources)?;
        match join(&node, entry) {
            Ok(()) => Ok(node),
            Err(error) => {
                node.close()?;
                Err(error)
            }
        }
    }

    /// Steps 3 and 4.
    pub(super) fn build(id: NodeId, config: Settings, resources: &Resources) -> Result<Arc<Node>> {
        let node = Arc::new_cyclic(|this: &Weak<Node>| {
            let pool = pool_of(this, id, &config, resources);
            Node {
                id,
                pool: Pool::new(pool),
                ledger: Ledger::open(),
                graph: graph::Graph::default(),
                watcher: watch::Watcher::default(),
                timer: timer::Timer::default(),
                futures: future::Futures::default(),
                actors: actors::Actors::default(),
                groups: groups::Groups::default(),
                began: clock::now(),
                timeline: config.timeline.as_deref().map(timeline::Timeline::new),
                counters: Counters { submitted: Sharded::new(), finished: Sharded::new() },
                books: Default::default(),
                has_whole_cpu: resources.cpu >= Amount::ONE,
                closing: AtomicBool::new(false),
                closed: AtomicBool::new(false),
                throttled: AtomicBool::new(false),
                room: Mutex::new(()),
                room_made: Condvar::new(),
                cluster: OnceLock::new(),
                config,
            }
        });
        current::announce(&node);
        match node.pool.open() {
            Ok(()) => Ok(node),
            Err(error) => {
                node.close()?;
                Err(error.into())
            }
        }
    }

    /// Closes the node, once:
    /// 1. actors with an `on_stop` run it, within the grace;
    /// 2. no call is accepted any more;
    /// 3. retries and timeouts stop;
    /// 4. futures are dropped at their next await, queued tasks resolve to an error, running
    ///    functions
    ///    have the time of grace to return;
    /// 5. threads end and are joined; the trace is written; the ledger is free for another node.
    ///
    /// # Errors
    ///
    /// Names the tasks that still run when the grace is over. Their threads are left to themselves.
    pub(crate) fn close(self: &Arc<Node>) -> Result<()> {
        if self.closing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.actors.retire(self, self.config.grace);
        self.leave_cluster();
        #[cfg(feature = "cluster")]
        self.books.scrape.get().into_iter().for_each(super::scrape::Scrape::close);
        self.closed.store(true, Ordering::Release);
        self.room_made.notify_all();
        self.watcher.close();
        self.timer.close();
        let mut stuck = self.close_futures(self.config.grace);
        stuck.extend(self.pool.close(self.config.grace));
        self.actors.close(self);
        self.end_groups(&self.closed_error());
        let written = self.timeline.as_ref().map_or(Ok(()), timeline::Timeline::write);
        self.ledger.retire();
        if stuck.is_empty() {
            return Ok(written?);
        }
        let text = format!(
            "{} did not return within the grace of {:?}: {}",
            if stuck.len() == 1 { "one task" } else { "some tasks" },
            self.config.grace,
            stuck.join(", ")
        );
        Err(Error::new(ErrorKind::ShutDown, text))
    }
}

/// Steps 1 and 2: what a node with these settings has.
pub(super) fn sound(config: &Settings) -> Result<Resources> {
    registry::check()?;
    config.check()?;
    run::note_panics();
    config.resources()
}

/// How the pool of a node is made.
fn pool_of(node: &Weak<Node>, id: NodeId, config: &Settings, total: &Resources) -> PoolConfig {
    let (of_threads, this) = (Weak::clone(node), Weak::clone(node));
    let on_start = move || {
        if let Some(node) = of_threads.upgrade() {
            current::enter(node);
        }
    };
    let on_idle = move || {
        if let Some(node) = this.upgrade()
            && let Some(cluster) = node.cluster.get()
        {
            cluster.is_idle();
        }
    };
    PoolConfig {
        resources: total.clone(),
        threads: config.num_cpus,
        threads_max: config.threads_max,
        name: format!("raykit-{id}"),
        on_start: Box::new(on_start),
        on_idle: Box::new(on_idle),
    }
}

#[cfg(feature = "cluster")]
use super::road::Entry;

/// What joining would have given, where nothing can be joined.
#[cfg(not(feature = "cluster"))]
enum Entry {}

/// The entry into the cluster that the settings name, if they name one.
fn entry(config: &Settings, total: &Resources) -> Result<Option<Entry>> {
    if config.part == Part::Alone {
        return Ok(None);
    }
    #[cfg(feature = "cluster")]
    return super::road::enter(config, total).map(Some);
    #[cfg(not(feature = "cluster"))]
    {
        let _ = total;
        let text = "raykit was built without its feature `cluster`";
        Err(Error::new(ErrorKind::Config, text))
    }
}

fn id_of(entry: &Entry) -> NodeId {
    #[cfg(feature = "cluster")]
    return entry.node;
    #[cfg(not(feature = "cluster"))]
    match *entry {}
}

fn join(node: &Arc<Node>, entry: Option<Entry>) -> Result<()> {
    open_metrics(node)?;
    let Some(entry) = entry else { return Ok(()) };
    #[cfg(feature = "cluster")]
    return super::road::begin(node, entry);
    #[cfg(not(feature = "cluster"))]
    {
        let _ = node;
        match entry {}
    }
}

/// Has the node's counters read at the address that the settings name, if they name one.
fn open_metrics(node: &Arc<Node>) -> Result<()> {
    let Some(address) = node.config.metrics else { return Ok(()) };
    #[cfg(feature = "cluster")]
    {
        let scrape = super::scrape::Scrape::open(node, address)?;
        let _ = node.books.scrape.set(scrape);
        Ok(())
    }
    #[cfg(not(feature = "cluster"))]
    {
        let text =
            format!("raykit was built without its feature `cluster`: nothing is at {address}");
        Err(Error::new(ErrorKind::Config, text))
    }
}
